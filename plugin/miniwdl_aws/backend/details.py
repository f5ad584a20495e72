"""The description of a job that has ended: kept in its call's run directory, completed later.

A job whose shell told of its success may have been too short to be described before. What Batch
alone knows is asked when nobody waits for it: the name of its log stream is still worth a hundredth
of a call.
"""

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path

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


def keep_detail(task_dir: Path, status: JobStatus) -> None:
    """Write the description of a job that has ended into its call's run directory.

    One that is there already is written over in place: miniwdl may be looking at every file of
    the directory, and would miss one that is there for a moment only.
    """
    detail = json.dumps(dataclasses.asdict(status), indent=2, sort_keys=True)
    path = task_dir / f"awsBatchJobDetail.{status.job_id}.json"
    if path.exists():
        path.write_text(detail)
        return
    new = path.with_name(f"{path.name}.new")
    new.write_text(detail)
    new.replace(path)


def read_detail(task_dir: Path, job_id: str) -> JobStatus | None:
    """Read the description of a job that has ended; None if there is none."""
    try:
        content = json.loads((task_dir / f"awsBatchJobDetail.{job_id}.json").read_text())
        known = {each.name for each in dataclasses.fields(JobStatus)}
        return JobStatus(**{name: value for name, value in content.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
