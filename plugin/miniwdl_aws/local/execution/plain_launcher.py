"""Starts each job as a plain process of this machine."""

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

from miniwdl_aws.local.execution.launchers import Mount, ProcessEvents, ProcessSpec
from miniwdl_aws.local.execution.spawner import StartError

POLL_SECONDS = 0.02


class PlainLauncher:
    """Starts each process as a leader of its own session on this machine.

    Nothing is mounted: the container path of a mount point must be the directory itself.

    Args:
        loop: the event loop to receive events in.
        events: is told what becomes of the processes.
        why: why there are no namespaces, if that was not asked for.
    """

    mounts = False
    isolation = "no namespaces: jobs are plain processes and see this machine's files"

    def __init__(
        self, loop: asyncio.AbstractEventLoop, events: ProcessEvents, why: str = ""
    ) -> None:
        self._loop = loop
        self._events = events
        if why:
            self.isolation = f"{self.isolation} ({why})"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, spec: ProcessSpec, output: int) -> None:
        """Start a process."""
        try:
            stage, process = "exec", None
            _check_plain(spec)
            process = self._spawn(spec, output)
        except StartError as error:
            stage, problem = error.stage, error.problem
        except (OSError, subprocess.SubprocessError) as error:
            problem = str(error)
        finally:
            os.close(output)
        if process is None:
            self._events.failed(spec.task_id, stage, problem)
            return
        self._running[spec.task_id] = process
        self._events.started(spec.task_id)
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)

    def kill(self, task_id: str, number: int) -> None:
        """Send a signal to a process, or SIGKILL to all of its session."""
        process = self._running.get(task_id)
        if process is None:
            return
        if number == signal.SIGKILL:
            _kill_group(process.pid)
        else:
            process.send_signal(number)

    def close(self) -> None:
        """End all processes."""
        if self._timer is not None:
            self._timer.cancel()
        for process in self._running.values():
            _kill_group(process.pid)
            process.wait()
        self._running.clear()

    def _spawn(self, spec: ProcessSpec, output: int) -> subprocess.Popen[bytes]:
        user, group = spec.user or (None, None)
        return subprocess.Popen(  # noqa: S603 - the job's own command
            spec.argv,
            executable=_find(spec.argv[0], spec.env.get("PATH", "")),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=spec.env,
            cwd=spec.cwd,
            user=user,
            group=group,
            start_new_session=True,
        )

    def _poll(self) -> None:
        for task_id, process in list(self._running.items()):
            code = process.poll()
            if code is not None:
                _kill_group(process.pid)
                del self._running[task_id]
                self._events.exited(task_id, code if code >= 0 else 128 - code)
        self._timer = self._loop.call_later(POLL_SECONDS, self._poll) if self._running else None


def _check_plain(spec: ProcessSpec) -> None:
    for mount in spec.mounts:
        _check_same(mount)
    if spec.tmpfs or spec.read_only_root:
        raise StartError(
            "start",
            "without namespaces a job has no file systems of its own: leave out "
            "readonlyRootFilesystem, tmpfs and sharedMemorySize, or use --isolation namespace",
        )


def _check_same(mount: Mount) -> None:
    if Path(mount.source).resolve() != Path(mount.target).resolve():
        raise StartError(
            "mount",
            f"without namespaces the container path {mount.target} must be the directory "
            f"{mount.source}; set --mount-path to the path that jobs mount",
        )


def _find(command: str, path: str) -> str:
    if "/" in command:
        return command
    for directory in path.split(os.pathsep):
        candidate = Path(directory) / command
        if os.access(candidate, os.X_OK):
            return str(candidate)
    raise FileNotFoundError(2, "No such file or directory", command)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
