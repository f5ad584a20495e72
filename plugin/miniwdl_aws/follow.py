"""Waiting for one workflow job from a command line, with its log."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from miniwdl_aws import outcome
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.jobs import describe_all
from miniwdl_aws.logs import LogReader, log_pacer
from miniwdl_aws.outcome import Outcome
from miniwdl_aws.result import LOG_DELAY_SECONDS, fetch_outcome
from miniwdl_aws.status import JobStatus, lost

DESCRIBE_SECONDS = 3.0
"""Between two looks at the job's status."""

LOG_SECONDS = 1.0
"""Between two looks at its log."""

MISSES = 20
"""Successive answers without the job after which it counts as lost: a minute."""


@dataclass
class Follower:
    """Waits for one job.

    Args:
        clients: where to ask.
        job_id: the job.
        on_line: called with each line of its log; None leaves the log alone.
        on_status: called with each change of its status.
        clock: a monotonic clock in seconds.
        sleep: what waits, in seconds.
    """

    clients: AwsClients
    job_id: str
    on_line: Callable[[str], object] | None = None
    on_status: Callable[[JobStatus], object] = lambda _status: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    _token: str | None = field(default=None, init=False)
    _marks: list[str] = field(default_factory=list, init=False)
    _status: JobStatus | None = field(default=None, init=False)
    _misses: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._reader = LogReader(self.clients, log_pacer())

    def wait(self) -> tuple[JobStatus, Outcome | None]:
        """Wait until the job has ended.

        Returns:
            Its last status, and what its runner reported, if it did.

        Raises:
            AwsError: AWS could not be asked, after all retries.
        """
        next_describe = self.clock()
        while True:
            if self.clock() >= next_describe:
                next_describe = self.clock() + DESCRIBE_SECONDS
                status = self._describe()
                if status is not None and status.is_terminal:
                    return status, self._finish(status)
            if self._status is not None and self._status.log_stream:
                self._read(self._status.log_stream)
            self.sleep(LOG_SECONDS)

    def _describe(self) -> JobStatus | None:
        found = describe_all(self.clients, [self.job_id])
        self._misses = 0 if found else self._misses + 1
        if not found and self._misses < MISSES:
            return None
        status = found[0] if found else lost(self.job_id, "DescribeJobs does not know the job")
        if self._status is None or status.status != self._status.status:
            self.on_status(status)
        self._status = status
        return status

    def _read(self, stream: str) -> bool:
        if self.on_line is None:
            return False
        page = self._reader.page(stream, self._token)
        self._token = page.token
        for line in page.lines:
            if outcome.is_mark(line.message):
                self._marks.append(line.message)
            else:
                self.on_line(line.message)
        return bool(page.lines)

    def _finish(self, status: JobStatus) -> Outcome | None:
        if self.on_line is None:
            return fetch_outcome(self._reader, status, clock=self.clock, sleep=self.sleep)
        deadline = self.clock() + LOG_DELAY_SECONDS
        while status.log_stream:
            more = self._read(status.log_stream)
            found = outcome.decode(self._marks)
            if (found is not None and not more) or (not more and self.clock() >= deadline):
                return found
            if not more:
                self.sleep(LOG_SECONDS)
        return None
