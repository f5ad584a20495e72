"""The spawner by itself: as a user without privileges, and in a chroot."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

import miniwdl_aws
from miniwdl_aws import linux
from miniwdl_aws.local.execution import spawner
from miniwdl_aws.local.execution.tmpfs import mount_flags

NOBODY = 65534
PACKAGE = Path(miniwdl_aws.__file__).parent
SPAWNER = Path(spawner.__file__).relative_to(PACKAGE.parent)


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A directory that every user may write to, with a copy of the spawner and what it imports."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o777)
    for module in (miniwdl_aws, linux, spawner):
        copy = directory / Path(str(module.__file__)).relative_to(PACKAGE.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(module.__file__), copy)
    yield directory
    shutil.rmtree(directory)


class Spawner:
    """The other end of a spawner's socket, a context manager that ends the spawner.

    Args:
        directory: holds a copy of the spawner.
        before: a command that runs the command after it.
        options: how to start it, as ``subprocess.Popen`` takes it.
    """

    def __init__(self, directory: Path, *before: str | Path, **options: Any) -> None:
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        if os.getuid() != 0 or python is None:
            pytest.skip("it takes root to start it so, and a Python that all may run")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command: list[str | Path] = [
                python,
                "-I",
                "-S",
                directory / SPAWNER,
            ]
            self.process = subprocess.Popen(
                [*before, *command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd="/",
                **options,
            )
        self.directory = directory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.control.close()
        with self.process:  # the socket's end is its end
            pass

    def receive(self) -> Any:
        """Return the next event."""
        return json.loads(self.control.recv(65536) or "null")

    def run(self, *argv: str, target: str, **more: Any) -> tuple[list[Any], str]:
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
            **more,
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
    with Spawner(public_dir, user=NOBODY, group=NOBODY, extra_groups=[]) as helper:
        hello = helper.receive()
        if hello["event"] == "refused":
            pytest.skip(f"user namespaces are not allowed here: {hello['error']}")
        assert hello["user_namespace"]
        for target in ("/mnt/efs", "/no-such-root/efs"):
            script = f"echo $$; touch {target}/x; exit 4"
            events, output = helper.run("sh", "-c", script, target=target)
            assert [event["event"] for event in events] == ["started", "exited"], output
            assert (events[1]["exit_code"], output) == (4, "1\n")
            (public_dir / "source" / "x").unlink()
            assert not Path("/no-such-root").exists()
        script = "touch /mnt/efs/x /data/x || exit 5; touch /tmp/no-such && exit 6; exit 4"
        sealed = {
            "read_only_root": True,
            "cwd": f"{public_dir}/staging",
            "tmpfs": [{"target": "/data", "flags": mount_flags([]), "data": "size=4m"}],
        }
        events, output = helper.run("sh", "-c", script, target="/mnt/efs", **sealed)
        assert events[-1].get("exit_code") == 4, (events, output)
        events, _ = helper.run("no-such-program", target="/mnt/efs")
        assert (events[0]["event"], events[0]["stage"]) == ("failed", "exec")
    assert helper.process.returncode == 0


# A root directory that is no mount point, on a shared mount: what is mounted there shows up in all
# mount namespaces that share it. The command that follows runs in it.
CHROOT = """
set -eu
directory=$1; shift
mount -t tmpfs outside "$directory/outside"
mount --make-shared "$directory/outside"
root=$directory/outside/root
mkdir -p "$root$directory" "$root/usr" "$root/proc" "$root/dev"
for link in /bin /lib /lib64; do
    if [ -L "$link" ]; then cp -P "$link" "$root"
    elif [ -d "$link" ]; then mkdir "$root$link"; mount --rbind "$link" "$root$link"; fi
done
for entry in /usr /proc /dev "$directory"; do mount --bind "$entry" "$root$entry"; done
cat /proc/self/mountinfo >"$directory/before"
status=0
chroot "$root" "$@" || status=$?
cat /proc/self/mountinfo >"$directory/after"
exit "$status"
"""


@pytest.mark.usefixtures("namespaces")
def test_in_a_chroot_no_mount_shows_up_outside(public_dir: Path) -> None:
    """Also where its root is no mount point and the mount below is shared with the machine."""
    unshare = ["unshare", "--mount", "--propagation", "private", "--"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"this test's own mounts would not be its own: {tried.stderr}")
    (public_dir / "outside").mkdir()
    with Spawner(public_dir, *unshare, "sh", "-c", CHROOT, "sh", public_dir) as helper:
        assert helper.receive() == {"event": "ready", "user_namespace": False}
        for target in ("/mnt/efs", "/no-such-root/efs"):
            events, output = helper.run("sh", "-c", f"touch {target}/x; exit 4", target=target)
            assert events[-1].get("exit_code") == 4, (events, output)
            (public_dir / "source" / "x").unlink()
        script = "touch /mnt/efs/x || exit 5; touch /usr/x && exit 6; exit 4"
        sealed = {"read_only_root": True, "cwd": f"{public_dir}/staging"}
        events, output = helper.run("sh", "-c", script, target="/mnt/efs", **sealed)
        assert events[-1].get("exit_code") == 4, (events, output)
    assert helper.process.returncode == 0
    assert "shared:" in (public_dir / "before").read_text()
    assert (public_dir / "after").read_text() == (public_dir / "before").read_text()
