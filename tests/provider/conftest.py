"""What the provider's tests share: an Airflow home of their own, a worker, a triggerer."""

import asyncio
import importlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

# Airflow reads it when it is imported, which the tests do after this.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.describer import Cadence

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.triggers.base import TriggerEvent

    from airflow_provider_miniwdl_aws.triggers.watcher import Watchers
    from miniwdl_aws.local import LocalAws

HELLO = Path(__file__).parents[2] / "docs" / "hello.wdl"

QUICK = Cadence(period_seconds=0.3, calls_per_second=20.0)
"""Rounds that suit tests."""


@pytest.fixture
def aws(
    local_aws: "LocalAws", local_aws_environment: object, monkeypatch: pytest.MonkeyPatch
) -> "LocalAws":
    """The local AWS, with its environment in force, and an image that it does not need."""
    monkeypatch.setenv("MINIWDL__AWS__WORKFLOW_IMAGE", "local")
    return local_aws


@pytest.fixture
def clients(aws: "LocalAws") -> AwsClients:
    return AwsClients()


@pytest.fixture
def hello() -> Path:
    """A workflow of one task, with one input."""
    return HELLO


@dataclass
class FakeTaskInstance:
    """The part of a task instance that operators use; XComs must be JSON, as Airflow's must."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        if (task_ids, map_indexes) != (self.task_id, self.map_index):
            raise AssertionError("a task asks for no other task's XComs by itself")
        return self.xcoms.get(key)


@dataclass
class Deferral:
    """What a task asked of the triggerer."""

    classpath: str
    arguments: dict[str, Any]
    method: str
    kwargs: dict[str, Any]
    timeout: Any


class Worker:
    """Runs the tries of one task instance as Airflow's task runner does."""

    def __init__(self, task: "BaseOperator", *, run_id: str = "", map_index: int = -1) -> None:
        self.task = task
        self.ti = FakeTaskInstance(
            "dag", run_id or f"run-{uuid.uuid4()}", task.task_id, map_index, 1, task.retries or 0
        )

    @property
    def context(self) -> Any:
        return {"ti": self.ti, "task": self.task, "dag_run": SimpleNamespace(run_id="run")}

    def execute(self) -> Any:
        """Run the task from its beginning; XComs of earlier tries are gone."""
        self.ti.xcoms.clear()
        return self._run(lambda: self.task.execute(self.context))

    def resume(self, deferral: Deferral, event: Any) -> Any:
        """Run the task on after its trigger has fired."""
        kwargs = {**deferral.kwargs, "event": event}
        return self._resume(deferral.method, kwargs)

    def fail_deferral(self, error: str) -> Any:
        """Run the task on after its trigger has failed, or took too long."""
        return self._resume("__fail__", {"error": error, "traceback": None})

    def retry(self) -> Any:
        """Run the next automatic try."""
        self.ti.try_number += 1
        return self.execute()

    def clear(self) -> Any:
        """Run the task again because a person cleared it."""
        self.ti.max_tries = self.ti.try_number + (self.task.retries or 0)
        self.ti.try_number += 1
        return self.execute()

    def _resume(self, method: str, kwargs: dict[str, Any]) -> Any:
        return self._run(lambda: self.task.resume_execution(method, kwargs, self.context))

    def _run(self, call: Callable[[], Any]) -> Any:
        from airflow.sdk.bases.operator import ExecutorSafeguard  # noqa: PLC0415  (see above)
        from airflow.sdk.exceptions import TaskDeferred  # noqa: PLC0415

        token = ExecutorSafeguard.tracker.set(self.task)
        try:
            return call()
        except TaskDeferred as deferred:
            classpath, arguments = deferred.trigger.serialize()
            return Deferral(
                classpath,
                json.loads(json.dumps(arguments)),
                deferred.method_name,
                deferred.kwargs or {},
                deferred.timeout,
            )
        finally:
            ExecutorSafeguard.tracker.reset(token)


@dataclass
class Triggerer:
    """Runs triggers as Airflow's triggerer does, with quicker rounds."""

    watchers: "Watchers"
    slept: list[float] = field(default_factory=list)

    def trigger(self, deferral: Deferral) -> Any:
        """Make a trigger of what Airflow has stored."""
        module, _, name = deferral.classpath.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        return cls(**deferral.arguments, watchers=self.watchers, sleep=self._sleep)

    def run(self, deferral: Deferral) -> Any:
        """Run a trigger until it fires.

        Returns:
            The payload of its one event.
        """
        (event,) = asyncio.run(self._events(self.trigger(deferral)))
        return event.payload

    async def _events(self, trigger: Any) -> "list[TriggerEvent]":
        return [event async for event in trigger.run()]

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def triggerer(aws: "LocalAws") -> Triggerer:
    from airflow_provider_miniwdl_aws.triggers.watcher import Watchers  # noqa: PLC0415  (see above)

    return Triggerer(Watchers(cadence=QUICK))


@pytest.fixture
def worker(aws: "LocalAws") -> Callable[..., Worker]:
    return Worker
