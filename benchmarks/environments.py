"""The environments that the two backends run in: alike, and apart from that of the development.

Each has what its workflow image would have and nothing else, since miniwdl looks through all that
is installed for each task. Both have the same versions of what both use.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REFERENCE_VERSION = "0.12.2"

_PLUGIN = Path(__file__).resolve().parent.parent / "plugin"
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[^\s\\]+(?: *;[^\\]*)?")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What is installed in a virtual environment.

    Attributes:
        name: its directory's name.
        requirements: what pip is asked to install.
        depends: files of which it has to be made anew when they change.
    """

    name: str
    requirements: Sequence[str]
    depends: Sequence[Path] = ()


REFERENCE = Environment(
    name=f"miniwdl-aws-{REFERENCE_VERSION}",
    requirements=(f"miniwdl-aws=={REFERENCE_VERSION}",),
)

OURS = Environment(
    name="miniwdl-aws-ours",
    requirements=("--editable", f"{_PLUGIN}[runner]"),
    depends=(_PLUGIN / "pyproject.toml",),
)


def pins(constraints: str) -> list[str]:
    r"""Give the pinned versions of a constraints file, without their hashes.

    With hashes, pip would ask for one of the backends too, which the file does not pin.

    >>> pins("boto3==1.44.5 \\\n    --hash=sha256:00\nmoto[server]==5.2 \\\n")
    ['boto3==1.44.5']
    """
    found = (_PIN.match(line) for line in constraints.splitlines())
    return [match[0].strip() for match in found if match]


def ensure(
    environment: Environment, directory: Path, pinned: Sequence[str], say: Callable[[str], object]
) -> Path:
    """Make an environment unless it is there.

    Args:
        environment: what is to be installed.
        directory: where the environment's own directory is made.
        pinned: the versions of what may come with it.
        say: is told what takes long.

    Returns:
        The directory of its programs.

    Raises:
        BenchmarkError: it could not be made.
    """
    target = directory / environment.name
    stamp, wanted = target / "installed.txt", fingerprint(environment, pinned)
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say(f"installing {environment.requirements[-1]} in {target} (it takes a minute)")
        shutil.rmtree(target, ignore_errors=True)
        _make(target, environment.requirements, pinned)
        stamp.write_text(wanted)
    return target / "bin"


def fingerprint(environment: Environment, pinned: Sequence[str]) -> str:
    """Give what changes when an environment has to be made anew."""
    parts = [sys.version, *environment.requirements, *pinned]
    parts += [path.read_text() for path in environment.depends]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _make(target: Path, requirements: Sequence[str], pinned: Sequence[str]) -> None:
    _run([sys.executable, "-m", "venv", str(target)], "its virtual environment cannot be made")
    constraints = target / "constraints.txt"
    constraints.write_text("\n".join(pinned) + "\n")
    command = [str(target / "bin" / "python"), "-m", "pip", "install", "-q"]
    command += ["--disable-pip-version-check", "--constraint", str(constraints), *requirements]
    _run(command, f"pip could not install {requirements[-1]}")


def _run(command: Sequence[str], problem: str) -> None:
    environ = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise BenchmarkError(f"{problem}: {' '.join(command)}\n{said}")
