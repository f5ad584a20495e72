"""Measuring a command and what it starts."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import head

BUSY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import time
held = b"x" * (64 << 20)
until = time.process_time() + 0.4
while time.process_time() < until: pass
time.sleep(1.5)
'''])
print("out")
sys.exit(child.wait() or 7)
"""


def test_memory_and_cpu_of_all_processes_count(tmp_path: Path) -> None:
    """A child's 64 MiB and 0.4 s of CPU are seen, and the exit code is the command's."""
    usage = head.run([sys.executable, "-c", BUSY], tmp_path / "log")
    assert usage.exit_code == 7
    assert usage.peak_rss_mib > 64
    assert usage.cpu_seconds > 0.4
    assert usage.seconds > 1.5
    assert usage.peak_threads >= 2
    assert (tmp_path / "log").read_text() == "out\n"


def test_the_command_line_leaves_usage_and_log(tmp_path: Path) -> None:
    """It runs as a program of its own, without the package beside it."""
    command = [sys.executable, head.__file__, str(tmp_path), "sh", "-c", "echo said; exit 3"]
    done = subprocess.run(command, cwd=tmp_path, check=False)
    assert done.returncode == 3
    usage = head.Usage(**json.loads((tmp_path / head.USAGE).read_text()))
    assert usage.exit_code == 3
    assert (tmp_path / head.LOG).read_text() == "said\n"
