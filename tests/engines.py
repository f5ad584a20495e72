"""A container engine for tests, where Podman or Docker can be had, and a small image in it."""

import io
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from miniwdl_aws.local import LocalAws, LocalAwsSettings

ROOT = Path(__file__).parent.parent
CA_BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
BUSYBOX_TAG = "localhost/miniwdl-aws-test-busybox"

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
def docker_host(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the engine takes Docker's API: a service of its own if it is Podman."""
    if engine.program == "docker":
        yield os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return
    socket = tmp_path_factory.mktemp("podman") / "podman.sock"
    url = f"unix://{socket}"
    command = [engine.program, "system", "service", "--time=0", url]
    with subprocess.Popen(
        command, env=engine.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as service:
        tick = threading.Event()
        while not socket.exists():
            assert service.poll() is None, f"{' '.join(command)} ended at once"
            tick.wait(0.05)
        yield url
        service.terminate()


def linked_libraries(program: Path) -> list[Path]:
    """Return the shared libraries of a program; none if it is static."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", told)]


def busybox_archive(program: Path) -> bytes:
    """Make a root file system of BusyBox alone, and of two users besides root."""
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    users = "root:x:0:0::/root:/bin/sh\nada:x:1234:2345::/home:/bin/sh\n"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, mode in (("tmp", 0o1777), ("root", 0o700), ("srv", 0o755), ("proc", 0o755)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for path in [program, *linked_libraries(program)]:
            name = "bin/busybox" if path == program else str(path)
            entry = archive.gettarinfo(path.resolve(), arcname=name)
            archive.addfile(entry, io.BytesIO(path.resolve().read_bytes()))
        for applet in sorted(set(listed.split()) - {"busybox"}):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        archive.addfile(entry, io.BytesIO(users.encode()))
    return content.getvalue()


@pytest.fixture(scope="session")
def busybox_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of BusyBox with a command, a variable and a working directory of its own."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("no busybox here; `make containers` installs it on Debian")
    archive = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    archive.write_bytes(busybox_archive(Path(program)))
    changes = ['CMD ["sh","-c","echo the image says; pwd"]', "ENV OF_THE_IMAGE=1", "WORKDIR /srv"]
    options = [option for change in changes for option in ("--change", change)]
    engine.call("import", *options, str(archive), BUSYBOX_TAG)
    return BUSYBOX_TAG


@pytest.fixture(scope="session")
def container_aws(docker_host: str) -> Iterator[LocalAws]:
    """A local AWS whose jobs are containers, for the whole session."""
    settings = LocalAwsSettings(
        executor="container", docker_host=docker_host, stop_timeout_seconds=2
    )
    with LocalAws(settings) as aws:
        yield aws
