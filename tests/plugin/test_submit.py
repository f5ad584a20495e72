"""Tests of `miniwdl_aws.submit` and `miniwdl_aws.cancel` on the local AWS."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import pytest

from miniwdl_aws import names
from miniwdl_aws.bundle import Bundle
from miniwdl_aws.cancel import cancel_run, task_jobs, task_queues
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import JobLostError
from miniwdl_aws.jobs import describe_all, terminate
from miniwdl_aws.local import LocalAws
from miniwdl_aws.pacer import Pacer
from miniwdl_aws.plan import JobRequest, Plan, plan
from miniwdl_aws.retry import Retry
from miniwdl_aws.settings import SubmitSettings
from miniwdl_aws.status import JobStatus
from miniwdl_aws.submit import jobs_of_run_key, submit

Wait = Callable[[Callable[[], bool]], None]


def planned(settings: SubmitSettings, run_key: str, *command: str, **changes: Any) -> Plan:
    request = JobRequest(name="t", command=command or ("sleep", "600"), run_key=run_key, **changes)
    return plan(settings, request)


def status_of(clients: AwsClients, job_id: str) -> JobStatus:
    (status,) = describe_all(clients, [job_id])
    return status


def test_a_live_job_of_the_same_key_is_adopted(
    clients: AwsClients, settings: SubmitSettings, run_key: str
) -> None:
    """However often a run is submitted, it runs once."""
    first = submit(clients, planned(settings, run_key))
    second = submit(clients, planned(settings, run_key))
    assert (first.adopted, second.adopted) == (False, True)
    assert first.job_id == second.job_id
    assert len(jobs_of_run_key(clients, settings.workflow_queue, run_key)) == 1
    terminate(clients, first.job_id, "end of test")


@pytest.mark.parametrize("kind", ["drop-after", "drop-before", "server-error,code=503"])
def test_an_unanswered_submission_makes_one_job(
    local_aws: LocalAws, clients: AwsClients, settings: SubmitSettings, run_key: str, kind: str
) -> None:
    """A connection that breaks after Batch took the job does not make a second one."""
    made = planned(settings, run_key)
    retry = Retry(pacer=Pacer(48.0), sleep=lambda _: None)
    rules = local_aws.faults.add(f"{kind},operation=SubmitJob,times=2")
    try:
        submission = submit(clients, made, retry)
    finally:
        local_aws.faults.remove(rules[0])
    (job,) = jobs_of_run_key(clients, settings.workflow_queue, run_key)
    assert (submission.job_id, submission.adopted) == (job.job_id, False)
    terminate(clients, job.job_id, "end of test")


def test_of_two_jobs_of_a_run_the_older_is_adopted(
    clients: AwsClients, settings: SubmitSettings, run_key: str
) -> None:
    """Two submitters who knew nothing of each other agree on the job that has the run directory."""
    made = planned(settings, run_key)
    first = submit(clients, made)
    second = clients.batch.submit_job(**made.job)["jobId"]
    assert submit(clients, made).job_id == first.job_id
    for job_id in (first.job_id, second):
        terminate(clients, job_id, "end of test")


def test_a_succeeded_job_is_adopted_and_a_failed_one_is_not(
    clients: AwsClients, settings: SubmitSettings, run_key: str, eventually: Wait
) -> None:
    """What is done is not done again; what failed is tried again."""
    failing = submit(clients, planned(settings, run_key, "false"))
    eventually(lambda: status_of(clients, failing.job_id).status == "FAILED")
    done = submit(clients, planned(settings, run_key, "true"))
    assert not done.adopted
    eventually(lambda: status_of(clients, done.job_id).status == "SUCCEEDED")
    again = submit(clients, planned(settings, run_key, "true"))
    assert (again.adopted, again.job_id) == (True, done.job_id)


def test_a_new_generation_ends_the_old_job_and_runs_anew(
    clients: AwsClients, settings: SubmitSettings, run_key: str, eventually: Wait
) -> None:
    """Somebody cleared the task: the run is wanted again, and not twice at a time."""
    old = submit(clients, planned(settings, run_key, generation="1"))
    new = submit(clients, planned(settings, run_key, generation="3"))
    assert not new.adopted
    eventually(lambda: status_of(clients, old.job_id).status == "FAILED")
    assert "superseded by generation 3" in status_of(clients, old.job_id).reason
    terminate(clients, new.job_id, "end of test")


def test_a_job_that_runs_something_else_is_not_adopted(
    clients: AwsClients, settings: SubmitSettings, run_key: str, eventually: Wait
) -> None:
    """A run that was deleted and made anew with other inputs does not get the old results."""
    done = submit(clients, planned(settings, run_key, "echo", "old"))
    eventually(lambda: status_of(clients, done.job_id).succeeded)
    other = submit(clients, planned(settings, run_key, "echo", "new"))
    assert not other.adopted


def test_a_job_that_is_being_ended_is_not_adopted(
    clients: AwsClients, settings: SubmitSettings, run_key: str, eventually: Wait
) -> None:
    """A retry that follows a kill closely does not pick up the dying job."""
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    dying = submit(clients, planned(settings, run_key, *stubborn))
    eventually(lambda: status_of(clients, dying.job_id).status == "RUNNING")
    terminate(clients, dying.job_id, "killed")
    fresh = submit(clients, planned(settings, run_key))
    assert not fresh.adopted
    terminate(clients, fresh.job_id, "end of test")


def test_equal_settings_register_one_definition(
    clients: AwsClients, settings: SubmitSettings, run_key: str
) -> None:
    """Ten runs cost no ten registrations."""
    own = dataclasses.replace(settings, image=run_key)
    ids = [submit(clients, planned(own, f"{run_key}/{n}", "true")).job_id for n in range(3)]
    assert len(set(ids)) == 3
    name = planned(own, run_key).job_definition["jobDefinitionName"]
    found = clients.batch.describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
    assert len(found) == 1


def test_a_damaged_bundle_on_s3_is_put_again(
    clients: AwsClients, settings: SubmitSettings, run_key: str
) -> None:
    """It would fail every run of the same source; one that is whole is left alone."""
    bundle = Bundle({"source/a.wdl": os.urandom(20_000)})
    made = planned(settings, run_key, "true", bundle=bundle)
    assert made.upload is not None
    place: Any = {"Bucket": made.upload.bucket, "Key": made.upload.key}
    clients.s3.put_object(**place, Body=made.upload.content[:-1], ChecksumAlgorithm="SHA256")
    submit(clients, made)
    whole = clients.s3.get_object(**place)
    assert whole["Body"].read() == made.upload.content
    submit(clients, dataclasses.replace(made, run_key=f"{run_key}/2"))
    assert clients.s3.head_object(**place)["LastModified"] == whole["LastModified"]


def test_a_large_bundle_lies_on_s3_before_the_job_starts(
    clients: AwsClients, settings: SubmitSettings, run_key: str
) -> None:
    """It is put under the name of its content."""
    bundle = Bundle({"source/a.wdl": os.urandom(100_000)})
    made = planned(settings, run_key, "true", bundle=bundle)
    assert made.upload is not None
    submit(clients, made)
    found = clients.s3.get_object(Bucket=made.upload.bucket, Key=made.upload.key)
    assert found["Body"].read() == made.upload.content


def submit_task_job(clients: AwsClients, settings: SubmitSettings, parent: str, number: int) -> str:
    definition = "test-task"
    clients.batch.register_job_definition(
        jobDefinitionName=definition,
        type="container",
        containerProperties={
            "image": "local",
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )
    return clients.batch.submit_job(
        jobName=f"{names.task_job_prefix(parent)}call-{number}",
        jobQueue=settings.task_queue,
        jobDefinition=definition,
        containerOverrides={"command": ["sleep", "600"]},
        tags={names.PARENT_TAG: parent},
    )["jobId"]


def test_cancelling_ends_the_workflow_job_and_all_its_task_jobs(
    clients: AwsClients, settings: SubmitSettings, run_key: str
) -> None:
    """A kill kills: nothing of the run is left, and nothing of others is touched."""
    head = submit(clients, planned(settings, run_key)).job_id
    other = submit(clients, planned(settings, f"{run_key}/other")).job_id
    tasks = [submit_task_job(clients, settings, head, number) for number in range(5)]
    bystander = submit_task_job(clients, settings, other, 0)
    ended = cancel_run(clients, head, "killed by a test")
    assert ended.terminated == tuple(sorted(tasks))
    assert ended.alive == ()
    for status in describe_all(clients, [head, *tasks]):
        assert (status.status, status.is_terminated) == ("FAILED", True)
        assert "killed by a test" in status.reason
    assert not status_of(clients, bystander).is_terminal
    assert task_jobs(clients, task_queues(clients, other), other) != []
    cancel_run(clients, other, "end of test")


def test_cancelling_an_unknown_job_says_so(clients: AwsClients) -> None:
    """The message has the id and the region."""
    with pytest.raises(JobLostError, match="knows no job 0000"):
        cancel_run(clients, "0000", "x")


def test_cancelling_a_job_that_has_ended_is_harmless(
    clients: AwsClients, settings: SubmitSettings, run_key: str, eventually: Wait
) -> None:
    """Its status stays what it was."""
    done = submit(clients, planned(settings, run_key, "true")).job_id
    eventually(lambda: status_of(clients, done).is_terminal)
    assert cancel_run(clients, done, "late").alive == ()
    assert status_of(clients, done).succeeded
