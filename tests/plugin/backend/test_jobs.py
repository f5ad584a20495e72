"""Tests of `miniwdl_aws.backend.jobs`."""

import threading
from typing import Any

import pytest

from miniwdl_aws.backend import jobs
from miniwdl_aws.backend.definition import task_definition
from miniwdl_aws.backend.demand import Demand
from miniwdl_aws.backend.jobs import Definitions
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.errors import AwsError, AwsUnavailableError
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.retry import Retry, Stopped

SETTINGS = BackendSettings(task_queue="q", fs="fs-1")
REQUEST = {
    "jobName": "unlike-any-other",
    "jobQueue": "q",
    "containerOverrides": {"command": ["true"], "environment": []},
}


def test_a_definition_is_asked_for_once_by_many_threads(batch: Any, retry: Any) -> None:
    """The first of many threads looks up and registers; the others wait for its answer."""
    definitions = Definitions(batch, retry)
    definition = task_definition(SETTINGS, Demand(image="a"), fargate=False)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(definitions.ensure(definition)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert len(set(found)) == 1
    assert batch.calls == ["DescribeJobDefinitions", "RegisterJobDefinition"]


def test_a_failure_to_register_is_not_kept(batch: Any, retry: Any) -> None:
    """The next task tries again."""
    definitions = Definitions(batch, retry)
    definition = task_definition(SETTINGS, Demand(image="a"), fargate=False)
    batch.fail("RegisterJobDefinition", "ClientException")
    with pytest.raises(AwsError):
        definitions.ensure(definition)
    assert definitions.ensure(definition).endswith(":1")


def test_throttling_slows_the_pacer_and_is_not_counted(batch: Any) -> None:
    """TooManyRequestsException halves the rate; the request is sent until it is taken."""
    pacer = Pacer(1000.0, 100.0)
    retry = Retry(pacer=pacer, max_attempts=2, sleep=lambda _: None)
    for _ in range(4):
        batch.fail("SubmitJob", "TooManyRequestsException", status=429)
    job_id = jobs.submit(batch, retry, REQUEST)
    assert batch.calls.count("SubmitJob") == 5
    assert job_id in batch.jobs
    assert pacer.rate < 1000


def test_an_unclear_submission_is_looked_for_before_it_is_repeated(batch: Any, retry: Any) -> None:
    """SubmitJob has no token: after a 5xx the job may exist, and must not run twice."""
    batch.hold = True
    first = jobs.submit(batch, retry, REQUEST)
    batch.fail("SubmitJob", "ServerException", status=500)
    assert jobs.submit(batch, retry, REQUEST) == first
    assert len(batch.jobs) == 1


def test_a_submission_that_had_no_effect_is_repeated(batch: Any, retry: Any) -> None:
    """After a 5xx and an empty search the job is submitted again."""
    batch.hold = True
    batch.fail("SubmitJob", "ServerException", status=500)
    assert jobs.submit(batch, retry, REQUEST) in batch.jobs


def test_attempts_are_bounded(batch: Any, retry: Any) -> None:
    """An endpoint that stays away ends in an error that says so."""
    for _ in range(3):
        batch.fail("SubmitJob", "ServerException", status=500)
    with pytest.raises(AwsUnavailableError):
        jobs.submit(batch, retry, REQUEST)


def test_nothing_is_submitted_once_the_run_terminates(batch: Any, retry: Any) -> None:
    """A thread that waited for its turn looks again before it submits."""
    with pytest.raises(Stopped):
        jobs.submit(batch, retry, REQUEST, stopping=lambda: True)
    assert not batch.jobs
