"""Which container engine is used, and which is not."""

import socket
from pathlib import Path

import pytest

from miniwdl_aws.local import LocalAws, LocalAwsError, LocalAwsSettings
from miniwdl_aws.local.execution.engine import engine_url, socket_paths


@pytest.mark.parametrize(
    "url", ["unix:///run/podman.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375"]
)
def test_an_engine_of_this_machine_can_be_named(url: str) -> None:
    """By the setting or by DOCKER_HOST, and the setting wins."""
    assert engine_url(url, {"DOCKER_HOST": "unix:///other"}) == url
    assert engine_url(None, {"DOCKER_HOST": url}) == url


@pytest.mark.parametrize(
    "url", ["tcp://192.0.2.1:2376", "ssh://host", "tcp://example.org:1", "npipe://x", "/run/sock"]
)
def test_an_engine_of_another_machine_is_refused(url: str) -> None:
    """It would mount directories that it does not have; the message says where the name is from."""
    with pytest.raises(LocalAwsError, match=r"docker_host .* is no engine of this machine"):
        engine_url(url, {})
    with pytest.raises(LocalAwsError, match=r"DOCKER_HOST .* is no engine of this machine"):
        engine_url(None, {"DOCKER_HOST": url})


def test_a_users_own_engine_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket below XDG_RUNTIME_DIR, unless root's engine is there."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    if any(path.exists() for path in socket_paths(environ)):
        pytest.skip("root's engine is there")
    with pytest.raises(LocalAwsError, match="no container engine listens"):
        engine_url(None, environ)
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)
        listening.bind("podman/podman.sock")
        assert engine_url(None, environ) == f"unix://{tmp_path}/podman/podman.sock"


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """The start fails with its address, and leaves no directory."""
    url = f"unix://{tmp_path}/none.sock"
    aws = LocalAws(LocalAwsSettings(executor="container", docker_host=url))
    with pytest.raises(LocalAwsError, match=url):
        aws.start()
    assert not aws.root.exists()


def test_a_bridge_that_cannot_reach_the_endpoint_is_refused() -> None:
    """On loopback, and for processes; the message says what to set."""
    with pytest.raises(LocalAwsError, match=r"--host 0\.0\.0\.0 --allow-remote"):
        LocalAwsSettings(executor="container", network="bridge")
    with pytest.raises(LocalAwsError, match="--executor container"):
        LocalAwsSettings(network="bridge", host="0.0.0.0", allow_remote=True)  # noqa: S104 - refused
