"""The workflow image, built for real where Podman or Docker can be had."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BASE_VARIABLE = "MINIWDL_AWS_TEST_BASE_IMAGE"
BASE_TAG = "localhost/miniwdl-aws-test-base"
IMAGE_TAG = "localhost/miniwdl-aws-test"
CA_BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

PODMAN_CONF = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
"""
"""Podman raises these limits by default, which it may not do everywhere."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A container engine's command line.

    Attributes:
        program: `podman` or `docker`.
        environment: What it runs with.
    """

    program: str
    environment: Mapping[str, str] = field(repr=False)

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs it with arguments; fails the test with what it said unless it ends well."""
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(
                f"{self.program} {' '.join(arguments)} ended with {done.returncode}:\n"
                f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def works(self) -> bool:
        """Whether the program is there and its engine answers."""
        if not shutil.which(self.program):
            return False
        return self.call("info", check=False).returncode == 0

    def has_image(self, tag: str) -> bool:
        """Whether an image of this name is in the engine's store."""
        return self.call("image", "inspect", tag, check=False).returncode == 0

    def build(self, tag: str, *, base: str) -> None:
        """Builds the Dockerfile of the checkout on a base image."""
        options = ["--network=host", "--build-arg", f"BASE_IMAGE={base}", "--tag", tag]
        self.call("build", *options, *self.build_options(), str(ROOT))

    def build_options(self) -> list[str]:
        """Gives what a build needs on this host, and nowhere else."""
        if self.program != "podman":
            return []
        return ["--ulimit=nofile=1024:4096", *host_ca_bundle(self.environment)]

    def run(
        self, image: str, *command: str, options: Iterable[str] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a container on the host's network, and removes the container."""
        return self.call("run", "--rm", "--network=host", *options, image, *command, check=check)


def host_ca_bundle(environment: Mapping[str, str]) -> list[str]:
    """Gives a build's pip the CA bundle that this host names, if it names one."""
    for name in CA_BUNDLE_VARIABLES:
        if (path := environment.get(name)) and Path(path).is_file():
            return [f"--volume={path}:{path}:ro", f"--env=PIP_CERT={path}"]
    return []


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Podman or else Docker, whichever works."""
    conf = tmp_path_factory.mktemp("engine") / "containers.conf"
    conf.write_text(PODMAN_CONF)
    environment = {"CONTAINERS_CONF": str(conf), **os.environ}
    for program in ("podman", "docker"):
        found = Engine(program=program, environment=environment)
        if found.works():
            return found
    pytest.skip("neither podman nor docker works here; `make containers` installs Podman on Debian")


@pytest.fixture(scope="session")
def base_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image that the variable names, or a Debian like this host's made by debootstrap.

    Debootstrap takes a minute; its image stays in the engine's store for the next time.
    """
    if named := os.environ.get(BASE_VARIABLE):
        return named
    suite = debian_suite()
    if not suite:
        pytest.skip(f"this host is no Debian: set {BASE_VARIABLE} to an image with Python >= 3.11")
    tag = f"{BASE_TAG}:{suite}"
    if not engine.has_image(tag):
        if os.geteuid() or not shutil.which("debootstrap"):
            pytest.skip(
                f"no root or no debootstrap: set {BASE_VARIABLE} to a Debian or Python image"
            )
        bootstrap_debian(engine, tag, suite, tmp_path_factory.mktemp("debian"))
    return tag


def debian_suite() -> str:
    """The code name of this host's Debian; empty on another system."""
    release = Path("/etc/os-release")
    text = release.read_text() if release.exists() else ""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    return found[1] if found and re.search(r"^ID=debian$", text, re.MULTILINE) else ""


def debian_mirror(suite: str) -> str:
    """The mirror that this host's own packages come from."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Identifier: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in listing.splitlines():
        codename, _, uri = line.partition(" ")
        if codename == suite:
            return uri
    pytest.skip(f"apt-get has no package list of {suite}: run apt-get update")


def bootstrap_debian(engine: Engine, tag: str, suite: str, top: Path) -> None:
    """Imports a minimal Debian with Python as an image."""
    tree, archive = top / "tree", top / "tree.tar"
    subprocess.run(
        [
            *("debootstrap", "--variant=minbase", "--include=python3,ca-certificates"),
            *(suite, str(tree), debian_mirror(suite)),
        ],
        check=True,
        capture_output=True,
    )
    unneeded = ("var/cache/apt/archives", "var/lib/apt/lists")
    excluded = [f"--exclude=./{path}/*" for path in unneeded]
    subprocess.run(["tar", "-C", tree, *excluded, "-cf", archive, "."], check=True)
    engine.call("import", str(archive), tag)
    shutil.rmtree(top)


@pytest.fixture(scope="session")
def image(engine: Engine, base_image: str) -> str:
    """The workflow image, built from the checkout."""
    engine.build(IMAGE_TAG, base=base_image)
    return IMAGE_TAG
