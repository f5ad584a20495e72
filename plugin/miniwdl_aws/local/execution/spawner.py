"""The helper process that starts jobs in namespaces of their own.

Run as ``python -I -S spawner.py FD``: it imports little beside the standard library, so that
forking it is cheap, and it is single-threaded, so that forking it is safe. ``FD`` is one end of a
``SOCK_SEQPACKET`` socket pair; each message is one JSON object:

=================  ==============================================================================
to the spawner     ``{"op": "start", "id", "argv", "env", "cwd", "mounts", ...}`` with one
                   file descriptor, which becomes the job's standard output and error;
                   ``{"op": "kill", "id", "signal"}``
from the spawner   ``{"event": "ready", "user_namespace"}`` or ``{"event": "refused", "error"}``,
                   once; ``{"event": "started", "id", "pid"}`` or
                   ``{"event": "failed", "id", "stage", "error"}`` for each start;
                   ``{"event": "exited", "id", "exit_code"}``
=================  ==============================================================================

A job is the first process of its own PID namespace, as in a container: when it ends, the kernel
ends everything that it left running, and a signal that it has no handler for does not reach it,
except SIGKILL. When the socket closes, all jobs are killed; when the spawner dies, the kernel
kills them.
"""

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":  # run by its path, nothing else of the project can be imported
    sys.path.append(str(Path(__file__).parents[3]))

from miniwdl_aws import linux

# The largest message: Batch takes requests of 30 KiB, and JSON escapes at most six-fold.
MESSAGE_BYTES = 512 * 1024


class StartError(Exception):
    """A job could not be started.

    Args:
        stage: ``mount`` (its file systems), ``user``, ``limits``, ``exec`` (its command),
            ``secrets``, or of a container ``image``, ``create`` or ``start``.
        problem: what went wrong.
    """

    def __init__(self, stage: str, problem: str) -> None:
        super().__init__(stage, problem)
        self.stage = stage
        self.problem = problem


def _bind_all(request: dict[str, Any]) -> None:
    try:
        linux.isolate_mounts()
    except OSError as error:
        raise StartError("mount", str(error)) from error
    staging = Path(request["staging"])
    for mount in request["mounts"]:
        source, target = mount["source"], Path(mount["target"])
        try:
            linux.bind_directory(source, target, read_only=mount["read_only"], staging=staging)
        except OSError as error:
            raise StartError("mount", f"{source} at {target}: {error}") from error
    try:
        for tmpfs in request["tmpfs"]:
            target, flags, data = Path(tmpfs["target"]), tmpfs["flags"], tmpfs["data"]
            linux.mount_tmpfs(target, flags=flags, data=data, staging=staging)
        if request["read_only_root"]:
            own = [mount["target"] for mount in [*request["mounts"], *request["tmpfs"]]]
            linux.make_root_read_only(own, request["cwd"])
    except OSError as error:
        raise StartError("start", str(error)) from error


def _apply_limits(limits: list[dict[str, Any]]) -> None:
    for limit in limits:
        try:
            number = getattr(resource, f"RLIMIT_{limit['name'].upper()}")
            resource.setrlimit(number, (limit["softLimit"], limit["hardLimit"]))
        except (AttributeError, ValueError, OSError) as error:
            raise StartError("limits", f"ulimit {limit['name']}: {error}") from error


def _become(user: list[int] | None) -> None:
    if user is None:
        return
    uid, gid = user
    try:
        with contextlib.suppress(PermissionError):  # a user namespace of one user has no groups
            os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        raise StartError("user", f"user {uid}:{gid}: {error}") from error


def _prepare(request: dict[str, Any], output: int) -> None:
    """Give this freshly forked process all that the job has, except its command."""
    linux.die_with_parent()
    os.setsid()
    _bind_all(request)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    _apply_limits(request["ulimits"])
    _become(request["user"])


def _exec(request: dict[str, Any]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(request["cwd"])
        os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - the job's own command
    except (OSError, ValueError) as error:
        raise StartError("exec", str(error)) from error


def _serve_as_init(pid: int, status: int) -> NoReturn:
    """Pass signals to the job and reap, as the init process of a container does."""
    os.close(status)  # the job's own copy closes as it starts
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda received, _: os.kill(pid, received))
    ended, code = 0, 0
    while ended != pid:
        ended, code = os.wait()
    os._exit(exit_code(code))


def _child(request: dict[str, Any], output: int, status: int) -> NoReturn:
    """Become the job; tell the parent through ``status``, which exec closes, why that failed."""
    try:
        _prepare(request, output)
        if request["init"] and (pid := os.fork()):
            _serve_as_init(pid, status)
        _exec(request)
    except StartError as error:
        os.write(status, json.dumps([error.stage, error.problem]).encode())
    except OSError as error:
        os.write(status, json.dumps(["exec", str(error)]).encode())
    finally:
        os._exit(127)


def exit_code(wait_status: int) -> int:
    """Return what a container reports: the exit status, or 128 and the signal's number."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


class Spawner:
    """Starts, signals and reaps jobs for the process at the other end of a socket.

    Args:
        control: the socket.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[str, int] = {}
        self._ids: dict[int, str] = {}

    def _tell(self, **event: Any) -> None:
        self._control.send(json.dumps(event).encode())

    def start(self, request: dict[str, Any], output: int) -> None:
        """Start a job and tell of its process, or why there is none."""
        receiver, status = os.pipe()
        try:
            pid = linux.fork_into_namespaces()
        except OSError as error:
            os.close(receiver)
            os.close(status)
            self._tell(event="failed", id=request["id"], stage="mount", error=str(error))
            return
        if pid == 0:
            _child(request, output, status)
        os.close(status)
        with open(receiver, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            problem = file.read()
        if problem:
            os.waitpid(pid, 0)
            stage, error_text = json.loads(problem)
            self._tell(event="failed", id=request["id"], stage=stage, error=error_text)
            return
        self._pids[request["id"]], self._ids[pid] = pid, request["id"]
        self._tell(event="started", id=request["id"], pid=pid)

    def receive(self) -> bool:
        """Take one message; return False when the other end has gone."""
        data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        if not data:
            return False
        request = json.loads(data)
        if request["op"] == "start":
            self.start(request, descriptors[0])
        elif request["op"] == "kill" and (pid := self._pids.get(request["id"])):
            os.kill(pid, request["signal"])
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def reap(self) -> None:
        """Tell of every job that has ended."""
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            job_id = self._ids.pop(pid)
            del self._pids[job_id]
            self._tell(event="exited", id=job_id, exit_code=exit_code(status))

    def kill_all(self) -> None:
        """Kill every job and wait until none is left."""
        for pid in self._ids:
            os.kill(pid, signal.SIGKILL)
        while self._ids:
            pid, _ = os.wait()
            self._ids.pop(pid, None)

    def serve(self) -> None:
        """Work until the other end has gone, then kill what still runs."""
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.settimeout(0)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            open_ = True
            while open_:
                for key, _ in selector.select():
                    if key.fileobj is woken:
                        woken.recv(4096)
                    else:
                        open_ = self.receive()
                if open_:
                    self.reap()
        self.kill_all()


def _try_namespaces(uid: int, gid: int) -> None:
    if uid != 0:
        linux.enter_user_namespace(uid, gid)
    receiver, status = os.pipe()
    pid = linux.fork_into_namespaces()
    if pid == 0:
        _probe(status)
    os.close(status)
    with open(receiver, encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
        problem = file.read()
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError(f"mounting file systems in a new namespace is refused: {problem}")


def _enter(control: socket.socket) -> bool:
    """Get the right to make namespaces and try it; tell how it went."""
    uid = os.getuid()
    try:
        _try_namespaces(uid, os.getgid())
    except OSError as error:
        control.send(json.dumps({"event": "refused", "error": str(error)}).encode())
        return False
    control.send(json.dumps({"event": "ready", "user_namespace": uid != 0}).encode())
    return True


def _probe(status: int) -> NoReturn:
    try:
        linux.isolate_mounts()
        os._exit(0)
    except OSError as error:
        os.write(status, str(error).encode())
    finally:
        os._exit(1)


def main(descriptor: int) -> None:
    """Serve the socket that is the file descriptor ``descriptor``."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the other end decides when to stop
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as control:
        if _enter(control):
            Spawner(control).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
