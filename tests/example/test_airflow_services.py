"""What Airflow's services are started with, and how a failed start is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from demo.airflow_services import AirflowServices, AirflowSettings, service_environment
from demo.processes import ServiceError


def settings(tmp_path: Path, **changes: object) -> AirflowSettings:
    """Give settings with a hostile caller's environment."""
    environ = {
        "PATH": "/usr/bin",
        "HOME": "/root",
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AWS_PROFILE": "production",
        "AWS_SECRET_ACCESS_KEY": "real",
    }
    values = {"home": tmp_path / "home", "dags": (tmp_path,), "environ": environ} | changes
    return AirflowSettings(**values)  # type: ignore[arg-type]  # changes are fields


def test_no_other_airflow_and_no_aws_account_of_the_caller_leaks_in(tmp_path: Path) -> None:
    """Of the caller's environment only harmless variables pass; the extra ones win."""
    extra = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    environment = service_environment(settings(tmp_path, extra=extra), 8080, [1, 2])
    assert environment["HOME"] == "/root"
    assert environment["AIRFLOW_HOME"] == str(tmp_path / "home")
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert {name for name in environment if name.startswith("AWS_")} == {"AWS_ENDPOINT_URL"}


def test_the_services_find_the_programs_of_this_environment(tmp_path: Path) -> None:
    """The environment's own programs come first on PATH, so `airflow` is the tested one."""
    path = service_environment(settings(tmp_path), 8080, [1, 2])["PATH"].split(":")
    assert path == [str(Path(sys.executable).parent), "/usr/bin"]


def test_each_start_has_secrets_of_its_own(tmp_path: Path) -> None:
    """Keys are drawn anew and are 64 characters long, what HS512 asks for."""
    one, two = (service_environment(settings(tmp_path), 8080, [1, 2]) for _ in range(2))
    for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        assert one[name] != two[name]
        assert len(one[name]) == 64


def test_a_database_that_cannot_be_made_is_told_with_its_log(tmp_path: Path) -> None:
    """`airflow db migrate` that fails ends the start with its last lines; nothing stays behind."""
    extra = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////proc/nowhere/airflow.db"}
    services = AirflowServices(settings(tmp_path, extra=extra))
    with pytest.raises(ServiceError, match="db migrate ended with exit code 1") as caught:
        services.start()
    assert "unable to open database file" in caught.value.log
    assert services.pids == {}


def test_waiting_ends_with_what_was_seen_last(tmp_path: Path) -> None:
    """A time-out says what was waited for, how long, and the last state."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    services = AirflowServices(settings(tmp_path), clock=lambda: now[0], sleep=sleep)
    with pytest.raises(ServiceError, match=r"no run after 3 s queued; .*services"):
        services.wait(lambda: False, "no run", seconds=3, detail=lambda: "queued")
    assert now[0] > 3
