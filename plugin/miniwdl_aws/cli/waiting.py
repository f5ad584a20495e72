"""Waiting for a workflow job at a terminal, and what Ctrl-C means there."""

import sys
import time
from collections.abc import Callable

from miniwdl_aws import console
from miniwdl_aws.cancel import Cancellation, cancel_run
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.follow import Follower
from miniwdl_aws.outcome import Outcome
from miniwdl_aws.result import job_error
from miniwdl_aws.status import JobStatus

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 plus SIGINT's number."""

SECOND_CHANCE_SECONDS = 10.0
"""How long after a Ctrl-C a second one ends the run."""

Ended = tuple[JobStatus, Outcome | None]
"""How a job ended, and what its runner reported."""


def say(text: str) -> None:
    """Tell a person something."""
    print(text, file=sys.stderr, flush=True)


def wait_for(
    clients: AwsClients,
    job_id: str,
    *,
    on_line: Callable[[str], object] | None,
    cancel: str | None = None,
) -> Ended | None:
    """Wait until a job has ended.

    Args:
        clients: where to ask.
        job_id: the job.
        on_line: takes the lines of its log; None leaves the log alone.
        cancel: the workflow job that a second Ctrl-C ends; this job if not given.

    Returns:
        How it ended; None if a second Ctrl-C has ended the run.
    """
    follower = Follower(
        clients, job_id, on_line=on_line, on_status=_say_status if on_line else _mute
    )
    while True:
        try:
            return follower.wait()
        except KeyboardInterrupt:
            if _asked_to_stop(cancel or job_id):
                say_cancelled(cancel_run(clients, cancel or job_id, "cancelled with Ctrl-C"))
                return None


def conclude(clients: AwsClients, ended: Ended) -> int:
    """Say how a job ended.

    Returns:
        Its exit code: miniwdl's, or 1 if its container gave none.
    """
    status, found = ended
    if status.succeeded:
        if found and found.published:
            say(f"published {found.object_count} objects to {found.published}")
        elif found and found.run_dir:
            say(f"run directory {found.run_dir}")
        return 0
    say(str(job_error(status, found, region=clients.region)))
    say(f"job: {console.job_url(clients.region, status.job_id)}")
    return status.exit_code or 1


def say_cancelled(ended: Cancellation) -> None:
    """Say what ending a run came to."""
    say(f"ended job {ended.job_id} and {len(ended.terminated)} task jobs")
    if ended.alive:
        say(f"still ending: {', '.join(ended.alive)}")


def _mute(_status: JobStatus) -> None:
    """Say nothing."""


def _say_status(status: JobStatus) -> None:
    reason = f" ({status.reason})" if status.reason else ""
    say(f"job {status.job_id} {status.status}{reason}")


def _asked_to_stop(job_id: str, sleep: Callable[[float], object] = time.sleep) -> bool:
    say(
        f"The run goes on in AWS Batch. To end job {job_id} and its task jobs, press Ctrl-C again "
        f"within {SECOND_CHANCE_SECONDS:g} seconds, or run `miniwdl-aws-submit cancel {job_id}` at "
        "any time; to leave it running, end this program with SIGTERM or close the terminal."
    )
    try:
        sleep(SECOND_CHANCE_SECONDS)
    except KeyboardInterrupt:
        return True
    return False
