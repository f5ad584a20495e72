"""How long the outputs of a scatter take to be linked where each request waits for a server.

A library that is preloaded delays what a process asks of one folder (``latency.c``). Nothing of it
is cached, as on Fargate, where a mount of EFS caches no metadata.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import link_once
from benchmarks.errors import BenchmarkError
from benchmarks.judgement import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

MILLISECONDS_PER_FILE = 3.0

LATENCY_US = 333
"""A third of a millisecond: what the targets are stated for."""

_SOURCE = Path(__file__).with_name("latency.c")


@dataclass(frozen=True, kw_only=True)
class Linked:
    """What linking took.

    Attributes:
        count: how many files there were.
        seconds: how long it took.
        requests: how many requests to the file system there were.
    """

    count: int
    seconds: float
    requests: int

    @property
    def milliseconds_per_file(self) -> float:
        """The time a file."""
        return self.seconds * 1000 / self.count

    @property
    def requests_per_file(self) -> float:
        """The requests a file."""
        return self.requests / self.count


def measure(directory: Path, count: int, *, tuned: bool, latency_us: int = LATENCY_US) -> Linked:
    """Link the outputs of a scatter.

    Args:
        directory: where the library is kept, once it was compiled.
        count: how many files there are.
        tuned: whether miniwdl is as in a workflow job of ours.
        latency_us: the delay of a request in microseconds.

    Raises:
        BenchmarkError: there is no C compiler, or it could not be done.
    """
    library = _library(directory)
    with tempfile.TemporaryDirectory(prefix="miniwdl-aws-link-") as folder:
        run_dir = _outputs(Path(folder) / "run", count)
        counted = Path(folder) / "count"
        environ = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "LATENCY_BELOW": str(run_dir),
            "LATENCY_US": str(latency_us),
            "LATENCY_COUNT": str(counted),
        }
        command = [sys.executable, link_once.__file__, str(run_dir), str(count)]
        said = _run([*command, "tuned"] if tuned else command, environ)
        return Linked(
            count=count,
            seconds=json.loads(said)["seconds"],
            requests=int(counted.read_text()),
        )


def rows(theirs: Linked, ours: Linked) -> list[Row]:
    """Set both beside each other."""
    what = f"linking {ours.count} outputs"
    return [
        Row(
            benchmark=9,
            measure=f"{what}: ms a file",
            peer="miniwdl",
            theirs=theirs.milliseconds_per_file,
            ours=ours.milliseconds_per_file,
            target=MILLISECONDS_PER_FILE,
        ),
        Row(
            benchmark=9,
            measure=f"{what}: requests to the file system a file",
            peer="miniwdl",
            theirs=theirs.requests_per_file,
            ours=ours.requests_per_file,
        ),
    ]


def _outputs(run_dir: Path, count: int) -> Path:
    for number in range(count):
        call = run_dir / f"call-t-{number}"
        (call / "work").mkdir(parents=True)
        (call / "out/f").mkdir(parents=True)
        (call / "work/result.txt").write_text(str(number))
        (call / "out/f/result.txt").symlink_to("../../work/result.txt")
    return run_dir


def _library(directory: Path) -> Path:
    library = directory / "latency.so"
    if not library.is_file() or library.stat().st_mtime < _SOURCE.stat().st_mtime:
        directory.mkdir(parents=True, exist_ok=True)
        _run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"])
    return library


def _run(command: Sequence[str], environ: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise BenchmarkError(f"{command[0]} is not installed: {exc}") from exc
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
