"""The reference backend's environment: apart from ours, with the same versions of what both use."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = "0.12.2"
REQUIREMENT = f"miniwdl-aws=={VERSION}"

_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[^\s\\]+(?: *;[^\\]*)?")


def pins(constraints: str) -> list[str]:
    r"""Give the pinned versions of a constraints file, without their hashes.

    With hashes, pip would ask for one of the reference too, which the file does not pin.

    >>> pins("boto3==1.44.5 \\\n    --hash=sha256:00\nmoto[server]==5.2 \\\n")
    ['boto3==1.44.5']
    """
    found = (_PIN.match(line) for line in constraints.splitlines())
    return [match[0].strip() for match in found if match]


def ensure_reference(directory: Path, constraints: Path, *, say: Callable[[str], object]) -> Path:
    """Make the reference's environment unless it is there.

    Args:
        directory: where it is made, as ``miniwdl-aws-<version>``.
        constraints: pins the packages that both backends use.
        say: is told what takes long.

    Returns:
        The directory of its programs.

    Raises:
        BenchmarkError: it could not be made.
    """
    environment = directory / f"miniwdl-aws-{VERSION}"
    pinned = "\n".join([REQUIREMENT, *pins(constraints.read_text())]) + "\n"
    stamp, wanted = environment / "installed.txt", _digest(pinned)
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say(f"installing {REQUIREMENT} in {environment} (the first time takes a minute)")
        shutil.rmtree(environment, ignore_errors=True)
        _make(environment, pinned)
        stamp.write_text(wanted)
    return environment / "bin"


def _digest(pinned: str) -> str:
    return hashlib.sha256(f"{sys.version}\n{pinned}".encode()).hexdigest()


def _make(environment: Path, pinned: str) -> None:
    _run([sys.executable, "-m", "venv", str(environment)], "its virtual environment cannot be made")
    constraints = environment / "constraints.txt"
    constraints.write_text(pinned)
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q"]
    command += ["--disable-pip-version-check", "--constraint", str(constraints), REQUIREMENT]
    _run(command, "pip cannot install it from its package index")


def _run(command: list[str], problem: str) -> None:
    environ = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(
            f"{REQUIREMENT}: {problem}: {' '.join(command)}\n{(done.stdout + done.stderr).strip()}"
        )
