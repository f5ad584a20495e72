"""Makes the executor that the settings ask for."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from miniwdl_aws.environment import process_environment
from miniwdl_aws.local.endpoint.pacing import milliseconds
from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.execution.container_launcher import ContainerLauncher
from miniwdl_aws.local.execution.container_request import (
    STATE_LABEL,
    ContainerBuilder,
    ContainerSpec,
    default_ulimits,
)
from miniwdl_aws.local.execution.engine import Engine, engine_url
from miniwdl_aws.local.execution.executor import (
    Executor,
    LogStreams,
    MakeLauncher,
    Spec,
    TaskBuilder,
)
from miniwdl_aws.local.execution.launchers import (
    Launcher,
    NamespaceLauncher,
    ProcessEvents,
    ProcessSpec,
)
from miniwdl_aws.local.execution.plain_launcher import PlainLauncher
from miniwdl_aws.local.execution.tasks import ProcessBuilder, Provisions, search_path
from miniwdl_aws.local.settings import Isolation, LocalAwsSettings

Provide = Callable[[str], Provisions]
"""Makes what jobs are given from the endpoint's address as jobs reach it."""


@dataclass(frozen=True, kw_only=True)
class ExecutorMaker:
    """Makes the executor that the settings ask for.

    Args:
        settings: how the local AWS is set up.
        root: its state directory.
        endpoint_url: its address on this machine.
        provide: makes what jobs are given.
        logs: where the output goes.
    """

    settings: LocalAwsSettings
    root: Path
    endpoint_url: str
    provide: Provide
    logs: LogStreams

    def make(self) -> Executor[Any]:
        """Make the executor.

        Raises:
            LocalAwsError: it cannot be had here.
        """
        return self._containers() if self.settings.executor == "container" else self._processes()

    def _processes(self) -> Executor[ProcessSpec]:
        path = search_path(self.settings.program_dirs)
        builder = ProcessBuilder(self.provide(self.endpoint_url), path)
        return self._executor(builder, process_launcher(self.settings.isolation))

    def _containers(self) -> Executor[ContainerSpec]:
        engine = Engine(engine_url(self.settings.docker_host, process_environment()))
        with contextlib.ExitStack() as stack:
            stack.callback(engine.close)
            made = self._executor(self._container_builder(engine), self._container_launcher(engine))
            stack.pop_all()  # the launcher closes it
        return made

    def _container_builder(self, engine: Engine) -> ContainerBuilder:
        bridged = self.settings.network == "bridge"
        url = seen_from_bridge(self.endpoint_url, engine) if bridged else self.endpoint_url
        return ContainerBuilder(
            provisions=self.provide(url),
            network=self.settings.network,
            state=self.root,
            # Docker's daemon has its own; Podman's API has none that work everywhere.
            ulimits=default_ulimits() if engine.podman else (),
        )

    def _container_launcher(self, engine: Engine) -> MakeLauncher[ContainerSpec]:
        return lambda loop, events, _: ContainerLauncher(
            loop,
            events,
            engine=engine,
            network=self.settings.network,
            label=f"{STATE_LABEL}={self.root}",
        )

    def _executor(
        self, builder: TaskBuilder[Spec], make_launcher: MakeLauncher[Spec]
    ) -> Executor[Spec]:
        return Executor(
            builder=builder,
            make_launcher=make_launcher,
            scratch=self.root / "scratch",
            logs=self.logs,
            stop_timeout_seconds=self.settings.stop_timeout_seconds,
            clock=milliseconds,
        )


def seen_from_bridge(endpoint_url: str, engine: Engine) -> str:
    """Return an endpoint's address for containers on the bridge network.

    Raises:
        LocalAwsError: the engine has no such network.
    """
    parts = urlsplit(endpoint_url)
    try:
        everywhere = ip_address(parts.hostname or "").is_unspecified
    except ValueError:  # a name
        everywhere = False
    return f"http://{engine.gateway()}:{parts.port}" if everywhere else endpoint_url


def process_launcher(isolation: Isolation) -> MakeLauncher[ProcessSpec]:
    """Return what makes the launcher that is asked for, or with ``auto`` the best that works here.

    It raises a ``LocalAwsError`` where namespaces are asked for and are not to be had.
    """

    def make(
        loop: asyncio.AbstractEventLoop, events: ProcessEvents, staging: Path
    ) -> Launcher[ProcessSpec]:
        if isolation == "none":
            return PlainLauncher(loop, events)
        try:
            return NamespaceLauncher(loop, events, staging)
        except LocalAwsError as error:
            if isolation == "namespace":
                raise
            return PlainLauncher(loop, events, str(error))

    return make
