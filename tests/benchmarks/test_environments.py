"""The environments of the two backends."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks.environments import OURS, REFERENCE, Environment, ensure, fingerprint, pins
from benchmarks.errors import BenchmarkError

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
    """What was tried and what it said is in the message."""
    taken = tmp_path / "taken"
    taken.write_text("a file where the directory should be")
    said: list[str] = []
    with pytest.raises(BenchmarkError, match=r"virtual environment cannot be made: .* -m venv .*"):
        ensure(REFERENCE, taken, [], said.append)
    assert len(said) == 1


def test_an_environment_that_is_there_is_used_again(tmp_path: Path) -> None:
    """Nothing is installed, and nothing said."""
    target = tmp_path / REFERENCE.name
    target.mkdir()
    (target / "installed.txt").write_text(fingerprint(REFERENCE, ["boto3==1.44.5"]))
    said: list[str] = []
    assert ensure(REFERENCE, tmp_path, ["boto3==1.44.5"], said.append) == target / "bin"
    assert said == []


def test_an_environment_is_made_anew_when_what_it_is_made_of_changes(tmp_path: Path) -> None:
    """Requirements, pins, and files that say what to install."""
    project = tmp_path / "pyproject.toml"
    project.write_text("dependencies = []")
    environment = Environment(name="e", requirements=("thing",), depends=(project,))
    first = fingerprint(environment, ["boto3==1"])
    assert fingerprint(environment, ["boto3==1"]) == first
    others = {
        fingerprint(environment, ["boto3==2"]),
        fingerprint(dataclasses.replace(environment, requirements=("other",)), ["boto3==1"]),
    }
    project.write_text("dependencies = ['boto3']")
    others.add(fingerprint(environment, ["boto3==1"]))
    assert len(others | {first}) == 4


def test_ours_is_the_checkout_with_what_the_workflow_image_installs() -> None:
    """An edit is measured at once, and nothing of the development is there."""
    option, requirement = OURS.requirements
    assert option == "--editable"
    assert requirement.endswith("plugin[runner]")
    assert all(path.is_file() for path in OURS.depends)
