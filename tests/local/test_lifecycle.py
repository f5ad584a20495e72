"""The lifecycle's rules under random mixes of jobs, with a driven runner and with real jobs."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from hypothesis import given, settings, strategies as st

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.lifecycle import ARRAY_TRANSITIONS, ENDED, STATUSES, TRANSITIONS
from miniwdl_aws.local.batch.resources import Resources
from tests.local.world import World

MAX_VCPUS = 4
KINDS = ("alone", "alone", "array", "sequential", "n_to_n", "fair", "too large")
ACTIONS = ("submit", "submit", "exit", "exit", "exit", "cancel", "terminate", "advance", "resize")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTIONS), st.sampled_from(KINDS), st.integers(0, 10_000), st.integers(0, 3)
    ),
    min_size=20,
    max_size=60,
)


def check_history(job: Job) -> None:
    """Hold one ended job's history and attempts against the lifecycle."""
    assert job.ended, job.history
    statuses = [status for status, _ in job.history]
    assert statuses[0] == ("PENDING" if job.parent else "SUBMITTED")
    allowed = ARRAY_TRANSITIONS if job.children else TRANSITIONS
    for before, after in itertools.pairwise(statuses):
        assert after in allowed[before], statuses
    times = [at for _, at in job.history]
    assert times == sorted(times)
    assert job.stopped_at == times[-1]
    check_attempts(job, statuses)


def check_attempts(job: Job, statuses: list[str]) -> None:
    """Every attempt has its times, they do not overlap, and there are not too many."""
    started = [attempt for attempt in job.attempts if attempt.started_at is not None]
    assert statuses.count("RUNNING") == len(started)
    assert len(job.attempts) <= job.request["retryStrategy"]["attempts"]
    # Only a termination keeps an attempt from running, and it is the last one.
    assert len(job.attempts) - len(started) <= job.is_terminated
    times = [at for attempt in started for at in (attempt.started_at, attempt.stopped_at)]
    assert None not in times
    assert times == sorted(times, key=lambda at: at or 0)
    if job.timed_out or job.is_terminated:
        assert job.status == "FAILED"


class Mix:
    """A world to which random things happen, and whose rules are checked after each."""

    def __init__(self, start_delay: float) -> None:
        self.world = World(MAX_VCPUS, start_delay, instanceTypes=["c5.xlarge"])
        self.jobs: list[Job] = []
        policy = self.world.queues.policies.create({"name": "p"})
        self.world.add_queue("fair", priority=2, schedulingPolicyArn=policy.arn)
        limit = {
            "reason": "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
            "state": "RUNNABLE",
            "maxTimeSeconds": 600,
            "action": "CANCEL",
        }
        self.world.add_queue("limited", jobStateTimeLimitActions=[limit])
        self.world.define("half", vcpus=2, memory=4096)
        self.world.define("large", memory=8193)
        self.world.store.observe(self.check_move)

    def check_move(self, job: Job, previous: str | None) -> None:
        """A job that was cancelled or terminated never starts, and none starts twice."""
        if job.status == "STARTING":
            assert not job.is_cancelled
            assert not job.is_terminated
            assert job not in self.running()
            assert all(each.status == "SUCCEEDED" for each in self.needed(job))
        if previous not in {None, job.status}:  # the same status: it blocks its queue
            assert job.status in (ARRAY_TRANSITIONS if job.children else TRANSITIONS)[str(previous)]

    def running(self) -> list[Job]:
        """Return the jobs whose attempt runs now."""
        return [self.world.runner.jobs[task_id] for task_id in self.world.runner.running]

    def needed(self, job: Job) -> Iterator[Job]:
        """Yield the jobs without whose success a job must not start."""
        for entry in job.request["dependsOn"]:
            kind, other = entry.get("type"), self.world.store.get(entry.get("jobId", ""))
            if other and kind == "N_TO_N":
                yield other.family[job.index or 0]
            elif other:
                yield other
            elif job.parent and job.index:
                yield job.parent.family[job.index - 1]

    def step(self, action: str, kind: str, pick: int, small: int) -> None:
        """Let one thing happen."""
        runner = self.world.runner
        if action == "submit":
            self.jobs.append(self.submit(kind, pick, small))
        elif action == "exit" and runner.running:
            runner.exit(sorted(runner.running)[pick % len(runner.running)], small // 2)
        elif action in {"cancel", "terminate"} and self.jobs:
            job = self.jobs[pick % len(self.jobs)]
            victim = job if small < 2 else job.family[pick % len(job.family)]
            getattr(self.world.scheduler, action)(victim, "because")
        elif action == "advance":
            runner.advance((0, 1, 61, 700)[small])
        elif action == "resize":
            self.resize(MAX_VCPUS if small else 2)

    def submit(self, kind: str, pick: int, small: int) -> Job:
        """Submit a job of a kind, which may depend on an earlier one."""
        more: dict[str, Any] = {"retryStrategy": {"attempts": 1 + pick % 3}}
        if pick % 2:
            more["timeout"] = {"attemptDurationSeconds": 60}
        more["jobDefinition"] = "half" if small == 1 else "d"
        earlier = [self.jobs[pick % len(self.jobs)]] if self.jobs and small == 3 else []
        more["dependsOn"] = [{"jobId": job.job_id} for job in earlier]
        if kind in {"array", "sequential", "n_to_n"}:
            more["arrayProperties"] = {"size": 2 + small % 2}
        if kind == "sequential":
            more["dependsOn"].append({"type": "SEQUENTIAL"})
        if kind == "n_to_n":
            size = more["arrayProperties"]["size"]
            arrays = [job for job in self.jobs if job.children and len(job.family) == size]
            more["dependsOn"] += [{"jobId": j.job_id, "type": "N_TO_N"} for j in arrays[-1:]]
        if kind == "fair":
            more |= {"jobQueue": "fair", "shareIdentifier": "abc"[pick % 3]}
        if kind == "too large":
            more |= {"jobQueue": "limited", "jobDefinition": "large"}
        return self.world.submit(**more)

    def resize(self, max_vcpus: int) -> None:
        """Change the size of the compute environment; what runs there runs on."""
        request = {"computeEnvironment": "e", "computeResources": {"maxvCpus": max_vcpus}}
        self.world.queues.update_environment(request)
        self.world.scheduler.reschedule()

    def check(self) -> None:
        """Resources are those of the jobs that hold them, and summaries count the children."""
        holding = [job for job in self.everything() if job.status in {"STARTING", "RUNNING"}]
        used = sum((job.needs for job in holding), Resources())
        assert used == self.world.environment.used
        assert used.within(Resources(MAX_VCPUS, 8192))
        assert len(set(self.running())) == len(self.running())
        assert set(self.running()) <= set(holding)
        for job in self.jobs:
            if job.children:
                counted = Counter(child.status for child in job.children.jobs)
                assert job.children.counts == {status: counted[status] for status in STATUSES}
                assert not job.ended or job.children.ended

    def everything(self) -> list[Job]:
        """Return all jobs and all children."""
        return [each for job in self.jobs for each in dict.fromkeys([job, *job.family])]

    def drain(self) -> None:
        """Let everything end."""
        self.resize(MAX_VCPUS)
        for _ in range(1000):
            self.world.runner.advance(10)
            if all(job.ended for job in self.jobs):
                return
            for task_id in list(self.world.runner.running):
                self.world.runner.exit(task_id, 0)


@given(steps=STEPS, start_delay=st.sampled_from([0.0, 1.0]))
@settings(max_examples=120, deadline=None)
def test_random_mixes_keep_the_lifecycle(
    steps: list[tuple[str, str, int, int]], start_delay: float
) -> None:
    """No status goes backwards, nothing runs twice or beyond the resources, and all jobs end."""
    mix = Mix(start_delay)
    for step in steps:
        mix.step(*step)
        mix.check()
    mix.drain()
    mix.check()
    assert mix.world.environment.used == Resources()
    assert not mix.world.runner.running
    for job in mix.everything():
        check_history(job)


SCRIPT = """\
echo $AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT >> /mnt/efs/{log}
sleep $1
test $AWS_BATCH_JOB_ATTEMPT -ge $2
"""


def submit_mix(bench: Any, log: str, chance: random.Random) -> list[str]:
    """Submit thirty jobs, some of them arrays, that fail, are retried and depend on others."""
    bench.register(
        *("sh", "-c", SCRIPT.format(log=log), "sh", "Ref::seconds", "Ref::good"),
        jobDefinitionName=log,
        parameters={"seconds": "0", "good": "1"},
    )
    jobs: list[str] = []
    for _ in range(30):
        seconds, good = chance.choice(["0", "0.1", "0.3"]), chance.choice("1112")
        request: dict[str, Any] = {
            "jobName": "mix",
            "jobQueue": "miniwdl-task",
            "jobDefinition": log,
            "parameters": {"seconds": seconds, "good": good},
            "retryStrategy": {"attempts": chance.choice([1, 2, 3])},
        }
        if jobs and chance.random() < 0.3:
            request["dependsOn"] = [{"jobId": chance.choice(jobs)}]
        if chance.random() < 0.2:
            request["arrayProperties"] = {"size": chance.choice([2, 4])}
        jobs.append(bench.batch.submit_job(**request)["jobId"])
    return jobs


def family(bench: Any, job_id: str) -> list[dict[str, Any]]:
    """Return a job's description, and those of its children."""
    job = bench.describe(job_id)
    size = job.get("arrayProperties", {}).get("size", 0)
    children = [f"{job_id}:{index}" for index in range(size)]
    return [job, *(bench.describe(child) for child in children)]


def test_a_real_mix_keeps_the_lifecycle(start_bench: Callable[..., Any]) -> None:
    """What ran is what the attempts say, once each; no process is left when it stops."""
    bench = start_bench(max_vcpus=8)
    chance = random.Random(3)  # noqa: S311 - a mix that is the same each time
    jobs = submit_mix(bench, "mix", chance)
    for job_id in chance.sample(jobs, 6):
        stop = chance.choice([bench.batch.terminate_job, bench.batch.cancel_job])
        stop(jobId=job_id, reason="because")
    everything = []
    for job_id in jobs:
        bench.wait_for(job_id)
        everything += family(bench, job_id)
    for job in everything:
        statuses = bench.statuses(job["jobId"])
        allowed = ARRAY_TRANSITIONS if "size" in job.get("arrayProperties", {}) else TRANSITIONS
        assert all(b in allowed[a] for a, b in itertools.pairwise(statuses)), statuses
        assert job["status"] in ENDED
    said = [
        f"{job['jobId']} {number}"
        for job in everything
        for number, attempt in enumerate(job["attempts"], 1)
        if "startedAt" in attempt
    ]
    ran = (bench.aws.efs_dir / "mix").read_text().splitlines()
    assert len(set(ran)) == len(ran)  # nothing ran twice
    assert set(ran) <= set(said)  # a job may be stopped before it writes
    assert {job["jobId"] for job in everything if job["status"] == "SUCCEEDED"} - {
        job["jobId"] for job in everything if "size" in job.get("arrayProperties", {})
    } <= {line.split()[0] for line in ran}
    left = bench.submit("sleep", "300")
    bench.wait_for(left, "RUNNING")
    endpoint = bench.aws.endpoint_url
    bench.aws.stop()
    assert [process for process in psutil.process_iter() if uses(process, endpoint)] == []


def uses(process: psutil.Process, endpoint_url: str) -> bool:
    """Tell whether a process is a job of a local AWS."""
    try:
        environment = process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
    return environment.get("AWS_ENDPOINT_URL") == endpoint_url and "AWS_BATCH_JOB_ID" in environment
