"""Whose run directory is which: small files beside the run directories, found by job and run key.

A head that begins looks here for the run directory that it is to take up.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

FOLDER = ".miniwdl-aws-runs"
"""Below the folder of run directories."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Owner:
    """Who has a run directory.

    Attributes:
        job_id: the workflow job; empty outside AWS Batch.
        run_key: what the run is for; empty if its submitter gave none.
    """

    job_id: str = ""
    run_key: str = ""

    def paths(self, runs: Path) -> list[Path]:
        """Give the files that tell of the owner, that of the job first."""
        named = [("job", self.job_id), ("key", self.run_key)]
        digests = [
            hashlib.sha256(f"{kind} {name}".encode()).hexdigest() for kind, name in named if name
        ]
        return [runs / FOLDER / digest[:32] for digest in digests]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pointer:
    """Which run directory an owner has.

    Attributes:
        name: the run directory's name.
        content: a hash of what is run.
    """

    name: str
    content: str


def point(runs: Path, owner: Owner, pointer: Pointer) -> None:
    """Write down what an owner has; readers see the old pointer or the new one.

    Raises:
        OSError: it could not be written.
    """
    _make_folder(runs)
    for path in owner.paths(runs):
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        new.write_text(json.dumps(dataclasses.asdict(pointer)) + "\n")
        new.replace(path)


def pointers(runs: Path, owner: Owner) -> list[Pointer]:
    """Read what is known of an owner, by its job first."""
    found = map(_read, owner.paths(runs))
    return [pointer for pointer in found if pointer is not None]


def unpoint(runs: Path, owner: Owner, name: str = "") -> None:
    """Forget what an owner has.

    Args:
        runs: the folder of run directories.
        owner: the owner.
        name: the run directory to forget; any if it is empty.
    """
    for path in owner.paths(runs):
        pointer = _read(path)
        if not name or (pointer is not None and pointer.name == name):
            with contextlib.suppress(OSError):
                path.unlink()


def _make_folder(runs: Path) -> None:
    """Make the folder; whoever may make a run directory may write there too."""
    folder = runs / FOLDER
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        folder.chmod(runs.stat().st_mode & 0o7777)


def _read(path: Path) -> Pointer | None:
    try:
        content: Any = json.loads(path.read_text())
        return Pointer(name=str(content["name"]), content=str(content["content"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
