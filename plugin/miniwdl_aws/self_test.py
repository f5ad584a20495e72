"""A small workflow that tries out all that a run needs, and what can be told from how it went."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, NamedTuple

from miniwdl_aws.outcome import Outcome

NAME = "self_test"

RETRY_WAIT = ("MINIWDL__AWS__RETRY_WAIT", "1")
"""The task that fails on purpose need not wait for anything to recover."""


class Check(NamedTuple):
    """Something that was tried out, and whether it works."""

    works: bool
    sentence: str


@contextmanager
def self_test_arguments(passed: Sequence[str]) -> Iterator[list[str]]:
    """Give the arguments of ``miniwdl run`` for the self-test, for the length of the block.

    Args:
        passed: further ones, such as ``--verbose``.
    """
    with as_file(files("miniwdl_aws") / f"{NAME}.wdl") as path:
        yield [str(path), "--no-cache", *passed]


def check_self_test(job_id: str, outcome: Outcome, s3upload: str | None) -> list[Check]:
    """Tell from the outcome of a self-test what works.

    Args:
        job_id: the workflow job.
        outcome: what its runner reported.
        s3upload: where it should have published, if it should.
    """
    outputs: Mapping[str, Any] = {
        name.removeprefix(f"{NAME}."): value for name, value in (outcome.outputs or {}).items()
    }
    jobs = outputs.get("jobs", [])
    own = len({*jobs, job_id, ""}) == len(jobs) + 2
    gathered, tries = outputs.get("gathered"), outputs.get("tries")
    checks = [
        Check(outcome.exit_code == 0, f"workflow job {job_id} ran miniwdl"),
        Check(own and bool(jobs), f"each task was a job of its own: {', '.join(jobs)}"),
        Check(gathered == len(jobs), f"a job read the files of {gathered} others"),
        Check(tries == 2, f"a task that failed was tried again: {tries} tries"),  # noqa: PLR2004  (one failure, one success)
    ]
    if s3upload:
        greetings = outputs.get("greetings", [])
        there = bool(outcome.published) and all(
            str(uri).startswith(outcome.published) for uri in greetings
        )
        checks.append(
            Check(there, f"{outcome.object_count} objects were published to {outcome.published}")
        )
    return checks
