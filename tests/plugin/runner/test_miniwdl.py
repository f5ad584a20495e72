"""miniwdl as a workflow job runs it."""

import subprocess
import sys

ASK_TWICE = """
import importlib.metadata, sys
from miniwdl_aws.runner import miniwdl

sys.argv = ["miniwdl", "--version"]
try:
    miniwdl.main()
except SystemExit as end:
    assert not end.code, end.code
group = "miniwdl.plugin.container_backend"
first = importlib.metadata.entry_points(group=group)
assert "aws_batch_job" in first.names, first
assert importlib.metadata.entry_points(group=group) is first
assert importlib.metadata.entry_points(group="console_scripts") is not first
"""


def test_plugins_are_looked_for_once() -> None:
    """It asks for every task, and what is installed does not change under it."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_TWICE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "miniwdl v" in done.stdout


def test_it_is_miniwdl() -> None:
    """Arguments and exit codes are those of miniwdl."""
    command = [sys.executable, "-m", "miniwdl_aws.runner.miniwdl", "run", "no_such_file.wdl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no_such_file.wdl" in done.stderr
