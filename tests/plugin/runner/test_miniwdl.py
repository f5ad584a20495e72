"""miniwdl as a workflow job runs it."""

import subprocess
import sys

import pytest

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


END_AT_ONCE = """
import atexit, sys, threading
from miniwdl_aws.runner.miniwdl import AtOnce

class Tells:
    def __del__(self):
        print("taken apart", flush=True)

def act():
    atexit.register(lambda: print("handler"))
    print("acted")
    {end}

at_once = AtOnce()
kept = Tells()
at_once.after(act)
"""


@pytest.mark.parametrize(
    ("end", "code", "is_taken_apart"),
    [
        ("sys.exit(3)", 3, False),
        ("sys.exit()", 0, False),
        ("pass", 0, False),
        ("sys.exit('a message')", 1, True),
        ("raise ValueError('a message')", 1, True),
    ],
)
def test_it_ends_at_once(end: str, code: int, is_taken_apart: bool) -> None:
    """What was said is written, handlers have run, the exit code stays; errors are shown."""
    done = subprocess.run(
        [sys.executable, "-c", END_AT_ONCE.format(end=end)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    said = ["acted", "handler", *(["taken apart"] if is_taken_apart else [])]
    assert done.stdout.splitlines() == said
    assert ("a message" in done.stderr) is is_taken_apart


GARBAGE = """
import gc
from miniwdl_aws.runner.miniwdl import NEW_OBJECTS, spare_garbage_collection

spare_garbage_collection()
assert gc.isenabled() and gc.get_freeze_count() > 1000
assert gc.get_threshold()[0] == NEW_OBJECTS
"""


def test_garbage_is_still_looked_for() -> None:
    """More seldom, and not among what was there before."""
    done = subprocess.run(
        [sys.executable, "-c", GARBAGE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
