"""Virtual environments beside `.venv`, each exactly as a file pins it: made once, then kept.

Programs that must not be in the environment of the development live in them: other clients of AWS
Batch, and both backends that the benchmarks compare.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / ".environments"
"""Where they are kept; `make clean` removes it."""

FOREIGN = Path(__file__).resolve().parent / "foreign"
"""What each foreign client asks for (`NAME.in`), and its pinned versions (`NAME.txt`)."""


class EnvironmentFailedError(Exception):
    """An environment could not be made; the message has the command and what it said."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What is installed in a virtual environment.

    Attributes:
        name: its directory's name.
        pins: the file of pinned versions, with hashes.
        project: a directory of ours that is installed as it is, so that edits count at once.
    """

    name: str
    pins: Path
    project: Path | None = None


REFERENCE = Environment(name="reference", pins=FOREIGN / "reference.txt")
AWS_CLI = Environment(name="aws-cli", pins=FOREIGN / "aws-cli.txt")
AWS_CLI_V2 = Environment(name="aws-cli-v2", pins=FOREIGN / "aws-cli-v2.txt")
"""Not the program itself, but the package in which AWS publishes it for its CDK."""

AMAZON_PROVIDER = Environment(name="amazon-provider", pins=FOREIGN / "amazon-provider.txt")


def ensure(
    environment: Environment,
    directory: Path = DIRECTORY,
    say: Callable[[str], object] = lambda _: None,
) -> Path:
    """Make an environment unless it is there.

    Args:
        environment: what is to be installed.
        directory: where the environment's own directory is made.
        say: is told what may take long.

    Returns:
        The directory of its programs.

    Raises:
        EnvironmentFailedError: it could not be made.
    """
    target = directory / environment.name
    stamp, wanted = target / "installed.txt", fingerprint(environment)
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say(f"installing {environment.name} in {target}")
        _make(environment, target)
        stamp.write_text(wanted)
    return target / "bin"


def fingerprint(environment: Environment) -> str:
    """Give what changes when an environment has to be made anew."""
    parts = [sys.version, environment.pins.read_text()]
    if environment.project is not None:
        parts.append((environment.project / "pyproject.toml").read_text())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _make(environment: Environment, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    command = [str(ROOT / "tools" / "bootstrap.sh"), "venv", str(target), str(environment.pins)]
    command += [str(environment.project)] if environment.project else []
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise EnvironmentFailedError(f"{' '.join(command)} failed:\n{said}")
