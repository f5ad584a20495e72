"""The spawner by itself, as a user without privileges."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.local import spawner

NOBODY = 65534


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A directory that every user may write to, with a copy of the spawner."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o777)
    shutil.copy(spawner.__file__, directory / "spawner.py")
    yield directory
    shutil.rmtree(directory)


class Spawner:
    """The other end of a spawner's socket."""

    def __init__(self, directory: Path) -> None:
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        if os.getuid() != 0 or python is None:
            pytest.skip("starting it as another user asks for root and a Python that all may run")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [python, "-I", "-S", directory / "spawner.py", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd="/",
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
            )
        self.directory = directory

    def receive(self) -> Any:
        """Return the next event."""
        return json.loads(self.control.recv(65536) or "null")

    def run(self, *argv: str, target: str) -> tuple[list[Any], str]:
        """Run a command with a directory bound at ``target``; return its events and output."""
        for name in ("source", "staging"):
            (self.directory / name).mkdir(mode=0o777, exist_ok=True)
        (self.directory / "source").chmod(0o777)
        mount = {"source": f"{self.directory}/source", "target": target, "read_only": False}
        request = {
            "op": "start",
            "id": "1",
            "argv": argv,
            "env": {"PATH": "/usr/bin:/bin"},
            "cwd": "/",
            "mounts": [mount],
            "tmpfs": [],
            "read_only_root": False,
            "staging": f"{self.directory}/staging",
            "ulimits": [],
            "user": None,
            "init": False,
        }
        reading, writing = os.pipe()
        socket.send_fds(self.control, [json.dumps(request).encode()], [writing])
        os.close(writing)
        events = [self.receive()]
        if events[0]["event"] == "started":
            events.append(self.receive())
        with os.fdopen(reading) as file:
            return events, file.read()


def test_a_user_without_privileges_gets_namespaces_too(public_dir: Path) -> None:
    """In a user namespace, mount points exist for the job alone, even below a new root."""
    helper = Spawner(public_dir)
    hello = helper.receive()
    if hello["event"] == "refused":
        pytest.skip(f"user namespaces are not allowed here: {hello['error']}")
    assert hello["user_namespace"]
    for target in ("/mnt/efs", "/no-such-root/efs"):
        events, output = helper.run("sh", "-c", f"echo $$; touch {target}/x; exit 4", target=target)
        assert [event["event"] for event in events] == ["started", "exited"], output
        assert (events[1]["exit_code"], output) == (4, "1\n")
        (public_dir / "source" / "x").unlink()
        assert not Path("/no-such-root").exists()
    events, _ = helper.run("no-such-program", target="/mnt/efs")
    assert (events[0]["event"], events[0]["stage"]) == ("failed", "exec")
    helper.control.close()
    assert helper.process.wait(timeout=20) == 0
