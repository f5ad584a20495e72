"""Faults of jobs, as they show in DescribeJobs and CloudWatch Logs; the jobs really run."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.failures import classify
from miniwdl_aws.local import LocalAws
from miniwdl_aws.local.endpoint.rates import Rate
from miniwdl_aws.local.faults.placement import NO_CAPACITY
from miniwdl_aws.status import from_describe_jobs

TASK_FAILED = "Task failed to start"
EXITED = "Essential container in task exited"


@pytest.fixture(scope="module")
def aws(start_module_aws: Callable[..., LocalAws]) -> LocalAws:
    return start_module_aws(stop_timeout_seconds=1)


@pytest.fixture
def bench(aws: LocalAws, bench_of: Callable[[LocalAws], Any]) -> Iterator[Any]:
    yield bench_of(aws)
    aws.faults.clear()
    aws.reset_counters()


def ended(bench: Any, job_id: str) -> tuple[int | None, str, str | None]:
    """Return a failed job's exit code, status reason and container reason."""
    job = bench.wait_for(job_id, "FAILED")
    container = job["container"]
    return container.get("exitCode"), job["statusReason"], container.get("reason")


def fargate(bench: Any, script: str, **more: Any) -> str:
    """Submit a job to the Fargate queue."""
    definition = bench.register(
        container={
            "command": ["sh", "-c", script],
            "executionRoleArn": "arn:aws:iam::123456789012:role/miniwdl-local",
            "resourceRequirements": [
                {"type": "VCPU", "value": "0.25"},
                {"type": "MEMORY", "value": "512"},
            ],
        },
        platformCapabilities=["FARGATE"],
    )["jobDefinitionArn"]
    request = {"jobName": bench.name(), "jobQueue": "miniwdl-workflow", **more}
    return str(bench.batch.submit_job(**request, jobDefinition=definition)["jobId"])


def test_spot_reclaim(bench: Any) -> None:
    """The process is killed, and Batch knows the instance and no exit code."""
    bench.aws.faults.add("spot-reclaim,job=taken,delay=0.1")
    script = "trap '' TERM; echo running; sleep 1000; touch /mnt/efs/survived"
    job_id = bench.shell(script, jobName="taken")
    code, why, reason = ended(bench, job_id)
    assert code is None
    assert re.fullmatch(r"Host EC2 \(instance i-[0-9a-f]{17}\) terminated\.", why)
    assert reason is None
    assert bench.lines(bench.describe(job_id)) == ["running"]
    assert not (bench.aws.efs_dir / "survived").exists()
    assert bench.aws.counters()["faults"] == {"spot-reclaim": 1}
    on_fargate = fargate(bench, "true", jobName="taken")
    bench.wait_for(on_fargate, "SUCCEEDED")


def test_spot_reclaim_is_retried_as_asked(bench: Any) -> None:
    """A rule for the first attempt lets the second succeed; ``evaluateOnExit`` meets the text."""
    bench.aws.faults.add("spot-reclaim,attempt=1")
    strategy = {
        "attempts": 3,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onReason": "*", "action": "EXIT"},
        ],
    }
    script = 'test "$AWS_BATCH_JOB_ATTEMPT" = 2 || sleep 1000'
    job = bench.wait_for(bench.shell(script, retryStrategy=strategy), "SUCCEEDED")
    assert [each["container"].get("exitCode") for each in job["attempts"]] == [None, 0]


def test_fargate_spot(bench: Any) -> None:
    """SIGTERM comes first, and the job may end in order."""
    bench.aws.faults.add("fargate-spot")
    script = "trap 'echo warned; exit 7' TERM; touch /mnt/efs/up; while :; do sleep 0.05; done"
    job_id = fargate(bench, script)
    assert ended(bench, job_id) in [
        (7, "Your Spot Task was interrupted.", None),
        (143, "Your Spot Task was interrupted.", None),  # before the shell had its trap
        (137, "Your Spot Task was interrupted.", None),
    ]
    on_ec2 = bench.shell("true")
    bench.wait_for(on_ec2, "SUCCEEDED")


def test_fargate_spot_kills_what_does_not_end(bench: Any) -> None:
    """SIGKILL follows after the stop time-out."""
    bench.aws.faults.add("fargate-spot,delay=0.2")
    job_id = fargate(bench, "trap '' TERM; while :; do sleep 0.05; done")
    assert ended(bench, job_id) == (137, "Your Spot Task was interrupted.", None)


def test_out_of_memory(bench: Any) -> None:
    """Exit code 137, and the container says why."""
    bench.aws.faults.add("out-of-memory,times=1")
    text = "OutOfMemoryError: Container killed due to memory usage"
    assert ended(bench, bench.submit("sleep", "1000")) == (137, EXITED, text)
    bench.wait_for(bench.submit("true"), "SUCCEEDED")


def test_kill(bench: Any) -> None:
    """A workflow job that is killed a time after its start takes its children along."""
    bench.aws.faults.add("kill,queue=miniwdl-workflow,delay=0.3")
    script = "sleep 1000 & while :; do echo x; sleep 0.02; done"
    job_id = fargate(bench, script)
    assert ended(bench, job_id) == (137, EXITED, None)
    assert bench.lines(bench.describe(job_id))


def test_a_job_that_ends_first_is_not_struck(bench: Any) -> None:
    """And nothing is counted."""
    bench.aws.faults.add("kill,delay=60")
    bench.wait_for(bench.submit("true"), "SUCCEEDED")
    assert bench.aws.counters()["faults"] == {}


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("image-pull", "CannotPullContainerError: pull image manifest has been retried"),
        ("efs-mount", "ResourceInitializationError: failed to invoke EFS utils commands to set"),
        ("docker-timeout", "DockerTimeoutError: Could not transition to started; timed out"),
    ],
)
def test_an_attempt_that_does_not_start(bench: Any, kind: str, begins: str) -> None:
    """The container has a reason, no exit code and no log stream; nothing has run."""
    bench.aws.faults.add(f"{kind},times=1")
    job_id = bench.shell("touch /mnt/efs/ran")
    code, why, reason = ended(bench, job_id)
    assert (code, why) == (None, TASK_FAILED)
    assert reason is not None
    assert reason.startswith(begins)
    job = bench.describe(job_id)
    assert "logStreamName" not in job["container"]
    assert "RUNNING" not in bench.statuses(job_id)
    assert not (bench.aws.efs_dir / "ran").exists()
    bench.wait_for(bench.submit("true"), "SUCCEEDED")


def test_a_reason_of_ones_own(bench: Any) -> None:
    """All that follows ``reason=`` is shown, commas and all."""
    text = "CannotPullContainerError: manifest unknown, really"
    bench.aws.faults.add(f"image-pull,reason={text}")
    assert ended(bench, bench.submit("true")) == (None, TASK_FAILED, text)


def test_stuck_runnable(bench: Any) -> None:
    """The job says why, its queue waits behind it, and both go on once the rule is removed."""
    (rule,) = bench.aws.faults.add("stuck-runnable,job=stuck*")
    stuck = bench.submit("true", jobName="stuck-1")
    behind = bench.submit("true")
    while "statusReason" not in bench.wait_for(stuck, "RUNNABLE"):
        pass
    job = bench.describe(stuck)
    assert (job["status"], job["statusReason"]) == ("RUNNABLE", NO_CAPACITY)
    bench.wait_for(behind, "RUNNABLE")
    other = fargate(bench, "true")
    bench.wait_for(other, "SUCCEEDED")
    assert bench.describe(behind)["status"] == "RUNNABLE"
    bench.aws.faults.remove(rule)
    for job_id in (stuck, behind):
        bench.wait_for(job_id, "SUCCEEDED")


def test_stuck_runnable_for_a_time(bench: Any) -> None:
    """Then it starts by itself; cancelled, it lets the others pass."""
    reason = "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x"
    bench.aws.faults.add(
        f"stuck-runnable,times=1,delay=0.5,reason={reason}", "stuck-runnable,job=c"
    )
    job_id = bench.submit("true")
    bench.wait_for(job_id, "SUCCEEDED")
    times = dict(bench.aws.job_history(job_id) or [])
    assert times["STARTING"] - times["RUNNABLE"] >= 500
    cancelled, behind = bench.submit("true", jobName="c"), bench.submit("true")
    bench.wait_for(cancelled, "RUNNABLE")
    bench.batch.cancel_job(jobId=cancelled, reason="enough")
    bench.wait_for(behind, "SUCCEEDED")
    assert bench.describe(cancelled)["statusReason"] == "enough"


def test_omit_job(bench: Any) -> None:
    """One answer of DescribeJobs lacks the job and has the others."""
    job_ids = [bench.submit("true", jobName=name) for name in ("here", "omitted")]
    for job_id in job_ids:
        bench.wait_for(job_id, "SUCCEEDED")
    bench.aws.faults.add("omit-job,job=omitted,times=1")
    answers = [bench.batch.describe_jobs(jobs=job_ids)["jobs"] for _ in range(2)]
    assert [[job["jobName"] for job in each] for each in answers] == [
        ["here"],
        ["here", "omitted"],
    ]


def test_late_logs(bench: Any, eventually: Any) -> None:
    """The stream is not there as the job ends, and comes whole."""
    bench.aws.faults.add("late-logs,delay=3")
    job = bench.wait_for(bench.shell("echo one; echo two"), "SUCCEEDED")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bench.lines(job)

    def arrived() -> bool:
        try:
            return bool(bench.lines(job) == ["one", "two"])
        except ClientError:
            return False

    eventually(arrived)


def test_missing_logs(bench: Any) -> None:
    """The job succeeds and names a stream that does not exist."""
    bench.aws.faults.add("missing-logs,times=1")
    job = bench.wait_for(bench.shell("echo one"), "SUCCEEDED")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bench.lines(job)
    assert bench.lines(bench.wait_for(bench.shell("echo one"), "SUCCEEDED")) == ["one"]


def test_a_seed_repeats_which_jobs_are_struck(start_bench: Callable[..., Any]) -> None:
    """Two local AWSs with one seed kill the same jobs, in whatever order these come."""

    def killed(names: list[str]) -> set[str]:
        bench = start_bench(seed=11)
        bench.aws.faults.add("docker-timeout,probability=0.5")
        definition = bench.register("true")["jobDefinitionArn"]
        jobs = {
            name: bench.batch.submit_job(
                jobName=name, jobQueue="miniwdl-task", jobDefinition=definition
            )["jobId"]
            for name in names
        }
        return {name for name, each in jobs.items() if bench.wait_for(each)["status"] == "FAILED"}

    names = [f"job-{number}" for number in range(12)]
    first = killed(names)
    assert killed(names[::-1]) == first
    assert 0 < len(first) < 12


def test_launches_on_fargate_wait_for_their_rate(start_bench: Callable[..., Any]) -> None:
    """Beyond the burst, jobs stay in STARTING until it is their turn; EC2 knows no such rate."""
    bench = start_bench(rates={"fargate": Rate(1, 1)})
    jobs = [fargate(bench, "true") for _ in range(2)]
    for job_id in (bench.submit("true"), *jobs):
        bench.wait_for(job_id, "SUCCEEDED")
    first, second = (dict(bench.aws.job_history(job_id) or []) for job_id in jobs)
    assert second["RUNNING"] - first["STARTING"] >= 950
    assert second["RUNNABLE"] - first["RUNNABLE"] < second["RUNNING"] - first["STARTING"]


@pytest.mark.parametrize(
    ("fault", "category"),
    [
        ("spot-reclaim", "spot"),
        ("out-of-memory", "out_of_memory"),
        ("image-pull", "image"),
        ("efs-mount", "infrastructure"),
        ("docker-timeout", "infrastructure"),
    ],
)
def test_what_is_shown_is_what_the_plugin_reads(bench: Any, fault: str, category: str) -> None:
    """Each text is judged as what it stands for."""
    bench.aws.faults.add(fault)
    job = bench.wait_for(bench.submit("sleep", "1000"), "FAILED")
    assert classify(from_describe_jobs(job)) == category
