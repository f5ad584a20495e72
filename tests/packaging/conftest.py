"""Distributions built from a copy of the checkout, and plain environments that pip fills."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


IMPORT_EACH = """
import importlib, json, os, sys
importlib.import_module(sys.argv[1])
before, found = set(sys.modules), {}
for name in sys.argv[2:]:
    readable, writable = os.pipe()
    if os.fork() == 0:
        importlib.import_module(name)
        new = sorted({each.partition(".")[0] for each in set(sys.modules) - before})
        os.write(writable, json.dumps(new).encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        found[name] = json.load(answer)
    os.wait()
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment that `python -m venv` made and pip filled.

    Attributes:
        bin: The directory of its programs.
    """

    bin: Path

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Runs one of its programs with a bare environment; returns its stdout.

        Args:
            command: The program's name in `bin`, and its arguments.
            cwd: Where to run it; default: a place from which nothing of the checkout is importable.
        """
        done = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=cwd or self.bin,
            env={**host_settings(), "PATH": f"{self.bin}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def python(self, code: str, *arguments: str) -> Any:
        """Runs code that prints one JSON value as its last line; returns the value."""
        output = self.run("python", "-I", "-c", code, *arguments)
        return json.loads(output.splitlines()[-1])

    def pip_install(self, *arguments: str, cwd: Path | None = None) -> None:
        """Runs `pip install` with the project's versions as constraints."""
        options = ("-q", "--no-compile", "-c", "constraints.txt")
        self.run("python", "-m", "pip", "install", *options, *arguments, cwd=cwd)

    def imported_by(self, modules: list[str], *, after: str = "json") -> dict[str, list[str]]:
        """Imports each module in a process of its own, forked once another one is imported.

        Args:
            modules: What to import.
            after: What may be imported already.

        Returns:
            The top-level packages that each module imported in addition; the test fails where a
            module cannot be imported.
        """
        output: dict[str, list[str]] = self.python(IMPORT_EACH, after, *modules)
        return output

    @property
    def distributions(self) -> dict[str, str]:
        """Installed names (as their authors spell them, lower case) with their versions."""
        listing = json.loads(self.run("python", "-m", "pip", "list", "--format=json"))
        return {entry["name"].lower(): entry["version"] for entry in listing}


def host_settings() -> dict[str, str]:
    """What pip needs of this host to reach a package index, and no setting of this project."""
    kept = re.compile(r"HOME|LANG|TMPDIR|PIP_.*|.*_proxy|.*_CA_.*|SSL_CERT_.*", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if kept.fullmatch(name)}


def source_files() -> list[str]:
    """What a clone of this checkout would have: no build output, no cache."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def make_environment(where: Path) -> Environment:
    """Makes an empty virtual environment as a user would."""
    subprocess.run([sys.executable, "-m", "venv", where], check=True, stdin=subprocess.DEVNULL)
    return Environment(bin=where / "bin")


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, whose constraints.txt has no hashes.

    pip checks either every requirement's hash or none, and a directory has none.
    """
    top = tmp_path_factory.mktemp("clone")
    for name in source_files():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, top / name)
    pinned = (ROOT / "constraints.txt").read_text()
    unhashed = re.sub(r" *\\\n +--hash=sha256:[0-9a-f]{64}", "", pinned)
    (top / "constraints.txt").write_text(unhashed)
    return top


@pytest.fixture(scope="session")
def installed(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where `pip install ./plugin .` was run, and nothing else."""
    environment = make_environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.pip_install("./plugin", ".", cwd=clone)
    return environment


@dataclass(frozen=True, kw_only=True)
class Built:
    """The files of one distribution.

    Attributes:
        sources: The directory of its pyproject.toml in the clone.
        wheel: The wheel built from the sdist.
        sdist: The source distribution.
    """

    sources: Path
    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def builder(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where hatchling is installed, the build backend of both distributions."""
    environment = make_environment(tmp_path_factory.mktemp("builder") / "venv")
    environment.pip_install("hatchling", cwd=clone)
    return environment


@pytest.fixture(scope="session", params=["plugin", "."], ids=["plugin", "provider"])
def built(
    request: pytest.FixtureRequest,
    clone: Path,
    builder: Environment,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """Each distribution as it would be published: an sdist, and the wheel built from it."""
    sources = clone / request.param
    out = tmp_path_factory.mktemp("dist")
    builder.run("python", "-m", "hatchling", "build", "-t", "sdist", "-d", str(out), cwd=sources)
    (sdist,) = out.glob("*.tar.gz")
    builder.run(
        *("python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(out), str(sdist)),
    )
    (wheel,) = out.glob("*.whl")
    return Built(sources=sources, wheel=wheel, sdist=sdist)


@pytest.fixture(scope="session")
def plugin_alone(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where the plugin was installed without an extra."""
    environment = make_environment(tmp_path_factory.mktemp("plugin-alone") / "venv")
    environment.pip_install("./plugin", cwd=clone)
    return environment


@pytest.fixture(scope="session")
def complete(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Where the plugin was installed with all its extras."""
    environment = make_environment(tmp_path_factory.mktemp("complete") / "venv")
    environment.pip_install("./plugin[local,runner,wdl]", cwd=clone)
    return environment
