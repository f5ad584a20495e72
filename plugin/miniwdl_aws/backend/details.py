"""What Batch alone knows of a job that has succeeded, asked when nobody waits for it.

A job whose shell told of its success may have been too short to be described before. The name of
its log stream is still worth a hundredth of a call.
"""

import dataclasses
import threading
from collections.abc import Callable

from miniwdl_aws.describer import Describer
from miniwdl_aws.status import JobStatus

DELAY_SECONDS = 10.0
"""How long such jobs are collected, to be asked about together."""


class LateDetails:
    """Completes the descriptions of jobs that have succeeded.

    Args:
        describer: what asks Batch.
        delay_seconds: how long jobs are collected.
    """

    def __init__(self, describer: Describer, delay_seconds: float = DELAY_SECONDS) -> None:
        self._describer = describer
        self._delay = delay_seconds
        self._lock = threading.Lock()
        self._pending: dict[str, Callable[[JobStatus], None]] = {}

    def complete(self, ended: JobStatus, keep: Callable[[JobStatus], object]) -> None:
        """Have ``keep`` called once with all that is to be known of a job, on another thread.

        Args:
            ended: what is known of it.
            keep: is not called if Batch does not tell, or the process ends first.
        """

        def described(status: JobStatus) -> None:
            if not (status.log_stream or status.is_terminal):
                return
            with self._lock:
                if self._pending.pop(ended.job_id, None) is None:
                    return
            self._describer.unwatch(ended.job_id, described)
            if not status.is_lost:
                keep(_merged(ended, status))

        with self._lock:
            self._pending[ended.job_id] = described
        self._describer.watch(ended.job_id, described)
        self._describer.hasten(ended.job_id, self._delay)

    def close(self) -> None:
        """Ask about those that are left, once."""
        with self._lock:
            pending = dict(self._pending)
        for job_id in pending:
            self._describer.press(job_id)
        if pending:
            self._describer.sweep()


def _merged(ended: JobStatus, described: JobStatus) -> JobStatus:
    """Let the job's own shell be right about its end, and Batch about all else."""
    return dataclasses.replace(
        described,
        status=ended.status,
        exit_code=ended.exit_code,
        started_at=ended.started_at,
        stopped_at=ended.stopped_at,
    )
