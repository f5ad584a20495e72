"""What miniwdl says of a failure, in ``error.json`` or on standard output."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miniwdl_aws.outcome import CallFailure
from miniwdl_aws.runner.process import ProcessResult

ERROR_FILE = "error.json"

STDERR_LINES = 20
STDERR_BYTES = 64 * 1024
"""How much of a failed command's standard error is reported at most."""


def ensure_error(run_dir: Path, result: ProcessResult, summary: str) -> dict[str, Any]:
    """Read ``error.json``, or write it where miniwdl could not.

    Args:
        run_dir: the run directory.
        result: how miniwdl ended.
        summary: what happened, if miniwdl said nothing that can be read.
    """
    path = run_dir / ERROR_FILE
    content = _object(path.read_text()) if path.is_file() else None
    if content is None:
        content = _object(result.stdout) or _from_log(result, summary)
        content.setdefault("dir", str(run_dir))
        write_error(run_dir, content)
    return content


def write_error(run_dir: Path, content: Mapping[str, Any]) -> None:
    """Write ``error.json``; readers see all of it or nothing."""
    new = run_dir / f"{ERROR_FILE}.{os.getpid()}"
    new.write_text(json.dumps(content, indent=2) + "\n")
    new.replace(run_dir / ERROR_FILE)


def call_failure(error: Mapping[str, Any]) -> CallFailure:
    """Say which call failed, and why."""
    cause = error.get("cause") or error
    name = str(cause.get("error", error.get("error", "")))
    exit_code = cause.get("exit_status", cause.get("exitCode"))
    stderr_file = str(cause.get("stderr_file") or "")
    return CallFailure(
        run=str(cause.get("run", "")) if "cause" in error else "",
        error=name,
        message=str(cause.get("message") or _message(name, exit_code)),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        stderr=tail(Path(stderr_file)) if stderr_file else (),
        stderr_file=stderr_file,
        stderr_uri=str(cause.get("stderr_s3file") or ""),
        job_id=str(cause.get("jobId") or ""),
        log_stream=str(cause.get("logStreamName") or ""),
        category=str(cause.get("category") or _category(name)),
    )


def tail(path: Path) -> tuple[str, ...]:
    """Give the last lines of a file; none if it does not exist."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - STDERR_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-STDERR_LINES:])


def _message(name: str, exit_code: object) -> str:
    if name == "CommandFailed":
        return f"the task's command failed with exit code {exit_code}"
    return ""


def _category(name: str) -> str:
    return {"CommandFailed": "command_failed", "Terminated": "cancelled"}.get(name, "workflow")


def _from_log(result: ProcessResult, summary: str) -> dict[str, Any]:
    said = [line for line in result.stderr_tail if line.strip()]
    return {
        "error": "RunFailed",
        "message": "\n".join([summary, *said[-STDERR_LINES:]]),
        "exit_status": result.exit_code,
    }


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) and "error" in content else None
