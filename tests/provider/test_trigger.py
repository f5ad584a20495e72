"""Tests of `MiniwdlJobTrigger`."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.execution_time.xcom import XCom
from structlog.testing import capture_logs

from airflow_provider_miniwdl_aws.operators import MiniwdlSubmitOperator
from airflow_provider_miniwdl_aws.triggers.job import MIN_SECONDS, MiniwdlJobTrigger
from airflow_provider_miniwdl_aws.triggers.watcher import (
    ConnectionKey,
    Deliver,
    LogEnded,
    LogLines,
    News,
    StatusChanged,
    Subscription,
    Watchers,
)
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.describer import Cadence
from miniwdl_aws.jobs import describe_all, find_jobs
from miniwdl_aws.logs import LogLine
from miniwdl_aws.status import JobStatus
from miniwdl_aws.tail import OVERLAP_SECONDS

ARGUMENTS: dict[str, Any] = {
    "job_id": "j-1",
    "miniwdl_conn_id": "lab",
    "aws_conn_id": "aws_lab",
    "region_name": "us-west-2",
    "stream_log": False,
    "cancel_on_kill": False,
    "owner": "Airflow task d/r/t/-1 (try 1)",
    "deferred_at": 1.5,
}


class ScriptedWatchers(Watchers):
    """Delivers what it is told to, and remembers what was asked."""

    def __init__(self, *news: News) -> None:
        super().__init__()
        self.news = news
        self.wanted: list[Subscription] = []

    @contextmanager
    def subscribed(
        self, key: ConnectionKey, wanted: Subscription, deliver: Deliver
    ) -> Iterator[None]:
        self.wanted.append(wanted)
        for item in self.news:
            deliver(item)
        yield


async def no_sleep(seconds: float) -> None:
    """Take no time."""


async def fire(trigger: MiniwdlJobTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


def status(job_id: str, name: str, **more: Any) -> JobStatus:
    return JobStatus(job_id=job_id, status=name, **more)


def test_it_survives_serialization() -> None:
    """What one process serializes, another makes the same trigger of."""
    path, arguments = MiniwdlJobTrigger(**ARGUMENTS).serialize()
    assert path == f"{MiniwdlJobTrigger.__module__}.{MiniwdlJobTrigger.__qualname__}"
    again = MiniwdlJobTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, ARGUMENTS)
    assert len(json.dumps(arguments)) < 500


def test_it_understands_older_and_newer_versions() -> None:
    """Triggers outlive upgrades: what is missing has a default, what is unknown is left alone."""
    assert MiniwdlJobTrigger(job_id="j").serialize()[1]["stream_log"] is True
    assert MiniwdlJobTrigger(job_id="j", from_the_future=1).job_id == "j"


def test_one_event_is_fired_and_not_before_ten_seconds() -> None:
    """The event is small; how the job ended is for the task to read."""
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    watchers = ScriptedWatchers(
        StatusChanged(status("j-1", "RUNNING", log_stream="s")),
        StatusChanged(status("j-1", "FAILED", reason="why", log_stream="s")),
        LogEnded(),
    )
    trigger = MiniwdlJobTrigger(job_id="j-1", watchers=watchers, sleep=sleep)
    assert asyncio.run(fire(trigger)) == [{"job_id": "j-1", "status": "FAILED", "reason": "why"}]
    assert slept == [pytest.approx(MIN_SECONDS, abs=1.0)]


def test_lines_and_changes_go_to_the_task_log_in_order() -> None:
    """One line a change of status, every line of the log, no line twice."""
    running = status("j-1", "RUNNING", log_stream="s")
    watchers = ScriptedWatchers(
        StatusChanged(running),
        StatusChanged(running),
        LogLines([LogLine(1, "100 %s done")]),
        StatusChanged(status("j-1", "SUCCEEDED")),
        LogLines([LogLine(2, "bye")]),
        LogEnded(),
    )
    trigger = MiniwdlJobTrigger(
        job_id="j-1", region_name="us-west-2", watchers=watchers, sleep=no_sleep
    )
    with capture_logs() as logs:
        asyncio.run(fire(trigger))
    first, url, *rest = [entry["event"].strip() for entry in logs]
    assert first == "job j-1 RUNNING"
    assert url.startswith("log: https://us-west-2.console")
    assert rest == ["100 %s done", "job j-1 SUCCEEDED", "bye"]


@pytest.mark.parametrize(("age", "expected"), [(1.0, None), (3600.0, 120.0)])
def test_a_trigger_of_another_process_goes_on_with_the_last_lines(
    age: float, expected: float | None
) -> None:
    """A restarted triggerer copies no whole log again, and leaves out nothing recent."""
    watchers = ScriptedWatchers(StatusChanged(status("j", "SUCCEEDED")), LogEnded())
    now = time.time()
    trigger = MiniwdlJobTrigger(
        job_id="j", deferred_at=now - age, watchers=watchers, sleep=no_sleep
    )
    asyncio.run(fire(trigger))
    (wanted,) = watchers.wanted
    if expected is None:
        assert wanted.since is None
    else:
        assert wanted.since == pytest.approx((now - expected) * 1000, abs=2000)


def test_a_cursor_is_gone_on_from_with_room_for_late_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line that CloudWatch shows a minute late is older than the last one that was copied."""

    async def noted(**where: Any) -> int:
        assert where["key"] == "_log_cursor"
        return 1_000_000

    async def stored(**_: Any) -> None:
        return None

    monkeypatch.setattr(XCom, "aget_one", noted, raising=False)
    monkeypatch.setattr(XCom, "aset", stored, raising=False)
    watchers = ScriptedWatchers(StatusChanged(status("j", "SUCCEEDED")), LogEnded())
    trigger = MiniwdlJobTrigger(job_id="j", watchers=watchers, sleep=no_sleep)
    trigger.task_instance = cast(
        "Any", SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    )
    asyncio.run(fire(trigger))
    (wanted,) = watchers.wanted
    assert wanted.since == 1_000_000 - OVERLAP_SECONDS * 1000


def test_without_xcoms_a_trigger_goes_its_way() -> None:
    """What it would write down is a convenience; where it cannot be, the run goes on."""
    watchers = ScriptedWatchers(
        StatusChanged(status("j", "RUNNING", log_stream="s")),
        LogLines([LogLine(1, "a line")]),
        StatusChanged(status("j", "SUCCEEDED", log_stream="s")),
        LogEnded(),
    )
    trigger = MiniwdlJobTrigger(
        job_id="j", region_name="us-west-2", watchers=watchers, sleep=no_sleep
    )
    trigger.task_instance = SimpleNamespace(  # type: ignore[assignment]
        dag_id="d", run_id="r", task_id="t", map_index=-1
    )
    (event,) = asyncio.run(fire(trigger))
    assert event["status"] == "SUCCEEDED"


class CountingBatch:
    """Knows any job; all run until it has been asked so often."""

    def __init__(self, running_calls: int = 0) -> None:
        self.calls: list[int] = []
        self.running_calls = running_calls

    def describe_jobs(self, *, jobs: list[str]) -> dict[str, Any]:
        self.calls.append(len(jobs))
        status = "RUNNING" if len(self.calls) <= self.running_calls else "SUCCEEDED"
        return {"jobs": [{"jobId": job_id, "status": status} for job_id in jobs]}


class CountingClients:
    """Clients of no AWS."""

    region = "us-west-2"

    def __init__(self, batch: CountingBatch) -> None:
        self.batch = batch


def test_300_triggers_share_clients_and_calls() -> None:
    """Three DescribeJobs calls a round, one set of clients, made off the event loop."""
    others = {*threading.enumerate()}
    batch = CountingBatch(running_calls=9)
    made_by: list[str] = []

    def connect(_key: ConnectionKey) -> Any:
        made_by.append(threading.current_thread().name)
        return CountingClients(batch)

    watchers = Watchers(connect, Cadence(period_seconds=0.2, calls_per_second=1000))

    async def all_of_them() -> list[Any]:
        triggers = [
            MiniwdlJobTrigger(job_id=f"j-{n}", watchers=watchers, sleep=no_sleep)
            for n in range(300)
        ]
        fired = await asyncio.gather(*(fire(trigger) for trigger in triggers))
        return [event for events in fired for event in events]

    events = asyncio.run(all_of_them())
    assert {event["job_id"] for event in events} == {f"j-{n}" for n in range(300)}
    assert made_by == ["miniwdl-aws-describer"]
    rounds_of_some, rounds_of_all = 2, 4  # the first round may find few of them yet
    assert len(batch.calls) <= 3 * (rounds_of_some + rounds_of_all)
    _no_thread_is_left(beside=others)


def test_a_connection_that_cannot_be_made_is_asked_for_again() -> None:
    """A secrets backend that fails for a while fails no task."""
    batch = CountingBatch()
    failures = [RuntimeError("the vault is sealed"), RuntimeError("still")]

    def connect(_key: ConnectionKey) -> Any:
        if failures:
            raise failures.pop()
        return CountingClients(batch)

    watchers = Watchers(connect, Cadence(period_seconds=0.05))
    trigger = MiniwdlJobTrigger(job_id="j", watchers=watchers, sleep=no_sleep)
    (event,) = asyncio.run(fire(trigger))
    assert event["status"] == "SUCCEEDED"
    assert failures == []


def test_killing_ends_the_run_though_airflow_cancels_the_kill(
    clients: AwsClients, worker: Any, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """The workflow job and its task jobs are ended, and the task log says so."""
    wdl = tmp_path / "slow.wdl"
    wdl.write_text(
        "version 1.1\ntask wait { command { sleep 600 } output {} "
        'runtime { docker: "u" } }\nworkflow slow { scatter (i in range(3)) { call wait } }\n'
    )
    job_id = worker(MiniwdlSubmitOperator(task_id="submit", wdl=wdl)).execute()
    prefix = f"t-{job_id.replace('-', '')[:12]}-"

    def live_tasks() -> list[JobStatus]:
        return find_jobs(clients, "miniwdl-task", prefix, live_only=True)

    eventually(lambda: len(live_tasks()) == 3)
    trigger = MiniwdlJobTrigger(job_id=job_id, owner="Airflow task d/r/t/-1 (try 2)")

    async def kill() -> None:
        killing = asyncio.create_task(trigger.on_kill())
        for _ in range(3):
            await asyncio.sleep(0.1)
            killing.cancel()
        await killing

    with capture_logs() as logs:
        asyncio.run(kill())
    eventually(lambda: describe_all(clients, [job_id])[0].is_terminal and not live_tasks())
    (head,) = describe_all(clients, [job_id])
    assert head.reason.startswith("Airflow task d/r/t/-1 (try 2) was killed while deferred")
    assert any(f"ended job {job_id}" in entry["event"] for entry in logs)


def test_a_watching_trigger_kills_nothing(clients: AwsClients) -> None:
    """With ``cancel_on_kill=False`` the job is somebody else's."""
    asyncio.run(MiniwdlJobTrigger(**ARGUMENTS).on_kill())  # would fail: there is no such job


def test_killing_a_job_that_is_gone_says_so(clients: AwsClients) -> None:
    """An error in a kill is a line in the log; Airflow goes on."""
    trigger = MiniwdlJobTrigger(job_id="00000000-0000-0000-0000-000000000000")
    with capture_logs() as logs:
        asyncio.run(trigger.on_kill())
    assert any("could not be ended" in entry["event"] for entry in logs)


def _no_thread_is_left(*, beside: set[threading.Thread]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        names = [thread.name for thread in threading.enumerate() if thread not in beside]
        if not any(name in ("miniwdl-aws-describer", "miniwdl-aws-log-tails") for name in names):
            return
        time.sleep(0.05)
    pytest.fail(f"threads are left: {names}")
