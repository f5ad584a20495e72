"""What the runner inside a job tells whoever submitted it, through the job's log.

The runner prints the outcome as its last lines; nothing else of a finished Fargate job can be
read without mounting its file system. Encoder and decoder stand side by side: a change of one
is a change of the other, and of `PROTOCOL` if an older reader would misunderstand it.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 1
"""Version of the outcome's form; readers refuse a newer one by saying so."""

MARK = "::miniwdl-aws-outcome::"

CHUNK = 100_000
"""Characters of JSON a log line; a log event holds at least 256 KiB (CloudWatch Logs quotas)."""


@dataclass(frozen=True, kw_only=True)
class CallFailure:
    """The call whose failure failed the run.

    Attributes:
        run: the run id of the call, such as ``call-align-3``; empty if no call failed.
        error: miniwdl's name of the error, such as ``CommandFailed``.
        message: its message.
        exit_code: the command's exit code, if a command failed.
        stderr: the last lines of its standard error.
        stderr_file: where all of it lies on the shared file system.
        stderr_uri: where all of it lies on S3, if uploaded.
        job_id: the Batch id of the task job.
        log_stream: its stream in ``/aws/batch/job``.
        category: a category of `failures.classify`, or ``workflow``.
    """

    run: str = ""
    error: str = ""
    message: str = ""
    exit_code: int | None = None
    stderr: tuple[str, ...] = ()
    stderr_file: str = ""
    stderr_uri: str = ""
    job_id: str = ""
    log_stream: str = ""
    category: str = "workflow"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job of ours ended.

    Attributes:
        exit_code: the exit code of the job.
        run_dir: the run directory on the shared file system; empty if none was made.
        outputs: the workflow's outputs by name; files as S3 URIs once published, else as paths on
            the shared file system.
        published: the S3 URI under which everything was published, ending in a slash.
        object_count: how many objects were published.
        deleted: whether the run directory was deleted afterwards.
        failure: what failed, if something did.
    """

    exit_code: int
    run_dir: str = ""
    outputs: Mapping[str, Any] | None = None
    published: str = ""
    object_count: int = 0
    deleted: bool = False
    failure: CallFailure | None = field(default=None)


def encode(outcome: Outcome) -> list[str]:
    """Write an outcome as log lines, each ``MARK version index/count chunk``."""
    text = json.dumps(dataclasses.asdict(outcome), sort_keys=True)
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    return [
        f"{MARK} {PROTOCOL} {index}/{len(chunks)} {chunk}"
        for index, chunk in enumerate(chunks, start=1)
    ]


def decode(lines: Iterable[str]) -> Outcome | None:
    """Find the last complete outcome among log lines.

    Returns:
        The outcome, or None if the lines hold no complete one.

    Raises:
        ValueError: it is of a protocol newer than this reader.
    """
    chunks: list[str] = []
    found: Outcome | None = None
    for line in lines:
        parts = line.split(" ", 3)
        if parts[0] != MARK or len(parts) != 4:  # noqa: PLR2004  (mark, version, place, chunk)
            continue
        index, count = (int(number) for number in parts[2].split("/"))
        chunks = [*chunks, parts[3]] if index > 1 else [parts[3]]
        if index == count and len(chunks) == count:
            found = _from_json(int(parts[1]), "".join(chunks))
    return found


def is_mark(line: str) -> bool:
    """Tell whether a log line belongs to an outcome and not to a reader of the log."""
    return line.startswith(MARK)


def _from_json(protocol: int, text: str) -> Outcome:
    if protocol > PROTOCOL:
        raise ValueError(
            f"the job reports by protocol {protocol}, this version reads up to {PROTOCOL}; "
            "upgrade miniwdl-aws here, or use an image of the same version"
        )
    content = json.loads(text)
    failure = content.get("failure")
    return Outcome(
        **{**_known(Outcome, content), "failure": _call_failure(failure) if failure else None}
    )


def _call_failure(content: Mapping[str, Any]) -> CallFailure:
    known = _known(CallFailure, content)
    return CallFailure(**{**known, "stderr": tuple(known.get("stderr", ()))})


def _known(cls: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in dataclasses.fields(cls)}
    return {name: value for name, value in content.items() if name in names}
