"""Linux's mount and PID namespaces, through its system calls.

It imports the standard library alone and lies outside ``local``, so that the local AWS's spawner
can import it without what ``local`` imports.
"""

import contextlib
import ctypes
import errno
import os
import signal
from pathlib import Path
from typing import Any

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

_libc = ctypes.CDLL(None, use_errno=True)


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


def bind_directory(source: str, target: Path, *, read_only: bool, staging: Path) -> None:
    """Make ``target`` show the directory ``source``, in this mount namespace alone."""
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


def isolate_mounts() -> None:
    """Keep this mount namespace's mounts to itself, and show the processes of its own.

    Raises:
        OSError: the kernel refuses it.
    """
    _make_private()
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def mount_tmpfs(target: Path, *, flags: int, data: str, staging: Path) -> None:
    """Mount a file system in memory, with the flags and options of ``mount``."""
    if not target.is_dir():
        make_mount_point(target, staging)
    _mount("tmpfs", str(target), "tmpfs", flags, data)


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
            # EINVAL: it is no mount of its own.
            if error.errno != errno.EINVAL or path not in system:
                raise


def die_with_parent() -> None:
    """Let the kernel kill this process when the process that forked it ends."""
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
