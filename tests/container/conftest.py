"""The workflow image, built for real where Podman or Docker can be had."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.engines import Engine

ROOT = Path(__file__).parent.parent.parent
BASE_VARIABLE = "MINIWDL_AWS_TEST_BASE_IMAGE"
BASE_TAG = "localhost/miniwdl-aws-test-base"
IMAGE_TAG = "localhost/miniwdl-aws-test"


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
