"""Finding what a run did in the files of its run directory.

| from | what |
|---|---|
| ``.miniwdl-aws-run.json``, ``.miniwdl-aws/heads`` | the run and its heads |
| ``job.json`` … of a call (`backend.journal`) | its attempts, what they asked for, the cache miss |
| ``exit.json`` … (`backend.sentinel`) | when the command ran, its exit code, what it used |
| ``awsBatchJobDetail.ID.json`` (`backend.details`) | Batch's own times, reason and log stream |
| ``outputs.json``, ``error.json``, ``task.log`` | how the call ended, and whether it was cached |
"""

import dataclasses
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from miniwdl_aws.backend.details import read_detail
from miniwdl_aws.backend.files import AttemptFiles
from miniwdl_aws.backend.journal import Entry, read_entry
from miniwdl_aws.backend.sentinel import Ending, read_ending
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.failures import classify
from miniwdl_aws.heads import head_directory
from miniwdl_aws.marker import Marker, UnreadableMarkerError, read_marker
from miniwdl_aws.report.model import (
    REPORT_FILE,
    Attempt,
    Call,
    Run,
    RunReport,
    as_document,
    as_text,
)
from miniwdl_aws.runner.lease import heads_of
from miniwdl_aws.status import JobStatus

READERS = 16
"""How many calls are read at once where each waits for the file system."""

TRIED = 20
"""So many calls are read one after another, to see whether the file system makes one wait."""

LOG_TAIL_BYTES = 4096
"""How much of a log's end is looked at."""

_T = TypeVar("_T")
_ENTRY = re.compile(r"job\d*\.json")

_log = logging.getLogger(__name__)


def read_run(run_dir: Path, *, exit_code: int | None = None) -> RunReport:
    """Read what a run did.

    Args:
        run_dir: its run directory.
        exit_code: miniwdl's, if it is known.

    Raises:
        InvalidInputError: it is no run directory.
    """
    heads = [head_directory(run_dir, number) for number in range(1, _head_count(run_dir) + 1)]
    found: dict[str, list[Path]] = {}
    for head in heads:
        for directory in _task_directories(head):
            found.setdefault(str(directory.relative_to(head)), []).append(directory)
    run = _run(run_dir, heads[-1], exit_code)
    calls = _at_once(lambda each: _call(run_dir, *each), list(found.items()))
    return RunReport(run=run, calls=tuple(sorted(calls, key=_beginning)))


def _at_once(
    read: Callable[[_T], Call],
    places: Sequence[_T],
    *,
    clock: Callable[[], float] = time.monotonic,
    work: Callable[[], float] = time.thread_time,
) -> list[Call]:
    """Read calls by threads if that is quicker: they are in each other's way if none has to wait.

    Args:
        read: reads a call.
        places: what it is given, call by call.
        clock: a monotonic clock in seconds.
        work: the CPU time of this thread in seconds.
    """
    begun, worked = clock(), work()
    first = [read(each) for each in places[:TRIED]]
    worked = work() - worked
    waited = clock() - begun - worked
    rest = places[TRIED:]
    if waited <= worked:
        return [*first, *map(read, rest)]
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        return [*first, *pool.map(read, rest)]


def write_report(run_dir: Path, *, exit_code: int | None = None) -> None:
    """Write the report of a run into its directory; a failure to do so is only logged."""
    try:
        report = read_run(run_dir, exit_code=exit_code)
        new = run_dir / f"{REPORT_FILE}.{os.getpid()}"
        new.write_text(as_text(as_document(report)))
        new.replace(run_dir / REPORT_FILE)
    except Exception:  # noqa: BLE001  (a run does not fail for its report, whatever lies there)
        _log.warning("%s was not written", REPORT_FILE, exc_info=True)


def _head_count(run_dir: Path) -> int:
    numbers = [head.number for head in heads_of(run_dir)]
    return max(numbers, default=1)


def _run(run_dir: Path, latest: Path, exit_code: int | None) -> Run:
    marker = _marker(run_dir)
    return Run(
        name=run_dir.name,
        state=marker.state,
        job_id=marker.job_id,
        run_key=marker.run_key,
        started=datetime.fromisoformat(marker.created).timestamp() if marker.created else None,
        ended=_ended(run_dir) if marker.state != "running" else None,
        exit_code=exit_code,
        cached=_is_cached(latest, "workflow.log"),
        heads=tuple(dataclasses.asdict(head) for head in heads_of(run_dir)),
    )


def _marker(run_dir: Path) -> Marker:
    try:
        marker = read_marker(run_dir)
    except (UnreadableMarkerError, OSError) as exc:
        raise InvalidInputError(f"{run_dir} cannot be read: {exc}") from exc
    if marker is None:
        raise InvalidInputError(
            f"{run_dir} is no run directory of miniwdl-run-s3upload: it bears no marker. Name a "
            "directory below miniwdl_run on the shared file system"
        )
    return marker


def _ended(run_dir: Path) -> float | None:
    times = [
        (run_dir / name).stat().st_mtime
        for name in ("outputs.json", "error.json")
        if (run_dir / name).is_file()
    ]
    return max(times, default=None)


def _task_directories(head: Path) -> Iterator[Path]:
    """Find the directories of all calls of tasks, also in subworkflows, and of downloads."""
    pending = [head]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                names = {each.name: each.is_dir(follow_symlinks=False) for each in entries}
        except OSError:
            continue
        if "task.log" in names:
            yield folder
        for name, is_folder in names.items():
            if is_folder and (name.startswith("call-") or "download" in (name, folder.name)):
                pending.append(folder / name)


def _call(run_dir: Path, relative: str, directories: list[Path]) -> Call:
    """Read a call from its directories under each head, the first head's first."""
    entries = _entries(directories)
    latest = directories[-1]
    attempts = [_attempt(run_dir, directories, *each) for each in entries]
    written = [entry for entry, _ in entries]
    return Call(
        name=_name(run_dir, relative),
        task=next((entry.task for entry in written if entry.task), ""),
        directory=str(latest.relative_to(run_dir)),
        state=_state(latest),
        cached=_is_cached(latest, "task.log"),
        cache_miss=next((entry.cache_miss for entry in written if entry.cache_miss), {}),
        attempts=tuple(sorted(attempts, key=lambda each: (each.submitted or 0, each.attempt))),
    )


def _name(run_dir: Path, relative: str) -> str:
    if relative == ".":
        # A task that runs alone: the directory's name ends in its own.
        return re.sub(r"^\d{8}_\d{6}_", "", run_dir.name)
    return ".".join(part.removeprefix("call-") for part in Path(relative).parts)


def _state(directory: Path) -> str:
    if (directory / "outputs.json").is_file():
        return "succeeded"
    return "failed" if (directory / "error.json").is_file() else "unfinished"


def _is_cached(directory: Path, log: str) -> bool:
    """Tell whether a log ends as miniwdl ends that of a call or workflow that it had cached."""
    try:
        with (directory / log).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return False
    return bool(lines) and lines[-1].rstrip().endswith(b"done (cached)")


def _entries(directories: Iterable[Path]) -> list[tuple[Entry, bool]]:
    """Read what was written down of each job once, and whether a later head has adopted it."""
    found: dict[str, tuple[Entry, bool]] = {}
    for directory in directories:
        with os.scandir(directory) as names:
            paths = sorted(each.path for each in names if _ENTRY.fullmatch(each.name))
        for path in paths:
            if (entry := read_entry(Path(path))) is not None:
                known = found.get(entry.job_name)
                # The first head may not have lived to write the id.
                found[entry.job_name] = (entry, known is not None)
    return list(found.values())


@dataclass(frozen=True, kw_only=True)
class _End:
    """How an attempt ended, by Batch's words or else by its own shell's."""

    status: str = "UNKNOWN"
    category: str = ""
    reason: str = ""
    exit_code: int | None = None


def _attempt(run_dir: Path, directories: list[Path], entry: Entry, adopted: bool) -> Attempt:  # noqa: FBT001  (one of a pair)
    files = AttemptFiles(task_dir=_here(run_dir, entry.task_dir), attempt=entry.attempt)
    ending = read_ending(files.exit)
    if ending is not None and ending.job_id != entry.job_id:
        ending = None
    detail = _detail(directories, entry.job_id)
    end = _end(detail, ending)
    submitted, started, stopped = _times(entry, detail, ending)
    return Attempt(
        attempt=entry.attempt,
        job_id=entry.job_id,
        job_name=entry.job_name,
        job_queue=entry.job_queue,
        adopted=adopted,
        status=end.status,
        category=end.category,
        reason=end.reason,
        exit_code=end.exit_code,
        log_stream=detail.log_stream if detail else "",
        submitted=submitted,
        started=started,
        stopped=stopped,
        queue_seconds=_between(submitted, started),
        run_seconds=_between(started, stopped),
        vcpus=entry.vcpus,
        memory_mib=entry.memory_mib,
        gpus=entry.gpus,
        peak_memory_bytes=ending.peak_memory_bytes if ending else None,
        cpu_seconds=ending.cpu_seconds if ending else None,
    )


def _here(run_dir: Path, task_dir: str) -> Path:
    """Find a call's directory where the file system is mounted elsewhere than in jobs."""
    path = Path(task_dir)
    if path.is_dir() or run_dir.name not in path.parts:
        return path
    return run_dir.joinpath(*path.parts[path.parts.index(run_dir.name) + 1 :])


def _detail(directories: list[Path], job_id: str) -> JobStatus | None:
    found = (read_detail(directory, job_id) for directory in reversed(directories))
    return next((each for each in found if each is not None), None)


def _end(detail: JobStatus | None, ending: Ending | None) -> _End:
    if detail is not None and detail.is_terminal:
        return _End(
            status=detail.status,
            category="" if detail.succeeded else classify(detail),
            reason=detail.reason,
            exit_code=detail.exit_code,
        )
    if ending is None:
        return _End()
    if ending.exit_code == 0:
        return _End(status="SUCCEEDED", exit_code=0)
    # Without Batch's words a signal may have had any reason.
    category = "" if ending.signalled else "command_failed"
    return _End(status="FAILED", category=category, exit_code=ending.exit_code)


def _times(
    entry: Entry, detail: JobStatus | None, ending: Ending | None
) -> tuple[float | None, float | None, float | None]:
    """Give submission, start and end, the earlier never after the later.

    Batch's clock comes first. The shell's counts whole seconds, on another host than the one that
    submitted: either may put a start a moment before its submission.
    """
    submitted = _first(detail.created_at if detail else None, entry.submitted_at * 1000)
    started = _first(detail.started_at if detail else None, ending.started_at if ending else None)
    stopped = _first(detail.stopped_at if detail else None, ending.stopped_at if ending else None)
    if started is not None and submitted is not None:
        started = max(started, submitted)
    if stopped is not None:
        stopped = max(stopped, started or submitted or stopped)
    return submitted, started, stopped


def _first(*milliseconds: float | None) -> float | None:
    return next((round(each / 1000, 3) for each in milliseconds if each), None)


def _between(start: float | None, end: float | None) -> float | None:
    return round(end - start, 3) if start is not None and end is not None else None


def _beginning(call: Call) -> Any:
    first = next((each.submitted for each in call.attempts if each.submitted), None)
    return (first is None, first or 0.0, call.name)
