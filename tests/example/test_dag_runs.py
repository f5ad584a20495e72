"""DAG runs are triggered and read through the REST interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from demo.airflow_services import AirflowServices, RestError
from demo.dag_runs import DagRun, trigger, wait_parsed
from demo.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeAirflow:
    """Gives prepared answers by path, and keeps what was sent."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.sent: list[tuple[str, str, Any]] = []

    def rest(self, method: str, path: str, **options: Any) -> Any:
        """Answer one request; 404 where no answer was prepared."""
        self.sent.append((method, path, options.get("json")))
        if path not in self.answers:
            raise RestError(f"{method} {path}", 404, "not found")
        return self.answers[path]

    def wait(self, condition: Callable[[], bool], complaint: str, **options: Any) -> None:
        """Ask once."""
        if not condition():
            raise ServiceError(f"{complaint}: {options['detail']()}")


def services(answers: dict[str, Any]) -> tuple[AirflowServices, FakeAirflow]:
    """Give a fake under both of its types."""
    fake = FakeAirflow(answers)
    return cast("AirflowServices", fake), fake


def test_a_log_is_read_as_lines_with_the_messages_of_exceptions() -> None:
    """Events become lines; of an exception its whole message, not its frames."""
    error = {"exc_type": "JobError", "exc_value": "failed\n  exit code: 7", "frames": [{}]}
    content = [{"event": "hello"}, {"event": "task failed", "error_detail": [error]}]
    airflow, _ = services({"/dags/d/dagRuns/r/taskInstances/t/logs/1": {"content": content}})
    run = DagRun(airflow=airflow, dag_id="d", run_id="r")
    assert run.log("t") == ["hello", "task failed", "JobError: failed", "  exit code: 7"]
    assert run.log("never-ran") == []


def test_a_run_is_triggered_with_its_name_and_params() -> None:
    """The run's id is the caller's, its conf holds the Params, it has no logical date."""
    airflow, fake = services({"/dags/d/dagRuns": {}})
    run = trigger(airflow, "d", "demo-1", {"sample": "one"})
    assert run.path == "/dags/d/dagRuns/demo-1"
    body = {"dag_run_id": "demo-1", "conf": {"sample": "one"}, "logical_date": None}
    assert fake.sent == [("POST", "/dags/d/dagRuns", body)]


def test_a_dag_that_cannot_be_imported_is_told_with_its_traceback() -> None:
    """Waiting for a broken DAG ends at once."""
    error = {"filename": "viral.py", "stack_trace": "NameError: name 'dag' is not defined"}
    airflow, _ = services({"/importErrors": {"import_errors": [error]}})
    with pytest.raises(ServiceError, match=r"viral.py cannot be imported\nNameError"):
        wait_parsed(airflow, ["viral"])


def test_found_dags_are_unpaused_and_missing_ones_named() -> None:
    """A DAG that does not appear is in the message."""
    answers = {
        "/importErrors": {"import_errors": []},
        "/dags": {"dags": [{"dag_id": "viral"}]},
        "/dags/viral": {},
    }
    airflow, fake = services(answers)
    wait_parsed(airflow, ["viral"])
    assert fake.sent[-1] == ("PATCH", "/dags/viral", {"is_paused": False})
    with pytest.raises(ServiceError, match="were not found: other"):
        wait_parsed(airflow, ["viral", "other"])
