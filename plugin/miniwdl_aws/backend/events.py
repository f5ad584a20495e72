"""What Batch and a job's own shell say of a job, as one series of changes.

How an end is confirmed:

1. The shell tells of exit code 0, and was not asked to end: the job has succeeded. The streams
   were complete before it told so; Batch is not asked.
2. The shell tells anything else: Batch is asked, since its reason decides what is to be done (out
   of memory, reclaimed, terminated). If Batch shows no end within `CONFIRM_SECONDS`, the exit
   code stands alone.
3. The shell tells nothing: it was killed, or could not write. Batch is asked again and again, at
   the pace of `Backstop`, and what it says counts.
"""

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from miniwdl_aws.backend.sentinel import Ending, Mailbox, read_ending
from miniwdl_aws.backend.waiting import JobWaiter
from miniwdl_aws.describer import Describer
from miniwdl_aws.status import JobStatus

CONFIRM_SECONDS = 120.0
"""How long Batch may take to show the end of a job whose container has ended."""

STREAM_SECONDS = 2.0
"""How long after its beginning a job is described: by then the name of its log stream is known."""


@dataclass(frozen=True, kw_only=True)
class Backstop:
    """When Batch is asked of a job whose shell says nothing.

    Attributes:
        first_seconds: after its submission.
        later_seconds: after each answer.
    """

    first_seconds: float = 20.0
    later_seconds: float = 60.0

    def __call__(self, status: JobStatus | None) -> float:
        """Give the seconds to leave a job alone."""
        return self.first_seconds if status is None else self.later_seconds


class JobEvents:
    """Hands the changes of one job on to who waits for it.

    Its methods are called by the threads of the describer and of the sign watcher.

    Args:
        job_id: the job.
        mailbox: where its shell leaves signs.
        describer: what asks Batch.
        waiter: takes the changes.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        job_id: str,
        mailbox: Mailbox,
        describer: Describer,
        waiter: JobWaiter,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job_id = job_id
        self._mailbox = mailbox
        self._describer = describer
        self._waiter = waiter
        self._clock = clock
        self._lock = threading.Lock()
        self._latest = JobStatus(job_id=job_id, status="SUBMITTED", job_name=mailbox.name)
        self._ending: Ending | None = None
        self._doubted_at = 0.0

    def described(self, status: JobStatus) -> None:
        """Take what Batch says."""
        with self._lock:
            self._latest = status
        self._waiter.observe(status)

    def began(self) -> None:
        """Take the sign that the shell has begun."""
        self._waiter.observe(self._as("RUNNING"))
        self._describer.hasten(self._job_id, STREAM_SECONDS)

    def ended(self, told: Path | None = None) -> None:
        """Take the sign that the shell has ended, from the mailbox or from where it stays."""
        ending = read_ending(told or self._mailbox.ended)
        if ending is None or ending.job_id != self._job_id:
            self._describer.press(self._job_id)
        elif ending.is_success:
            self._waiter.observe(_ended(self._as("SUCCEEDED"), ending))
        else:
            self._describer.press(self._job_id)
            with self._lock:
                self._ending, self._doubted_at = ending, self._clock()
            self._waiter.wake()

    def patience(self) -> float | None:
        """Give the seconds for which Batch may still confirm an end; None if none is in doubt."""
        with self._lock:
            if self._ending is None:
                return None
            return max(0.0, self._doubted_at + CONFIRM_SECONDS - self._clock())

    def unconfirmed(self) -> JobStatus | None:
        """Give the end that Batch did not confirm in time, if there is one."""
        if self.patience() != 0.0 or self._ending is None:
            return None
        return _ended(self._as("FAILED"), self._ending)

    def _as(self, status: str) -> JobStatus:
        with self._lock:
            return dataclasses.replace(self._latest, status=status)


def _ended(status: JobStatus, ending: Ending) -> JobStatus:
    return dataclasses.replace(
        status,
        exit_code=ending.exit_code,
        started_at=ending.started_at or status.started_at,
        stopped_at=ending.stopped_at or status.stopped_at,
    )
