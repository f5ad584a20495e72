"""Airflow as it really runs: api-server, scheduler, dag-processor and triggerer, on loopback."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from demo.processes import (
    LOOPBACK,
    Service,
    ServiceError,
    free_ports,
    require_free,
    start,
    stop,
    tail,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")
HEALTH = ("metadatabase", "scheduler", "dag_processor", "triggerer")
START_SECONDS = 120.0
REQUEST_SECONDS = 30.0
POLL_SECONDS = 0.5
_INHERITED = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER")
"""What Airflow gets of the caller's environment: nothing of another Airflow or AWS account."""


class RestError(Exception):
    """Airflow's REST interface refused a request.

    Attributes:
        status: the HTTP status code.
        body: the answer.
    """

    def __init__(self, request: str, status: int, body: str) -> None:
        super().__init__(f"{request} was answered with {status}: {body[:2000]}")
        self.status = status
        self.body = body


@dataclass(frozen=True, kw_only=True)
class AirflowSettings:
    """Where and how Airflow runs.

    Attributes:
        home: its directory: database, logs, passwords; made when it is not there.
        dags: the directories of DAG files, each a bundle; no two of the same name.
        environ: the environment to take a few harmless variables from.
        extra: variables to set besides: the AWS to talk to, AIRFLOW_VAR_*, AIRFLOW_CONN_*.
        port: of the web interface; 0 for a free one.
        parallelism: task instances that run at once.
        start_seconds: how long the services may take to become healthy.
    """

    home: Path
    dags: tuple[Path, ...]
    environ: Mapping[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    parallelism: int = 4
    start_seconds: float = START_SECONDS


class AirflowServices:
    """Four Airflow services that start, answer REST requests and stop together.

    Args:
        settings: where and how.
        clock: gives monotonic seconds.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        settings: AirflowSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._services: list[Service] = []
        self._rest: httpx.Client | None = None
        self.url = ""
        """Address of the web interface, once started."""

    @property
    def logs(self) -> Path:
        """The directory of the services' own logs, one file each."""
        return self._settings.home / "services"

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the services that were started, by name."""
        return {service.name: service.process.pid for service in self._services}

    def start(self) -> None:
        """Make the database, start the services, wait until each is healthy.

        Raises:
            ServiceError: a port is in use, or a service ended or is not healthy in time; what was
                started is stopped again.
        """
        port, *log_ports = free_ports(3)
        port = require_free(self._settings.port) if self._settings.port else port
        self.url = f"http://{LOOPBACK}:{port}"
        environment = service_environment(self._settings, port, log_ports)
        program = environment["PATH"].split(":")[0] + "/airflow"
        self._migrate(program, environment)
        try:
            for name in SERVICES:
                log = self.logs / f"{name}.log"
                self._services.append(
                    start(name, [program, name], environment=environment, log=log)
                )
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the services and their children; harmless when none runs."""
        if self._rest is not None:
            self._rest.close()
        stop(self._services)
        self._services, self._rest = [], None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _migrate(self, program: str, environment: Mapping[str, str]) -> None:
        """Make the database: all services need its tables from their first second on."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / "db-migrate.log"
        with log.open("wb") as out:
            code = subprocess.run(
                [program, "db", "migrate"],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                timeout=self._settings.start_seconds,
            ).returncode
        if code:
            raise ServiceError(
                f"airflow db migrate ended with exit code {code}; its log is {log}",
                service="db-migrate",
                log=tail(log),
            )

    def check(self) -> None:
        """Make sure that every service still runs.

        Raises:
            ServiceError: one has ended.
        """
        for service in self._services:
            service.check()

    def wait_healthy(self) -> None:
        """Wait until the api-server reports every service healthy.

        Raises:
            ServiceError: a service ended, or the time is over.
        """
        self.wait(
            lambda: all(status == "healthy" for status in self.health().values()),
            "Airflow is not healthy",
            seconds=self._settings.start_seconds,
            detail=lambda: str(self.health()),
        )

    def health(self) -> dict[str, str]:
        """Ask the api-server how the services are.

        Returns:
            The status of each of HEALTH; "unreachable" where there is no answer yet.
        """
        try:
            answer = httpx.get(
                f"{self.url}/api/v2/monitor/health", timeout=REQUEST_SECONDS, trust_env=False
            )
        except httpx.TransportError:
            return dict.fromkeys(HEALTH, "unreachable")
        if answer.is_error:
            return dict.fromkeys(HEALTH, f"HTTP {answer.status_code}")
        return {name: str(answer.json()[name]["status"]) for name in HEALTH}

    def wait(
        self,
        condition: Callable[[], bool],
        complaint: str,
        *,
        seconds: float,
        detail: Callable[[], str] = str,
    ) -> None:
        """Wait until a condition holds, while every service runs.

        Args:
            condition: asked every half second.
            complaint: starts the message when the time is over.
            seconds: how long to wait.
            detail: adds to the message what was seen last.

        Raises:
            ServiceError: a service ended, or the time is over.
        """
        deadline = self._clock() + seconds
        while not condition():
            self.check()
            if self._clock() > deadline:
                raise ServiceError(
                    f"{complaint} after {seconds:g} s {detail()}; the services' logs are in "
                    f"{self.logs}"
                )
            self._sleep(POLL_SECONDS)

    def rest(self, method: str, path: str, **options: Any) -> Any:
        """Send one request to Airflow's REST interface.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: below /api/v2, with its leading slash.
            options: what httpx's `request` takes: `json`, `params`, `headers`.

        Returns:
            The decoded JSON; None for an empty answer.

        Raises:
            RestError: the answer is an error.
            ServiceError: there is no answer.
        """
        try:
            answer = self._client().request(method, f"/api/v2{path}", **options)
        except httpx.TransportError as exc:
            self.check()
            raise ServiceError(f"{method} {path}: {exc!r}", service="api-server") from exc
        if answer.is_error:
            raise RestError(f"{method} {path}", answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def _client(self) -> httpx.Client:
        """Give the one client, with a token that the simple auth manager gives to anyone."""
        if self._rest is None:
            client = httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS, trust_env=False)
            token = client.get("/auth/token").raise_for_status().json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            self._rest = client
        return self._rest


def service_environment(
    settings: AirflowSettings, port: int, log_ports: list[int]
) -> dict[str, str]:
    """Give the environment that all services share.

    Args:
        settings: where and how Airflow runs.
        port: of the api-server.
        log_ports: of the workers' and the triggerer's log servers.

    Returns:
        The whole environment: of the caller's own only a few harmless variables.
    """
    programs = str(Path(sys.executable).parent)
    environment = {name: settings.environ[name] for name in _INHERITED if name in settings.environ}
    environment |= {
        "PATH": f"{programs}:{settings.environ.get('PATH', '/usr/bin:/bin')}",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": f"{LOOPBACK},localhost",
        "AIRFLOW_HOME": str(settings.home),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": _bundles(settings.dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(settings.parallelism),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{port}/execution/",
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{LOOPBACK}:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_ports[0]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_ports[1]),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    }
    return environment | dict(settings.extra)


def _bundles(directories: Iterable[Path]) -> str:
    """Give the setting that makes each directory a bundle of DAG files."""
    bundle = "airflow.dag_processing.bundles.local.LocalDagBundle"
    return json.dumps(
        [
            {
                "name": directory.name.replace("_", "-"),
                "classpath": bundle,
                "kwargs": {"path": str(directory)},
            }
            for directory in directories
        ]
    )
