"""The helper process that starts jobs in namespaces of their own.

Run as ``python -I -S spawner.py FD``: it imports the standard library alone, so that forking it is
cheap, and it is single-threaded, so that forking it is safe. ``FD`` is one end of a
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
import ctypes
import errno
import json
import os
import resource
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MOUNT_ATTR_RDONLY = 1
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
PR_SET_PDEATHSIG = 1
# The same numbers on every architecture; Linux 5.3 and 5.12, and later.
SYS_CLONE3 = 435
SYS_MOUNT_SETATTR = 442
# The largest message: Batch takes requests of 30 KiB, and JSON escapes at most six-fold.
MESSAGE_BYTES = 512 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


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


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    _call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])


def enter_user_namespace(uid: int, gid: int) -> None:
    """Become root of a new user namespace in which only the caller's own user exists."""
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def fork_into_namespaces() -> int:
    """Fork a child that is the first process of new PID and mount namespaces.

    ``os.fork`` cannot do it: ``unshare`` moves only later children, and moving back is a privilege
    that a user namespace does not give. The child must soon exec or ``os._exit``.

    Returns:
        The child's process id, and 0 in the child.
    """
    arguments = (ctypes.c_uint64 * 8)(CLONE_NEWPID | CLONE_NEWNS, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    pid = _libc.syscall(SYS_CLONE3, ctypes.byref(arguments), ctypes.c_size_t(64))
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"clone3: {os.strerror(number)}")
    return int(pid)


def _rebind(source: Path, target: Path) -> None:
    """Make ``target`` show what ``source`` shows; links are copied, since they cannot be bound."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir()
    else:
        target.touch(mode=0o600)
    _mount(str(source), str(target), None, MS_BIND | MS_REC)


def _copy_onto_tmpfs(directory: Path, staging: Path) -> None:
    """Mount a tmpfs on ``staging`` in which every entry of ``directory`` is bound."""
    entries = list(directory.iterdir())
    _mount("tmpfs", str(staging), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for entry in entries:
        # An entry that vanished or that nobody may bind (a dead network mount) is left out.
        with contextlib.suppress(OSError):
            _rebind(entry, staging / entry.name)


def make_mount_point(target: Path, staging: Path) -> None:
    """Make the directory ``target`` exist in this mount namespace, and nowhere else.

    The nearest ancestor that exists gets a tmpfs which shows all of its old entries, so that
    nothing a job may need is hidden; if that ancestor is ``/``, the process moves into a new root.

    Args:
        target: an absolute path that is no directory yet.
        staging: an existing directory to build on; other namespaces do not see what is mounted.
    """
    ancestor = next(parent for parent in target.parents if parent.is_dir())
    _copy_onto_tmpfs(ancestor, staging)
    (staging / target.relative_to(ancestor)).mkdir(parents=True)
    if ancestor == Path("/"):
        os.chroot(staging)
        os.chdir("/")
    else:
        _mount(str(staging), str(ancestor), None, MS_BIND | MS_REC)


def _bind(source: str, target: Path, *, read_only: bool, staging: Path) -> None:
    # The source is opened before anything is mounted over the place where it lies.
    descriptor = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not target.is_dir():
            make_mount_point(target, staging)
        _mount(f"/proc/self/fd/{descriptor}", str(target), None, MS_BIND | MS_REC)
    finally:
        os.close(descriptor)
    if read_only:
        kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        _mount("none", str(target), None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def _leave_chroot_and_make_private() -> None:
    """Make all mounts private where ``/`` is a plain directory of one of them, and ``/`` a mount.

    The mount that holds ``/`` may be shared, so that binding ``/`` on itself would do it on the
    machine too. Only from the namespace's own root, where ``setns`` leads, can it be made private.
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", namespace, CLONE_NEWNS)
        _mount("none", "/", None, MS_REC | MS_PRIVATE)
        os.fchdir(root)
        os.chroot(".")
        _mount("/", "/", None, MS_BIND | MS_REC)
        os.chdir("/..")  # what is mounted on /
        os.chroot(".")
    finally:
        os.close(namespace)
        os.close(root)


def _make_private() -> None:
    """See to it that no mount made from now on shows up outside this mount namespace."""
    try:
        _mount("none", "/", None, MS_REC | MS_PRIVATE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        try:
            _leave_chroot_and_make_private()
        except OSError as second:
            advice = "/ is no mount point: before chroot DIR, run mount --bind DIR DIR"
            raise OSError(f"{second} ({advice})") from second


def _isolate_mounts() -> None:
    _make_private()
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _mount_tmpfs(tmpfs: dict[str, Any], staging: Path) -> None:
    target = Path(tmpfs["target"])
    if not target.is_dir():
        make_mount_point(target, staging)
    _mount("tmpfs", str(target), "tmpfs", tmpfs["flags"], tmpfs["data"])


def _set_read_only(path: str, *, set_flags: int, clear_flags: int, flags: int = 0) -> None:
    attributes = (ctypes.c_uint64 * 4)(set_flags, clear_flags, 0, 0)
    done = _libc.syscall(
        SYS_MOUNT_SETATTR,
        AT_FDCWD,
        path.encode(),
        flags,
        ctypes.byref(attributes),
        ctypes.c_size_t(32),
    )
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount_setattr {path}: {os.strerror(number)}")


def _is_writable(path: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return not os.statvfs(path).f_flag & MS_RDONLY
    return False


def make_root_read_only(writable: list[str], directory: str) -> None:
    """Let this mount namespace write to the mounts named, a directory and devices, no more.

    Args:
        writable: mount points; those that are read-only already stay so.
        directory: becomes a mount of its own.
    """
    _mount(directory, directory, None, MS_BIND | MS_REC)
    system = ["/proc", "/dev", "/dev/shm", "/dev/pts", "/dev/mqueue"]  # noqa: S108 - a container's
    kept = [path for path in [*system, *writable, directory] if _is_writable(path)]
    _set_read_only("/", set_flags=MOUNT_ATTR_RDONLY, clear_flags=0, flags=AT_RECURSIVE)
    for path in kept:
        try:
            _set_read_only(path, set_flags=0, clear_flags=MOUNT_ATTR_RDONLY)
        except OSError as error:
            if (
                error.errno != errno.EINVAL or path not in system
            ):  # EINVAL: it is no mount of its own
                raise


def _bind_all(request: dict[str, Any]) -> None:
    try:
        _isolate_mounts()
    except OSError as error:
        raise StartError("mount", str(error)) from error
    staging = Path(request["staging"])
    for mount in request["mounts"]:
        source, target = mount["source"], Path(mount["target"])
        try:
            _bind(source, target, read_only=mount["read_only"], staging=staging)
        except OSError as error:
            raise StartError("mount", f"{source} at {target}: {error}") from error
    try:
        for tmpfs in request["tmpfs"]:
            _mount_tmpfs(tmpfs, staging)
        if request["read_only_root"]:
            own = [mount["target"] for mount in [*request["mounts"], *request["tmpfs"]]]
            make_root_read_only(own, request["cwd"])
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
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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
            pid = fork_into_namespaces()
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
        enter_user_namespace(uid, gid)
    receiver, status = os.pipe()
    pid = fork_into_namespaces()
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
        _isolate_mounts()
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
