"""How any number of threads wait for jobs: on events, with one thread that looks for termination.

A thread that waits is woken for the end of its job alone; what comes before is noted by whoever
tells of it.

miniwdl tells a backend of termination (a signal, or another task's failure) by a flag that must be
asked for. One thread asks for all.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

from miniwdl_aws.backend.turns import TURNS
from miniwdl_aws.status import JobStatus

PERIOD_SECONDS = 0.25
"""How often the flag is asked for; termination is noticed within this time."""


class JobWaiter:
    """What one thread waits on: the end of its job, and being woken for another reason.

    Args:
        note: takes each change before the end, on the thread that tells of it.

    Attributes:
        first: the first change that was handed over.
    """

    def __init__(self, note: Callable[[JobStatus], object]) -> None:
        self.first: JobStatus | None = None
        self._note = note
        self._events: queue.SimpleQueue[JobStatus | None] = queue.SimpleQueue()

    def observe(self, status: JobStatus) -> None:
        """Hand over a change; called by the threads of the describer and of the sign watcher."""
        self.first = self.first or status
        if status.is_terminal:
            self._events.put(status)
        else:
            self._note(status)

    def wake(self) -> None:
        """End the current or next wait without a change."""
        self._events.put(None)

    def wait(self, timeout_seconds: float | None = None) -> JobStatus | None:
        """Wait for the end of the job.

        Returns:
            Its last status; None after `wake`, or when the time is up.
        """
        with TURNS.aside():
            try:
                return self._events.get(timeout=timeout_seconds)
            except queue.Empty:
                return None


class TerminationWatch:
    """Wakes waiting threads once when miniwdl terminates.

    Its thread runs while something is registered.

    Args:
        period_seconds: how often it asks.

    Attributes:
        noticed: set once termination is noticed; waiting for it is a sleep that ends then.
    """

    def __init__(self, period_seconds: float = PERIOD_SECONDS) -> None:
        self._period = period_seconds
        self._lock = threading.Condition()
        self._waiting: dict[int, tuple[Callable[[], bool], Callable[[], None]]] = {}
        self._count = 0
        self._thread: threading.Thread | None = None
        self.noticed = threading.Event()

    @contextlib.contextmanager
    def watching(self, terminating: Callable[[], bool], wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` once if ``terminating()`` comes true within the block."""
        with self._lock:
            self._count += 1
            key = self._count
            self._waiting[key] = (terminating, wake)
            if self._thread is None:
                self.noticed.clear()
                self._thread = threading.Thread(
                    target=self._run, name="miniwdl-aws-termination", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop(key, None)
                if not self._waiting:
                    self._lock.notify_all()

    def sleep(self, seconds: float, terminating: Callable[[], bool]) -> None:
        """Sleep, but not beyond termination."""
        woken = threading.Event()
        with self.watching(terminating, woken.set), TURNS.aside():
            woken.wait(seconds)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: not self._waiting, self._period)
                if not self._waiting:
                    self._thread = None
                    return
                terminating = next(iter(self._waiting.values()))[0]
                woken = list(self._waiting.values()) if terminating() else []
                if woken:
                    self.noticed.set()
                    self._waiting.clear()
            for _, wake in woken:
                wake()
