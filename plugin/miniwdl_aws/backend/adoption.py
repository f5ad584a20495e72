"""Whether a job that an earlier head of the run submitted is this attempt's job too."""

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path

from WDL._util import StructuredLogMessage as Message

from miniwdl_aws.backend import jobs
from miniwdl_aws.backend.context import BackendContext
from miniwdl_aws.backend.details import read_detail
from miniwdl_aws.backend.files import AttemptFiles
from miniwdl_aws.backend.journal import Entry
from miniwdl_aws.backend.sentinel import read_ending
from miniwdl_aws.backend.turns import TURNS
from miniwdl_aws.errors import AwsError
from miniwdl_aws.status import JobStatus

VISIBLE_SECONDS = 10.0
"""How long after its submission a job may not be listed yet. AWS gives no bound for ListJobs; a
later head begins long after, unless it is on the same machine."""

LOOK_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adoption:
    """A job of an earlier head, as this attempt's.

    Attributes:
        entry: what was written down of it.
        ended: how it ended, if that was written down too.
    """

    entry: Entry
    ended: JobStatus | None = None

    @property
    def files(self) -> AttemptFiles:
        """Where its files lie."""
        return AttemptFiles(task_dir=Path(self.entry.task_dir), attempt=self.entry.attempt)


def find(
    context: BackendContext,
    logger: logging.Logger,
    task_dir: Path,
    attempt: int,
    key: str,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> Adoption | None:
    """Find the job that an earlier head of the run submitted for an attempt.

    1. A job that lives, has succeeded, or has failed with nobody there to see it, is adopted.
    2. A failure that was seen is told again if another attempt followed it; else the attempt is
       made anew: it is what somebody wants who has a failed run resumed.
    3. A job of another task or other inputs is ended.

    Args:
        context: what all tasks share.
        logger: the task's logger.
        task_dir: the call's run directory under this head.
        attempt: the attempt.
        key: the call's key.
        clock: seconds since 1970.
        sleep: what waits, in seconds.

    Raises:
        AwsError: whether the job exists cannot be found out; to submit another would be wrong.
    """
    written = context.journal.earlier(task_dir, attempt)
    entry = written and _identified(context, written, clock, sleep)
    if entry is None:
        return None
    if not key or entry.key != key:
        _end(context, logger, entry)
        return None
    adoption = Adoption(entry=entry, ended=_seen_end(entry))
    if adoption.ended is not None and not _counts(context, adoption, task_dir):
        return None
    logger.notice(  # type: ignore[attr-defined]
        Message(
            "adopted a job of an earlier head",
            jobId=entry.job_id,
            jobName=entry.job_name,
            dir=entry.task_dir,
        )
    )
    return adoption


def is_void(status: JobStatus) -> bool:
    """Tell whether an adopted job ended in a way that says nothing of the call."""
    return not status.succeeded and (status.is_lost or status.is_terminated or status.is_cancelled)


def _identified(
    context: BackendContext,
    entry: Entry,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
) -> Entry | None:
    """Find out the id of a job of which only the intent is known; None if it was never made."""
    if entry.job_id:
        return entry
    with TURNS.aside():
        while not (
            found := jobs.find_by_name(
                context.clients, context.controlling, entry.job_queue, entry.job_name
            )
        ):
            if clock() - entry.submitted_at > VISIBLE_SECONDS:
                return None
            sleep(LOOK_SECONDS)
    return dataclasses.replace(entry, job_id=found)


def _seen_end(entry: Entry) -> JobStatus | None:
    """Read how the job ended, by its own shell or by what an earlier head saw."""
    files = AttemptFiles(task_dir=Path(entry.task_dir), attempt=entry.attempt)
    ending = read_ending(files.exit)
    if ending is not None and ending.job_id == entry.job_id and ending.is_success:
        return JobStatus(
            job_id=entry.job_id,
            status="SUCCEEDED",
            job_name=entry.job_name,
            queue=entry.job_queue,
            exit_code=0,
            started_at=ending.started_at,
            stopped_at=ending.stopped_at,
        )
    seen = read_detail(files.task_dir, entry.job_id)
    return seen if seen is not None and seen.is_terminal else None


def _counts(context: BackendContext, adoption: Adoption, task_dir: Path) -> bool:
    if adoption.ended is not None and adoption.ended.succeeded:
        return adoption.files.work_dir.is_dir()
    return context.journal.earlier(task_dir, adoption.entry.attempt + 1) is not None


def _end(context: BackendContext, logger: logging.Logger, entry: Entry) -> None:
    logger.warning(
        Message("a job of an earlier head had other inputs; it is ended", jobId=entry.job_id)
    )
    try:
        with TURNS.aside():
            jobs.terminate(
                context.clients, context.controlling, entry.job_id, "replaced by another head"
            )
    except AwsError as exc:
        logger.critical(
            Message("job NOT terminated: end it by hand", jobId=entry.job_id, error=str(exc))
        )
