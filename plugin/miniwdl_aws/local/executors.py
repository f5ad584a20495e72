"""Makes the executor that the settings ask for."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from miniwdl_aws.environment import process_environment
from miniwdl_aws.local.container_launcher import ContainerLauncher
from miniwdl_aws.local.container_request import STATE_LABEL, ContainerBuilder, default_ulimits
from miniwdl_aws.local.engine import Engine, engine_url
from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.executor import Executor, LogStreams
from miniwdl_aws.local.launchers import process_launcher
from miniwdl_aws.local.pacing import milliseconds
from miniwdl_aws.local.settings import LocalAwsSettings
from miniwdl_aws.local.tasks import ProcessBuilder, Provisions, search_path

Provide = Callable[[str], Provisions]
"""Makes what jobs are given from the endpoint's address as jobs reach it."""


def make_executor(
    settings: LocalAwsSettings,
    *,
    root: Path,
    endpoint_url: str,
    provide: Provide,
    logs: LogStreams,
) -> Executor[Any]:
    """Make the executor that the settings ask for.

    Args:
        settings: how the local AWS is set up.
        root: its state directory.
        endpoint_url: its address on this machine.
        provide: makes what jobs are given.
        logs: where the output goes.

    Raises:
        LocalAwsError: it cannot be had here.
    """
    make = _containers if settings.executor == "container" else _processes
    builder, launcher = make(settings, root, endpoint_url, provide)
    return Executor(
        builder=builder,
        make_launcher=launcher,
        scratch=root / "scratch",
        logs=logs,
        stop_timeout_seconds=settings.stop_timeout_seconds,
        clock=milliseconds,
    )


def _processes(
    settings: LocalAwsSettings, root: Path, endpoint_url: str, provide: Provide
) -> tuple[Any, Any]:
    del root
    path = search_path(settings.program_dirs)
    return ProcessBuilder(provide(endpoint_url), path), process_launcher(settings.isolation)


def _containers(
    settings: LocalAwsSettings, root: Path, endpoint_url: str, provide: Provide
) -> tuple[Any, Any]:
    engine = Engine(engine_url(settings.docker_host, process_environment()))
    try:
        if settings.network == "bridge":
            endpoint_url = seen_from_bridge(endpoint_url, engine)
    except LocalAwsError:
        engine.close()
        raise
    builder = ContainerBuilder(
        provisions=provide(endpoint_url),
        network=settings.network,
        state=root,
        # Docker's daemon has its own; Podman's API has none that work everywhere.
        ulimits=default_ulimits() if engine.podman else (),
    )

    def launcher(loop: Any, events: Any, staging: Path) -> ContainerLauncher:
        del staging
        label = f"{STATE_LABEL}={root}"
        try:
            return ContainerLauncher(
                loop, events, engine=engine, network=settings.network, label=label
            )
        except LocalAwsError:
            engine.close()
            raise

    return builder, launcher


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
