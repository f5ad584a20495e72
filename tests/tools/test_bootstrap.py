"""tools/bootstrap.sh says in one sentence what it cannot do for itself."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

NEEDED = ("dirname", "uname", "mktemp", "rm", "cmp", "cat", "env", "mount", "unshare")

Bootstrap = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only directory on PATH: what a bare Debian has, for a user who is not root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    write_program(folder, "id", "echo 1000")
    return folder


@pytest.fixture
def bootstrap(programs: Path, tmp_path: Path) -> Bootstrap:
    """Runs the script in a checkout that has nothing yet."""
    top = tmp_path / "checkout"
    (top / "tools").mkdir(parents=True)
    for name in ("bootstrap.sh", "uv.txt"):
        shutil.copy(ROOT / "tools" / name, top / "tools" / name)

    def run(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", top / "tools" / "bootstrap.sh", command],
            env={"PATH": str(programs), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def write_program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def write_python(folder: Path, *, name: str = "python3", venv: bool = True) -> None:
    """A Python 3.11 without headers, as Debian has it; with or without its venv module."""
    answers = [
        'case "$2" in',
        "  *version_info\\ \\<*) exit 0 ;;",
        '  *version_info*) echo "3.11" ;;',
        f'  *sys.executable*) echo "{folder}/{name}" ;;',
        f"  *ensurepip*) exit {0 if venv else 1} ;;",
        '  *sysconfig*) echo "/nowhere/include" ;;',
        "  *) exit 1 ;;",
        "esac",
    ]
    write_program(folder, name, "\n".join(answers))


def test_without_python_it_says_which_names_it_tried(bootstrap: Bootstrap) -> None:
    """And how to get or name one."""
    done = bootstrap("env")
    assert done.returncode == 1
    assert "No Python 3.11 or newer found as python3.11, python3.12, python3.13" in done.stderr
    assert "make PYTHON=" in done.stderr


def test_an_old_python_is_no_python(bootstrap: Bootstrap, programs: Path) -> None:
    """`python3` may be 3.9; one named by hand is refused by name."""
    write_program(programs, "python3", "exit 1")
    assert "No Python 3.11" in bootstrap("env").stderr
    done = bootstrap("env", PYTHON="python3")
    assert done.stderr == "error: PYTHON=python3 is not a Python 3.11 or newer.\n"


def test_who_may_not_install_packages_is_told_one_command(
    bootstrap: Bootstrap, programs: Path
) -> None:
    """All that is missing at once."""
    write_python(programs, venv=False)
    write_program(programs, "apt-get", "exit 99")
    done = bootstrap("env")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "Run this, then the same command again: sudo apt-get install --no-install-recommends "
        "python3.11-venv gcc libc6-dev zlib1g-dev python3.11-dev"
    )


def test_who_has_no_apt_is_told_what_is_missing(bootstrap: Bootstrap, programs: Path) -> None:
    """Other systems name these packages otherwise."""
    write_python(programs)
    (programs / "unshare").unlink()
    done = bootstrap("env")
    assert done.returncode == 1
    assert "has no apt-get: install what Debian calls util-linux mount gcc" in done.stderr


def test_root_gets_the_packages_installed(bootstrap: Bootstrap, programs: Path) -> None:
    """Without a question, and without what Debian merely recommends."""
    write_python(programs)
    write_program(programs, "id", "echo 0")
    write_program(programs, "apt-get", 'echo "$@" >&2; [ "$1" = update ]')
    done = bootstrap("env")
    assert done.returncode == 1
    assert (
        "install -y -qq --no-install-recommends gcc libc6-dev zlib1g-dev python3.11-dev\n"
        "error: apt-get could not install gcc libc6-dev" in done.stderr
    )


def test_an_unknown_command_shows_the_known_ones(bootstrap: Bootstrap) -> None:
    """The Makefile calls them."""
    done = bootstrap("upgrade")
    assert done.returncode == 1
    assert "usage: tools/bootstrap.sh env|venv|constraints|containers|clean" in done.stderr
