"""Which run directory a workflow job takes up, and how a run of several heads looks like one."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

from miniwdl_aws import pointers
from miniwdl_aws.heads import RunPlace
from miniwdl_aws.marker import Marker, UnreadableMarkerError, read_marker, update_marker
from miniwdl_aws.pointers import Owner, Pointer
from miniwdl_aws.runner.options import RunOptions

_log = logging.getLogger(__name__)


def point(options: RunOptions, run_dir: Path) -> None:
    """Write down whose run directory it is, so that the next head finds it."""
    if options.exactly:
        return
    pointer = Pointer(name=run_dir.name, content=content_of(options))
    try:
        pointers.point(run_dir.parent, _owner(options), pointer)
    except OSError as exc:
        _log.warning("a later attempt of this job will not find its run directory: %s", exc)


def find(options: RunOptions, has_succeeded: Callable[[str], bool]) -> Path | None:
    """Find the run directory that this workflow job is to take up.

    1. The one that an earlier attempt of the same job made.
    2. The one of a job with the same run key and content that did not come to its end: its head
       died, be it after the run had succeeded. A run that failed has forgotten its directory
       (`unpoint`); of one that succeeded Batch tells whether its job did too.

    Args:
        options: what is asked for.
        has_succeeded: tells whether a workflow job came to its end, or is not known any more.

    Returns:
        None if a new one is to be made.
    """
    if options.exactly:
        return options.directory if _marker(options.directory) is not None else None
    for pointer in pointers.pointers(options.directory, _owner(options)):
        if pointer.content != content_of(options):
            continue
        run_dir = options.directory / pointer.name
        marker = _marker(run_dir)
        if marker is None:
            continue
        own = marker.job_id == options.job_id
        if own or marker.state != "succeeded" or not has_succeeded(marker.job_id):
            return run_dir
    return None


def unpoint(options: RunOptions) -> None:
    """Forget whose run directory it is: the run has failed, or its directory is gone."""
    pointers.unpoint(options.directory, _owner(options))


def reopen(place: RunPlace, options: RunOptions) -> None:
    """Mark a run directory as this head's, before it begins to work."""
    if place.head == 1:
        return
    update_marker(place.run_dir, state="running", job_id=options.job_id, published="")
    for name in ("outputs.json", "error.json"):
        (place.run_dir / name).unlink(missing_ok=True)


def content_of(options: RunOptions) -> str:
    """Hash what is run."""
    content = [*options.arguments, options.bundle]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def is_concluded(run_dir: Path) -> bool:
    """Tell whether a run has succeeded, so that nothing but its publication can be missing."""
    marker = _marker(run_dir)
    return (
        marker is not None and marker.state == "succeeded" and (run_dir / "outputs.json").is_file()
    )


def present(place: RunPlace) -> None:
    """Show what a later head has made in the run directory itself, as a single head would.

    Can be repeated, and be broken off anywhere: ``outputs.json`` comes last.
    """
    source, target = place.directory, place.run_dir
    if source == target:
        return
    for name in ("workflow.log", "task.log"):
        _append(source / name, target / name, f"head {place.head}")
    (target / "error.json").unlink(missing_ok=True)
    if (source / "out").is_dir():
        _link_outputs(source, target)
    for name in ("error.json", "outputs.json"):
        if (source / name).is_file():
            _replace(target / name, as_presented((source / name).read_text(), place))


def as_presented(text: str, place: RunPlace) -> str:
    """Name outputs by the run directory, and not by the head that made them."""
    return text.replace(f"{place.directory}/out/", f"{place.run_dir}/out/")


def _link_outputs(source: Path, target: Path) -> None:
    out = target / "out"
    if out.is_dir() and not out.is_symlink():
        # An earlier head died as it linked the outputs.
        out.rename(target / "out1")
    new = target / "out.new"
    new.unlink(missing_ok=True)
    new.symlink_to(Path(source.name) / "out")
    new.replace(out)


def _append(source: Path, target: Path, title: str) -> None:
    """Continue a log with a later head's, once."""
    if not source.is_file():
        return
    heading = f"----- {title} -----\n"
    before = target.read_text(errors="replace") if target.is_file() else ""
    earlier, _, _ = before.partition(heading)
    _replace(target, earlier + heading + source.read_text(errors="replace"))


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(text)
    new.replace(path)


def _owner(options: RunOptions) -> Owner:
    return Owner(job_id=options.job_id, run_key=options.run_key)


def _marker(run_dir: Path) -> Marker | None:
    try:
        return read_marker(run_dir)
    except (UnreadableMarkerError, OSError):
        return None
