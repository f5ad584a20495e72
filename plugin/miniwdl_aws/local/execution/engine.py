"""A container engine, Docker or Podman, through Docker's API."""

import contextlib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import docker.utils
import requests

from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.execution import container_reaper
from miniwdl_aws.local.execution.attach import Stream
from miniwdl_aws.local.execution.spawner import StartError
from miniwdl_aws.local.settings import is_loopback

_TIMEOUT_SECONDS = 120
_CONNECTIONS = 32
_NOT_FOUND = 404


@dataclass(frozen=True)
class State:
    """What an engine says of a container.

    Attributes:
        running: whether its first process runs.
        exit_code: what it ended with.
        oom_killed: whether the engine saw its memory run out.
        pid: its first process on this machine; 0 if there is none.
    """

    running: bool
    exit_code: int
    oom_killed: bool
    pid: int


class _Output:
    """The connection that a container's output comes through, with the answer that holds it."""

    def __init__(self, socket: Any, answer: Any) -> None:
        self._socket = socket
        self._answer = answer

    def fileno(self) -> int:
        return int(self._socket.fileno())

    def close(self) -> None:
        self._answer.close()  # and with it the socket


def socket_paths(environ: Mapping[str, str]) -> list[Path]:
    """Return where Docker and Podman listen, root's and this user's own."""
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    return [
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        Path("/run/podman/podman.sock"),
        runtime / "podman" / "podman.sock",
    ]


def engine_url(given: str | None, environ: Mapping[str, str]) -> str:
    """Return the address of the engine to use: the one given, DOCKER_HOST's, or one that is there.

    Raises:
        LocalAwsError: there is none, or it is of another machine.
    """
    named = given or environ.get("DOCKER_HOST")
    if named is None:
        paths = socket_paths(environ)
        usable = [path for path in paths if path.is_socket() and os.access(path, os.W_OK)]
        if not usable:
            tried = ", ".join(map(str, paths))
            raise LocalAwsError(
                f"no container engine listens where this user may reach it ({tried}): start "
                "Docker, or `podman system service --time=0 unix:///PATH`, and name it with "
                "--docker-host (docker_host) or DOCKER_HOST; or use --executor process"
            )
        return f"unix://{usable[0]}"
    source = "docker_host" if given else "DOCKER_HOST"
    parts = urlsplit(named)
    if parts.scheme != "unix" and not (
        parts.scheme in {"tcp", "http"} and is_loopback(parts.hostname or "")
    ):
        raise LocalAwsError(
            f"{source} {named!r} is no engine of this machine, whose directories jobs mount: it "
            "must be unix:///PATH or tcp://127.0.0.1:PORT"
        )
    return named


@contextlib.contextmanager
def _as_start_error(stage: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        raise StartError(stage, str(error.explanation or error)) from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise StartError(stage, str(error)) from error


class Engine:
    """Makes, starts, watches and removes containers. Its calls block; it is safe to use by threads.

    Args:
        url: where it listens; see ``engine_url``.

    Raises:
        LocalAwsError: it does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            container_reaper.ping(url)  # docker would leave a socket open
            self._client: Any = docker.APIClient(
                base_url=url, version="auto", timeout=_TIMEOUT_SECONDS, max_pool_size=_CONNECTIONS
            )
            version = self._client.version()
        except (OSError, docker.errors.DockerException) as error:
            raise LocalAwsError(f"no container engine answers at {url}: {error}") from error
        component = (version.get("Components") or [{}])[0].get("Name", "")
        self.podman = "podman" in component.lower()
        self.name = f"{'Podman' if self.podman else 'Docker'} {version.get('Version', '')}".strip()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def gateway(self) -> str:
        """Return the address of this machine on the engine's bridge network.

        Raises:
            LocalAwsError: it has no such network.
        """
        try:
            network = self._client.inspect_network("bridge")
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise LocalAwsError(f"{self.name} has no bridge network: {error}") from error
        for entry in network["IPAM"].get("Config") or []:
            address = entry.get("Gateway", "")
            with contextlib.suppress(ValueError):
                if ipaddress.ip_address(address).version == 4:  # noqa: PLR2004 - IPv4
                    return str(address)
        raise LocalAwsError(f"the bridge network of {self.name} has no gateway; use --network host")

    def has_image(self, image: str) -> bool:
        """Tell whether an image is in the engine's store."""
        with _as_start_error("image"):
            try:
                self._client.inspect_image(image)
            except docker.errors.ImageNotFound:
                return False
            return True

    def pull(self, image: str) -> None:
        """Fetch an image from its registry, with the credentials that ``docker login`` left.

        Raises:
            StartError: it cannot be had.
        """
        repository, tag = docker.utils.parse_repository_tag(image)
        with _as_start_error("image"):
            for line in self._client.pull(repository, tag or "latest", stream=True, decode=True):
                if "error" in line:
                    raise StartError("image", str(line["error"]))

    def create(self, request: Mapping[str, Any], name: str) -> str:
        """Make a container; return its id.

        Raises:
            StartError: the engine refuses it.
        """
        with _as_start_error("create"):
            return str(self._client.create_container_from_config(dict(request), name)["Id"])

    def attach(self, container: str) -> Stream:
        """Open the connection that a container's whole output will come through.

        Only before it starts: then nothing has come yet that the answer's headers were read with.

        Raises:
            StartError: the engine refuses it.
        """
        with _as_start_error("start"):
            socket = self._client.attach_socket(
                container, params={"stdout": 1, "stderr": 1, "stream": 1}
            )
        return _Output(socket, socket._response)  # noqa: SLF001 - docker keeps the answer there

    def start(self, container: str) -> None:
        """Start a container.

        Raises:
            StartError: the engine cannot.
        """
        with _as_start_error("start"):
            self._client.start(container)

    def kill(self, container: str, number: int) -> None:
        """Send a signal to a container's first process, unless it has ended."""
        try:
            self._client.kill(container, number)
        except docker.errors.APIError:
            state = self.state(container)
            if state and state.running:
                raise

    def state(self, container: str) -> State | None:
        """Return what the engine says of a container; None if it has none of that id."""
        try:
            state = self._client.inspect_container(container)["State"]
        except docker.errors.NotFound:
            return None
        return State(
            running=bool(state["Running"]) or state["Status"] == "stopping",
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            pid=int(state["Pid"]),
        )

    def remove(self, container: str) -> None:
        """Remove a container with its own volumes; do nothing if there is none."""
        try:
            self._client.remove_container(container, v=True, force=True)
        except docker.errors.APIError as error:
            if self.state(container) is not None and error.status_code != _NOT_FOUND:
                raise
