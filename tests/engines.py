"""A container engine for tests, where Podman or Docker can be had, and a small image in it."""

import io
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniwdl_aws.local import LocalAws, LocalAwsSettings
from tools.engines import Engine, find_engine

BUSYBOX_TAG = "localhost/miniwdl-aws-test-busybox"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Podman or else Docker, whichever works."""
    if found := find_engine(tmp_path_factory.mktemp("engine")):
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
