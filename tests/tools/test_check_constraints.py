"""The pinned files agree with what the two pyproject.toml files ask for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import check_constraints
from tools.check_constraints import EVERYTHING, FOREIGN, INSTALLER, PROJECTS, ROOT, RUNNER

HASH = f"    --hash=sha256:{'0' * 64}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the pinned files and of the files that ask."""
    for name in (*PROJECTS, EVERYTHING, RUNNER, INSTALLER):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / FOREIGN, tmp_path / FOREIGN)
    return tmp_path


@pytest.fixture
def edit(checkout: Path) -> Callable[[str, str, str], list[str]]:
    """Replaces text in one file of the copy and says what problems that made."""

    def replace(name: str, old: str, new: str) -> list[str]:
        text = (checkout / name).read_text()
        assert old in text
        (checkout / name).write_text(text.replace(old, new, 1))
        return check_constraints.find_problems(checkout)

    return replace


def test_the_committed_files_agree(checkout: Path) -> None:
    """Whoever changes a requirement commits the renewed pins with it."""
    assert check_constraints.find_problems(checkout) == []


@pytest.mark.parametrize("name", PROJECTS)
def test_a_new_requirement_is_noticed(edit: Callable[..., list[str]], name: str) -> None:
    """In either project."""
    (problem, *_) = edit(name, "dependencies = [", 'dependencies = ["left-pad", ')
    assert problem == "constraints.txt: left-pad is not pinned at all"


def test_a_raised_floor_is_noticed(edit: Callable[..., list[str]]) -> None:
    """The image's pins are held to it as well as all pins."""
    problems = edit("plugin/pyproject.toml", "boto3>=", "boto3>=9")
    assert [problem.partition(":")[0] for problem in problems] == [EVERYTHING, RUNNER]
    assert all("boto3>=9" in problem and "is pinned to 1." in problem for problem in problems)


def test_the_image_has_the_versions_that_are_tested(edit: Callable[..., list[str]]) -> None:
    """`plugin/runner.txt` is a part of constraints.txt."""
    (problem,) = edit(RUNNER, "miniwdl==1", "miniwdl==9.1")
    assert problem.startswith("plugin/runner.txt: miniwdl is 9.1")


def test_a_foreign_client_is_pinned_as_it_is_asked_for(edit: Callable[..., list[str]]) -> None:
    """Another version of it, or a new client without pins, is noticed."""
    (problem,) = edit(f"{FOREIGN}/reference.in", "==0.12.2", "==0.13")
    assert problem == f"{FOREIGN}/reference.txt: miniwdl-aws==0.13 is pinned to 0.12.2"


def test_a_foreign_client_has_our_versions(edit: Callable[..., list[str]]) -> None:
    """The reference runs on the same miniwdl, the Amazon provider in the same Airflow."""
    (problem,) = edit(f"{FOREIGN}/reference.txt", "\nminiwdl==1", "\nminiwdl==9.1")
    assert problem.startswith(f"{FOREIGN}/reference.txt: miniwdl is 9.1")


def test_every_pin_has_a_hash() -> None:
    """Also the last one, also one with a marker."""
    text = f"a==1 \\\n{HASH}\nb==2 ; python_version < '3.12'\nc==3 \\\n{HASH} \\\n{HASH}\nd==4\n"
    pins, problems = check_constraints.read_pins(text)
    assert sorted(pins) == ["a", "b", "c", "d"]
    assert problems == ["b has no hash", "d has no hash"]


@pytest.mark.parametrize("line", ["--index-url https://example.org/simple", "a>=1", "./plugin"])
def test_anything_but_a_pin_is_refused(line: str) -> None:
    """Index addresses and local paths belong to one host."""
    assert check_constraints.read_pins(line)[1] == [f"line 1 is no pinned requirement: {line!r}"]
