"""Waiting for one job from a command line or a worker, with its log."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from miniwdl_aws import outcome
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.jobs import describe_all
from miniwdl_aws.logs import LogLine, LogReader, log_pacer
from miniwdl_aws.outcome import Outcome
from miniwdl_aws.result import fetch_outcome
from miniwdl_aws.status import JobStatus, lost
from miniwdl_aws.tail import LogTail, LogTails

DESCRIBE_SECONDS = (1.0, 3.0)
"""Between two looks at the job's status: in the first minute, and after it."""

FIRST_SECONDS = 60.0

MISSES = 60
"""Successive answers without the job after which it counts as lost: a minute or more."""


@dataclass
class Follower:
    """Waits for one job.

    Whoever calls `wait` gets the lines and the changes of status on that thread. After an exception
    that ended `wait`, such as KeyboardInterrupt, it can be called again, and nothing is left out.

    Args:
        clients: where to ask.
        job_id: the job.
        on_line: called with each line of its log; None leaves the log alone.
        on_status: called with each change of its status.
        clock: a monotonic clock in seconds.
    """

    clients: AwsClients
    job_id: str
    on_line: Callable[[str], object] | None = None
    on_status: Callable[[JobStatus], object] = lambda _status: None
    clock: Callable[[], float] = time.monotonic
    _news: "queue.SimpleQueue[list[LogLine] | None]" = field(
        default_factory=queue.SimpleQueue, init=False
    )
    _status: JobStatus | None = field(default=None, init=False)
    _misses: int = field(default=0, init=False)
    _finishing: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._tail = LogTail(deliver=self._news.put, done=lambda: self._news.put(None))
        self._tails = LogTails(lambda: LogReader(self.clients, log_pacer()), log_pacer())

    def wait(self) -> tuple[JobStatus, Outcome | None]:
        """Wait until the job has ended.

        Returns:
            Its last status, and what its runner reported, if it did.

        Raises:
            AwsError: AWS could not be asked, after all retries.
        """
        begun = self.clock()
        while self._status is None or not self._status.is_terminal:
            is_late = self.clock() - begun >= FIRST_SECONDS
            next_describe = self.clock() + DESCRIBE_SECONDS[is_late]
            self._describe()
            if self._status is None or not self._status.is_terminal:
                self._pass_on(until=next_describe)
        return self._status, self._finish(self._status)

    def _describe(self) -> None:
        found = describe_all(self.clients, [self.job_id])
        self._misses = 0 if found else self._misses + 1
        if not found and self._misses < MISSES:
            return
        status = found[0] if found else lost(self.job_id, "DescribeJobs does not know the job")
        if self.on_line is not None and status.log_stream:
            self._tails.start(self._tail, status.log_stream, begun=status.created_at)
        changed = self._status is None or status.status != self._status.status
        self._status = status
        if changed:
            self.on_status(status)

    def _pass_on(self, until: float) -> None:
        """Hand on lines as they come, for so long."""
        while (left := until - self.clock()) > 0:
            try:
                self._show(self._news.get(timeout=left))
            except queue.Empty:
                return

    def _show(self, lines: list[LogLine] | None) -> bool:
        for line in lines or ():
            if self.on_line is not None:
                self.on_line(line.message)
        return lines is not None

    def _finish(self, status: JobStatus) -> Outcome | None:
        if self.on_line is None:
            return fetch_outcome(LogReader(self.clients), status)
        if not self._finishing:
            self._finishing = True
            self._tails.finish(self._tail)
        while self._show(self._news.get()):
            pass
        return outcome.decode(self._tail.marks)
