"""The file by which a run directory is known as ours, and what became of its run."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.errors import MiniwdlAwsError

MARKER_FILE = ".miniwdl-aws-run.json"

PROTOCOL = 1
"""Version of the marker's form; older readers refuse a newer one."""

STATES = ("running", "succeeded", "failed", "cancelled")


class UnreadableMarkerError(MiniwdlAwsError):
    """A marker is there, but cannot be understood."""


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What is known of the run of a directory.

    Attributes:
        state: one of `STATES`.
        job_id: the workflow job; empty outside AWS Batch.
        run_key: what the run is for; empty if its submitter gave none.
        created: when the directory was made, as ISO 8601 in UTC.
        exclusive: whether the directory was empty then, so that all in it belongs to the run.
        published: the S3 URI under which the run is completely published; empty if it is not.
    """

    state: str
    job_id: str = ""
    run_key: str = ""
    created: str = ""
    exclusive: bool = True
    published: str = ""


def read_marker(run_dir: Path) -> Marker | None:
    """Read the marker of a directory; None if it bears none.

    Raises:
        UnreadableMarkerError: it cannot be understood.
    """
    path = run_dir / MARKER_FILE
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as exc:
        raise UnreadableMarkerError(f"{path} is no JSON: {exc}") from exc
    return _decode(path, content)


def write_marker(run_dir: Path, marker: Marker) -> None:
    """Write the marker of a directory; readers see the old one or the new one, never a part."""
    content = {"protocol": PROTOCOL, **dataclasses.asdict(marker)}
    path = run_dir / MARKER_FILE
    new = path.with_name(f"{MARKER_FILE}.{os.getpid()}")
    new.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    new.replace(path)


def update_marker(run_dir: Path, **changes: Any) -> None:
    """Change fields of a directory's marker, if it bears one."""
    marker = read_marker(run_dir)
    if marker is not None:
        write_marker(run_dir, dataclasses.replace(marker, **changes))


def is_inside(run_dir: Path, run_root: Path) -> bool:
    """Tell whether a directory, links resolved, lies below the folder of run directories."""
    directory, root = run_dir.resolve(), run_root.resolve()
    return root != Path("/") and root in directory.parents


def default_run_root(environ: Mapping[str, str]) -> Path:
    """Give the folder of run directories where nothing else is said."""
    return Path(environ.get("MINIWDL__FILE_IO__ROOT") or "/mnt/efs") / "miniwdl_run"


def _decode(path: Path, content: Any) -> Marker:
    if not isinstance(content, dict) or content.get("state") not in STATES:
        raise UnreadableMarkerError(f"{path} is not the marker of a run directory")
    if content.get("protocol", 0) > PROTOCOL:
        raise UnreadableMarkerError(
            f"{path} was written by a newer version of miniwdl-aws; use that version, or a newer"
        )
    known = {each.name for each in dataclasses.fields(Marker)}
    return Marker(**{name: value for name, value in content.items() if name in known})
