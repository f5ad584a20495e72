"""The reference's environment."""

from pathlib import Path

import pytest

from benchmarks import reference
from benchmarks.errors import BenchmarkError
from benchmarks.reference import ensure_reference, pins

CONSTRAINTS = """\
boto3==1.44.5 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
uvloop==0.23.0 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:cc
# via nothing
"""


def test_pins_are_versions_without_hashes() -> None:
    """Markers stay, hashes go."""
    assert pins(CONSTRAINTS) == [
        "boto3==1.44.5",
        "uvloop==0.23.0 ; platform_python_implementation != 'PyPy'",
    ]


def test_the_committed_constraints_pin_what_both_backends_use() -> None:
    """The comparison is of backends, not of versions of what they stand on."""
    constraints = Path(__file__).parents[2] / "constraints.txt"
    names = {pin.partition("==")[0] for pin in pins(constraints.read_text())}
    assert {"miniwdl", "boto3", "botocore"} <= names


def test_an_environment_that_cannot_be_made_is_an_error_with_the_reason(tmp_path: Path) -> None:
    """What the failing command said is in the message."""
    taken = tmp_path / "taken"
    taken.write_text("a file where the directory should be")
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(CONSTRAINTS)
    said: list[str] = []
    with pytest.raises(BenchmarkError, match=r"miniwdl-aws==0\.12\.2: its virtual environment"):
        ensure_reference(taken, constraints, say=said.append)
    assert len(said) == 1


def test_an_environment_that_is_there_is_used_again(tmp_path: Path) -> None:
    """Nothing is installed, and nothing said, while requirement, pins and Python are the same."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(CONSTRAINTS)
    environment = tmp_path / f"miniwdl-aws-{reference.VERSION}"
    environment.mkdir()
    pinned = "\n".join([reference.REQUIREMENT, *pins(CONSTRAINTS)]) + "\n"
    (environment / "installed.txt").write_text(reference._digest(pinned))
    said: list[str] = []
    assert ensure_reference(tmp_path, constraints, say=said.append) == environment / "bin"
    assert said == []
