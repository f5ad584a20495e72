"""Few threads at a time prepare and conclude tasks, however many tasks a scatter has.

miniwdl has a thread for each task, and one interpreter for all of them. A thousand threads that
want it at once get a thousandth of it each: no task is ready before nearly all are, and the system
spends more time on changing threads than they on their work. So a thread works only while it has a
turn. Who waits for a job, for AWS or for a copy sets the turn aside, and has the next one after
that: what was begun goes on before more is begun. Else turns are given in the order in which they
are asked for.

A turn is no promise to be quick: a file system of the network keeps whoever has one waiting. So
there are more of them as long as they leave the interpreter idle, and if none has changed hands for
`PATIENCE_SECONDS`, the next thread goes ahead without.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

FEWEST = 1
"""Threads that work at a time, where each needs the interpreter nearly all of its turn: a second
one would only have it change hands, at each of a hundred requests to the file system that a task
makes."""

MOST = 64
"""Threads that work at a time, where each mostly waits for the file system."""

BUSY = 0.5
"""The share of a processor that is to be used, while anyone has a turn, before there are no more
turns."""

PATIENCE_SECONDS = 0.25

WAITING_PER_LOOK = 20
"""So many threads that wait look once in `PATIENCE_SECONDS` whether turns still change hands, all
together."""


class Turns:
    """Turns of a process's threads.

    Args:
        fewest: how many there are at the least, and at first.
        most: how many there are at the most.
        patience_seconds: after which one more is given if none has changed hands, and how often
            their number is thought over.
        clock: a monotonic clock in seconds.
        work: the CPU time of the process in seconds.
    """

    def __init__(
        self,
        fewest: int = FEWEST,
        most: int = MOST,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[], float] = time.process_time,
    ) -> None:
        self._fewest = self._count = fewest
        self._most = max(fewest, most)
        self._patience = patience_seconds
        self._clock = clock
        self._work = work
        self._lock = threading.Lock()
        self._own = threading.local()
        self._held = 0
        self._held_since = 0.0
        self._held_seconds = 0.0
        """How long one or more turns were held, up to the last time that one was not."""

        self._beginning: dict[threading.Lock, None] = {}
        """A lock for each thread that waits, in their order; it is released with the turn."""

        self._returning: dict[threading.Lock, None] = {}
        """The same of threads that had set a turn aside."""

        self._changed_at = self._counted_at = clock()
        self._worked = work()

    @property
    def is_mine(self) -> bool:
        """Whether this thread has a turn."""
        return getattr(self._own, "has_turn", False)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Have a turn for the length of the block; a thread that has one keeps it."""
        if self.is_mine:
            yield
            return
        self._take(self._beginning)
        try:
            yield
        finally:
            self._give()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Let others have this thread's turn for the length of the block, if it has one."""
        if not self.is_mine:
            yield
            return
        self._give()
        try:
            yield
        finally:
            self._take(self._returning)

    @property
    def _waiting(self) -> int:
        return len(self._returning) + len(self._beginning)

    def _take(self, among: dict[threading.Lock, None]) -> None:
        with self._lock:
            if self._held < self._count:
                self._gain()
                self._own.has_turn = True
                return
            handed = threading.Lock()
            handed.acquire()
            among[handed] = None
        while not handed.acquire(timeout=self._pause()):
            with self._lock:
                stands = self._clock() - self._changed_at >= self._patience
                if stands and handed in among:
                    del among[handed]
                    self._gain()
                    break
        self._own.has_turn = True

    def _gain(self) -> None:
        self._changed_at = self._clock()
        if self._held == 0:
            self._held_since = self._changed_at
        self._held += 1

    def _give(self) -> None:
        self._own.has_turn = False
        with self._lock:
            self._held -= 1
            self._changed_at = self._clock()
            self._held_seconds += self._changed_at - self._held_since
            self._held_since = self._changed_at
            if self._changed_at - self._counted_at >= self._patience:
                self._count_anew()
            while self._waiting and self._held < self._count:
                among = self._returning or self._beginning
                first = next(iter(among))
                del among[first]
                self._gain()
                first.release()

    def _count_anew(self) -> None:
        """Have more turns if threads wait for them and the process does little, else fewer."""
        worked = self._work()
        is_busy = worked - self._worked >= BUSY * self._held_seconds
        if not is_busy and self._waiting:
            self._count = min(self._most, self._count * 2)
        elif is_busy:
            self._count = max(self._fewest, self._count // 2)
        self._counted_at, self._worked, self._held_seconds = self._changed_at, worked, 0.0

    def _pause(self) -> float:
        return self._patience * max(1.0, self._waiting / WAITING_PER_LOOK)


TURNS = Turns()
"""The turns of this process; threads that never take one are not held up."""
