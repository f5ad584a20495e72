"""A container engine for tests, where Podman or Docker can be had, and a small image in it."""

import io
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from miniwdl_aws.local import LocalAws, LocalAwsSettings
from miniwdl_aws.local.execution import container_reaper
from miniwdl_aws.local.execution.container_request import STATE_LABEL
from tools.engines import ROOT, Engine, find_engine

BUSYBOX_TAG = "localhost/miniwdl-aws-test-busybox"

UNPACKED_REGISTRY = ROOT / ".registry" / "usr" / "bin" / "docker-registry"
REGISTRY_CONFIGURATION = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:0"}}
"""
INSECURE_LOOPBACK = """
[[registry]]
prefix = "127.0.0.1"
location = "127.0.0.1"
insecure = true
"""
"""Podman asks every registry for TLS unless told otherwise; Docker asks none of loopback."""


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
    registries = socket.with_name("registries.conf")
    registries.write_text(registries_of(engine.environment) + INSECURE_LOOPBACK)
    environment = {**engine.environment, "CONTAINERS_REGISTRIES_CONF": str(registries)}
    command = [engine.program, "system", "service", "--time=0", url]
    with subprocess.Popen(
        command,
        env=environment,
        cwd=socket.parent,  # where conmon leaves a file once a container's memory runs out
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as service:
        tick = threading.Event()
        while not socket.exists():
            assert service.poll() is None, f"{' '.join(command)} ended at once"
            tick.wait(0.05)
        yield url
        service.terminate()


def registries_of(environment: Mapping[str, str]) -> str:
    """Return what Podman is told of registries on this machine."""
    named = environment.get("CONTAINERS_REGISTRIES_CONF", "/etc/containers/registries.conf")
    return Path(named).read_text() if Path(named).is_file() else ""


def push_options(engine: Engine) -> list[str]:
    """Return what a push to the registry on loopback needs."""
    return ["--tls-verify=false"] if engine.program == "podman" else []


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
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A container registry on loopback, standing where Amazon ECR stands; its host and port."""
    program = shutil.which("docker-registry") or str(UNPACKED_REGISTRY)
    if not Path(program).exists():
        pytest.skip("no docker-registry here; `make containers` unpacks it on Debian")
    folder = tmp_path_factory.mktemp("registry")
    configuration = folder / "config.yml"
    configuration.write_text(REGISTRY_CONFIGURATION.format(folder=folder / "images"))
    log = folder / "log"
    with (
        log.open("w") as written,
        subprocess.Popen(
            [program, "serve", str(configuration)], stdout=written, stderr=written
        ) as serving,
    ):
        yield _listening_at(serving, log)
        serving.terminate()


def _listening_at(serving: subprocess.Popen[bytes], log: Path) -> str:
    tick = threading.Event()
    while not (found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())):
        if serving.poll() is not None:
            pytest.fail(f"the registry ended without listening: {log.read_text()}")
        tick.wait(0.05)
    return found[1]


@pytest.fixture(scope="session")
def container_aws(docker_host: str) -> Iterator[LocalAws]:
    """A local AWS whose jobs are containers, for the whole session."""
    settings = LocalAwsSettings(
        executor="container", docker_host=docker_host, stop_timeout_seconds=2
    )
    with LocalAws(settings) as aws:
        yield aws


def containers_of(aws: LocalAws) -> list[str]:
    """Return the ids of all containers of a local AWS, also of those that have ended."""
    assert aws.settings.docker_host is not None
    return container_reaper.find(aws.settings.docker_host, f"{STATE_LABEL}={aws.root}")
