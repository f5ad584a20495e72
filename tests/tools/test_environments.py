"""Virtual environments beside the development's own."""

import dataclasses
import subprocess
from pathlib import Path

import pytest

from tools.environments import AWS_CLI, REFERENCE, EnvironmentFailedError, ensure, fingerprint


def test_an_environment_holds_exactly_its_pins(tmp_path: Path) -> None:
    """What is made of a file of pins has these versions, and programs that run."""
    programs = ensure(AWS_CLI, tmp_path)
    done = subprocess.run(
        [programs / "aws", "--version"], capture_output=True, text=True, check=True
    )
    version = done.stdout.split()[0].removeprefix("aws-cli/")
    assert f"awscli=={version} " in AWS_CLI.pins.read_text()


def test_an_environment_that_cannot_be_made_is_an_error_with_the_reason(tmp_path: Path) -> None:
    """What was tried and what it said is in the message."""
    taken = tmp_path / "taken"
    taken.write_text("a file where the directory should be")
    said: list[str] = []
    with pytest.raises(EnvironmentFailedError, match=r"bootstrap.sh venv .* failed:\n.+"):
        ensure(REFERENCE, taken, said.append)
    assert len(said) == 1


def test_an_environment_that_is_there_is_used_again(tmp_path: Path) -> None:
    """Nothing is installed, and nothing said."""
    target = tmp_path / REFERENCE.name
    target.mkdir()
    (target / "installed.txt").write_text(fingerprint(REFERENCE))
    said: list[str] = []
    assert ensure(REFERENCE, tmp_path, said.append) == target / "bin"
    assert said == []


def test_an_environment_is_made_anew_when_what_it_is_made_of_changes(tmp_path: Path) -> None:
    """Its pins, and the file that says what the project in it has for programs."""
    (tmp_path / "pins.txt").write_text("thing==1")
    (tmp_path / "pyproject.toml").write_text("[project.scripts]")
    environment = dataclasses.replace(REFERENCE, pins=tmp_path / "pins.txt", project=tmp_path)
    first = fingerprint(environment)
    assert fingerprint(environment) == first
    (tmp_path / "pins.txt").write_text("thing==2")
    second = fingerprint(environment)
    (tmp_path / "pyproject.toml").write_text("[project]")
    assert len({first, second, fingerprint(environment)}) == 3
