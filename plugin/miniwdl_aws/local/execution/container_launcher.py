"""Starts each job as a container."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import docker.errors
import requests

from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.execution import container_reaper, oom
from miniwdl_aws.local.execution.attach import Relay, Stream
from miniwdl_aws.local.execution.container_request import ContainerSpec
from miniwdl_aws.local.execution.engine import Engine, State
from miniwdl_aws.local.execution.launchers import ProcessEvents
from miniwdl_aws.local.execution.spawner import StartError

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
LOST = "CannotInspectContainerError: the container engine no longer knows the container"
_CALLS_AT_ONCE = 8
_FIRST_LOOK_SECONDS = 0.02
_LOOK_SECONDS = 1.0
# An engine that was restarted is asked again; after that its containers' ends remain unknown.
_LOOKS_WITHOUT_ANSWER = 30
_ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException)

Result = TypeVar("Result")


@dataclass(frozen=True)
class _End:
    exit_code: int | None
    reason: str | None = None


class ContainerLauncher:
    """Starts each job as a container, and follows all of them in the event loop.

    A container's output comes through a connection that the loop reads; the engine's calls, which
    block, are made by a few threads for all.

    Args:
        loop: the event loop to work in.
        events: is told what becomes of the containers.
        engine: runs them; it is closed with this.
        network: the containers' network, for people.
        label: ``NAME=VALUE``, which all containers of this local AWS bear, and no other's.

    Raises:
        LocalAwsError: what an earlier one of this label left cannot be removed.
    """

    mounts = True

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        events: ProcessEvents,
        *,
        engine: Engine,
        network: str,
        label: str,
    ) -> None:
        self._loop = loop
        self._events = events
        self._engine = engine
        self._label = label
        self.isolation = f"containers of {engine.name} on the {network} network"
        self._running: dict[str, str] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._pulls: dict[str, asyncio.Lock] = {}
        self._remove_all()
        self._pool = ThreadPoolExecutor(_CALLS_AT_ONCE, "local-aws-engine")
        self._reaper = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", container_reaper.__file__, engine.url, label],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def start(self, spec: ContainerSpec, output: int) -> None:
        """Start a container, after its image was pulled if the engine does not have it."""
        self._do(self._run(spec, output))

    def kill(self, task_id: str, number: int) -> None:
        """Send a signal to a container's first process."""
        container = self._running.get(task_id)
        if container is not None:
            self._do(self._call(self._engine.kill, container, number))

    def close(self) -> None:
        """Kill and remove all containers."""
        for work in self._work:
            work.cancel()
        self._pool.shutdown(cancel_futures=True)
        self._remove_all()
        self._engine.close()
        self._reaper.communicate()

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        work = self._loop.create_task(coroutine)
        self._work.add(work)
        work.add_done_callback(self._work.discard)

    async def _call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await self._loop.run_in_executor(self._pool, function, *arguments)

    def _remove_all(self) -> None:
        try:
            container_reaper.remove_all(self._engine.url, self._label)
        except OSError as error:
            raise LocalAwsError(
                f"containers that an earlier local AWS left cannot be removed: {error}"
            ) from error

    async def _run(self, spec: ContainerSpec, output: int) -> None:
        try:
            container, relay = await self._make(spec, output)
        except StartError as error:
            self._events.failed(spec.task_id, error.stage, error.problem)
            return
        try:
            end = await self._follow(spec.task_id, container, relay)
        except StartError as error:
            self._events.failed(spec.task_id, error.stage, error.problem)
        else:
            self._events.exited(spec.task_id, end.exit_code, end.reason)
        finally:
            relay.close()
        await self._call(self._engine.remove, container)

    async def _make(self, spec: ContainerSpec, output: int) -> tuple[str, Relay]:
        try:
            await self._provide_image(spec.image)
            container = await self._call(self._engine.create, spec.request, spec.name)
            stream = await self._attach(container)
        except BaseException:
            os.close(output)
            raise
        return container, Relay(self._loop, stream, output)

    async def _provide_image(self, image: str) -> None:
        async with self._pulls.setdefault(image, asyncio.Lock()):
            if not await self._call(self._engine.has_image, image):
                await self._call(self._engine.pull, image)

    async def _attach(self, container: str) -> Stream:
        try:
            return await self._call(self._engine.attach, container)
        except StartError:
            await self._call(self._engine.remove, container)
            raise

    async def _follow(self, task_id: str, container: str, relay: Relay) -> _End:
        memory = await self._watch_memory(container)
        try:
            await self._call(self._engine.start, container)
            memory = memory or await self._watch_memory(container)
            self._running[task_id] = container
            self._events.started(task_id)
            await relay.ended
            state = await self._last_state(container)
        finally:
            self._running.pop(task_id, None)
            if memory:
                memory.close()
        return _end(state, out_of_memory=bool(memory and memory.fired))

    async def _watch_memory(self, container: str) -> oom.OomWatch | None:
        """Begin to watch, once there is a first process: before the start in Podman, else after."""
        if not oom.MEMORY_ROOT.is_dir():
            return None
        with contextlib.suppress(*_ENGINE_ERRORS):
            state = await self._call(self._engine.state, container)
            return oom.watch(self._loop, state.pid) if state else None
        return None

    async def _last_state(self, container: str) -> State | None:
        """Wait until a container whose output has ended does not run; None if it was lost."""
        pause, unanswered = _FIRST_LOOK_SECONDS, 0
        while unanswered < _LOOKS_WITHOUT_ANSWER:
            try:
                state = await self._call(self._engine.state, container)
            except _ENGINE_ERRORS:
                unanswered += 1
            else:
                if state is None or not state.running:
                    return state
                unanswered = 0
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOK_SECONDS)
        return None


def _end(state: State | None, *, out_of_memory: bool) -> _End:
    if state is None:
        return _End(None, LOST)
    if state.exit_code and (out_of_memory or state.oom_killed):
        return _End(state.exit_code, OUT_OF_MEMORY)
    return _End(state.exit_code)
