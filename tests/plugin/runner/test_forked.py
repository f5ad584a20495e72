"""Tests of `miniwdl_aws.runner.forked`, each in a process that has one thread."""

import subprocess
import sys

BEGIN = """
import os, signal, sys, traceback
from functools import partial
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.runner.forked import ChildEndedError, in_child

def caught(kind, call):
    try:
        in_child(call)
    except kind as exc:
        return exc
    raise AssertionError(f"no {kind.__name__}")
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{code}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_loaded_stays_in_the_child() -> None:
    """The answer comes back, and nothing else."""
    run("""
def load():
    import sqlite3
    return sqlite3.__name__, os.getpid()

assert "sqlite3" not in sys.modules
name, pid = in_child(load)
assert name == "sqlite3" and pid != os.getpid()
assert "sqlite3" not in sys.modules
""")


def test_an_error_of_ours_is_the_same_here() -> None:
    """Its message, its fields and its exit code."""
    run("""
def refuse():
    raise ConfigurationError("root", "is wrong", value="/", remedy="Set it.")

exc = caught(ConfigurationError, refuse)
assert (exc.field, exc.value, exc.remedy) == ("root", "/", "Set it.")
assert "root" in str(exc) and not hasattr(exc, "__notes__")
""")


def test_any_other_error_says_where_it_came_from() -> None:
    """The traceback of the child is in what the runner logs."""
    run("""
def divide():
    return 1 / 0

exc = caught(ZeroDivisionError, divide)
assert "in divide" in "".join(traceback.format_exception(exc))
""")


def test_a_child_that_was_killed_is_an_error() -> None:
    """Memory may be short, for instance."""
    run("""
exc = caught(ChildEndedError, lambda: os.kill(os.getpid(), signal.SIGKILL))
assert "exit code -9" in str(exc), exc
""")


def test_lines_written_before_are_written_once() -> None:
    """What this process has not flushed is not written by the child too."""
    said = run("""
sys.stdout.write("before\\n")
in_child(partial(print, "within"))
print("after")
""")
    assert said == "before\nwithin\nafter\n"
