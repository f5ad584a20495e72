"""The demonstration as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import psutil
import pytest

from tests.e2e.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


@contextmanager
def demonstration(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demonstration, and end it in any case."""
    command = [sys.executable, "-m", "demo", "--dir", str(directory), *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "AIRFLOW_HOME": "/nowhere", "AWS_PROFILE": "none"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(stream: IO[str] | None, pattern: str) -> list[str]:
    """Read lines until one matches."""
    assert stream is not None
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError("".join(lines))


def left_over(directory: Path) -> list[psutil.Process]:
    """Find the processes that have the demonstration's directory in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(directory) in value for value in process.environ().values()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_demonstration_finds_the_truth_and_leaves_nothing_running(tmp_path: Path) -> None:
    """It ends with success, a table without misses, copies of the outputs and no process."""
    directory = tmp_path / "demo"
    with demonstration(directory) as process:
        text, _ = process.communicate(timeout=400)
    assert process.returncode == 0, text
    for number in (1, 2, 3):
        assert re.search(rf"patient-0{number} +13 +13 +0 +0 ", text), text
        assert f"s3://miniwdl-local/viral-assembly/patient-0{number}/" in text
        assert (directory / "results" / f"patient-0{number}" / f"patient-0{number}.fasta").exists()
    assert re.search(r"patient-01 +task wait +deferred", text)
    assert re.search(r"patient-01 +call align_chunk-0.* SUCCEEDED", text)
    assert re.search(r"UI at http://127\.0\.0\.1:\d+", text)
    assert left_over(directory) == []


def test_an_interrupted_demonstration_leaves_nothing_running(tmp_path: Path) -> None:
    """SIGTERM in the middle of everything ends services, jobs and their children."""
    directory = tmp_path / "demo"
    with demonstration(directory, "--keep") as process:
        read_until(process.stdout, r"job patient-0\d +(STARTING|RUNNING)")
        assert len(left_over(directory)) > 4
        process.send_signal(signal.SIGTERM)
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "interrupted, everything is stopped" in text
    deadline = time.monotonic() + 10
    while left_over(directory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_over(directory) == []


def test_a_port_in_use_ends_the_demonstration_with_a_sentence(tmp_path: Path) -> None:
    """Nothing is started in vain, and the number is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demonstration(tmp_path / "demo", "--port", str(port)) as process:
            text, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"demo: port {port} on 127.0.0.1 cannot be used" in text
    assert left_over(tmp_path / "demo") == []
