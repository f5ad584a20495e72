"""DAG runs as Airflow's REST interface shows them: triggered, watched, read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.airflow_services import RestError
from demo.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from demo.airflow_services import AirflowServices

FINISHED = frozenset({"success", "failed"})
"""The states in which a DAG run stays (Airflow, "DAG Runs")."""

NOT_FOUND = 404
PARSE_SECONDS = 90.0


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """One run of a DAG.

    Attributes:
        airflow: the services that know it.
        dag_id: the DAG.
        run_id: the run.
    """

    airflow: AirflowServices
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        """The run in the REST interface, below /api/v2."""
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    @property
    def page(self) -> str:
        """The run's page in the web interface."""
        return f"{self.airflow.url}/dags/{self.dag_id}/runs/{self.run_id}"

    def state(self) -> str:
        """Ask for the state of the run: queued, running, success or failed."""
        return str(self.airflow.rest("GET", self.path)["state"])

    def task_instances(self) -> list[dict[str, Any]]:
        """Ask for the task instances, as Airflow's own records."""
        answer = self.airflow.rest("GET", f"{self.path}/taskInstances")
        return list(answer["task_instances"])

    def task_state(self, task_id: str) -> str | None:
        """Ask for the state of a task instance; None while it waits for others."""
        record = self.airflow.rest("GET", f"{self.path}/taskInstances/{task_id}")
        return None if record["state"] is None else str(record["state"])

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        """Read a value that a task pushed.

        Args:
            task_id: the task.
            key: the value's key.

        Returns:
            The value.

        Raises:
            RestError: it pushed none.
        """
        path = f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.airflow.rest("GET", path, params={"deserialize": "true"})["value"]

    def links(self, task_id: str) -> dict[str, str | None]:
        """Ask for the extra links of a task instance: address by name."""
        answer = self.airflow.rest("GET", f"{self.path}/taskInstances/{task_id}/links")
        return dict(answer["extra_links"])

    def log(self, task_id: str, attempt: int = 1) -> list[str]:
        """Read the log of one attempt of a task, as lines of text.

        Args:
            task_id: the task.
            attempt: counted from 1.

        Returns:
            The lines; none when there is no log.
        """
        path = f"{self.path}/taskInstances/{task_id}/logs/{attempt}"
        try:
            answer = self.airflow.rest("GET", path)
        except RestError as exc:
            if exc.status == NOT_FOUND:
                return []
            raise
        return [line for event in answer["content"] for line in _lines(event)]


def _lines(event: Mapping[str, Any]) -> Iterator[str]:
    """Lay one log event out; of an exception its message alone, not where it was raised."""
    yield from str(event["event"]).splitlines() or [""]
    for error in event.get("error_detail") or ():
        yield from f"{error['exc_type']}: {error['exc_value']}".splitlines()


def wait_parsed(airflow: AirflowServices, dag_ids: Iterable[str]) -> None:
    """Wait until the dag-processor has read some DAGs, and let them run.

    Args:
        airflow: the services.
        dag_ids: the DAGs that are needed.

    Raises:
        ServiceError: a DAG file cannot be imported, or a DAG does not appear in time.
    """
    wanted = set(dag_ids)

    def missing() -> set[str]:
        known = airflow.rest("GET", "/dags", params={"limit": 1000})["dags"]
        return wanted - {dag["dag_id"] for dag in known}

    def parsed() -> bool:
        errors = airflow.rest("GET", "/importErrors")["import_errors"]
        for error in errors:
            raise ServiceError(
                f"the DAG file {error['filename']} cannot be imported", log=error["stack_trace"]
            )
        return not missing()

    airflow.wait(
        parsed, "DAGs were not found", seconds=PARSE_SECONDS, detail=lambda: ", ".join(missing())
    )
    for dag_id in sorted(wanted):
        airflow.rest("PATCH", f"/dags/{dag_id}", json={"is_paused": False})


def trigger(airflow: AirflowServices, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> DagRun:
    """Start a run of a DAG.

    Args:
        airflow: the services.
        dag_id: the DAG.
        run_id: the name of the new run.
        conf: values of the DAG's Params.

    Returns:
        The run.

    Raises:
        RestError: there is no such DAG, the run exists, or a Param is invalid.
    """
    body = {"dag_run_id": run_id, "conf": dict(conf), "logical_date": None}
    airflow.rest("POST", f"/dags/{dag_id}/dagRuns", json=body)
    return DagRun(airflow=airflow, dag_id=dag_id, run_id=run_id)
