"""A scheduler with a runner that the test drives: time passes and tasks end when it says so."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch.definitions import Definitions
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.queues import JobQueue, Queues
from miniwdl_aws.local.batch.scheduler import Scheduler
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.batch.submissions import make_job
from miniwdl_aws.local.execution.executor import TaskEvents
from miniwdl_aws.local.execution.runs import Placement


@dataclass(eq=False)
class FakeTimer:
    """A call that the test's clock makes."""

    call: Callable[[], object] | None

    def cancel(self) -> None:
        """Let it not come."""
        self.call = None


@dataclass
class FakeRunner:
    """Runs nothing: starts and stops are noted, time passes when the test says so."""

    now: float = 0.0
    running: dict[str, TaskEvents] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    ever: list[str] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    timers: list[tuple[float, int, FakeTimer]] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call as time next passes."""
        self.call_later(0, function, *arguments)

    def call_later(
        self, seconds: float, function: Callable[..., object], *arguments: Any
    ) -> FakeTimer:
        """Call when the time has passed."""
        timer = FakeTimer(lambda: function(*arguments))
        heapq.heappush(self.timers, (self.now + seconds, next(self.numbers), timer))
        return timer

    def start(self, job: Job, task_id: str, stream: str, events: TaskEvents) -> None:
        """Note a start."""
        assert task_id not in self.jobs
        self.ever.append(task_id)
        self.jobs[task_id] = job
        self.running[task_id] = events
        events.task_started()

    def stop(self, task_id: str) -> None:
        """Note a stop."""
        self.stopped.add(task_id)

    def kill(self, task_id: str) -> None:
        """End a task at once."""
        self.exit(task_id, 137)

    def exit(self, task_id: str, code: int) -> None:
        """End a task."""
        self.running.pop(task_id).task_exited(code)

    def advance(self, seconds: float = 0.0) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.timers and self.timers[0][0] <= end:
            self.now, _, timer = heapq.heappop(self.timers)
            if timer.call is not None:
                timer.call()
        self.now = end


class World:
    """A scheduler with everything that it needs, one EC2 environment ``e`` and a queue ``q``."""

    def __init__(
        self,
        max_vcpus: int = 4,
        start_delay: float = 0.0,
        retention_seconds: float = 7 * 86_400,
        placement: Placement | None = None,
        **resources: Any,
    ) -> None:
        self.arns = Arns("us-west-2")
        self.runner = FakeRunner()
        self.store = JobStore(self.clock, retention_seconds)
        self.queues = Queues(self.arns, self.clock)
        self.definitions = Definitions(self.arns)
        self.scheduler = Scheduler(
            store=self.store,
            queues=self.queues,
            runner=self.runner,
            arns=self.arns,
            start_delay_seconds=start_delay,
            placement=placement,
        )
        self.environment = self.queues.create_environment(
            {
                "computeEnvironmentName": "e",
                "type": "MANAGED",
                "computeResources": {"type": "EC2", "maxvCpus": max_vcpus, **resources},
            }
        )
        self.queue = self.add_queue("q")
        self.define("d")

    def clock(self) -> int:
        """Return the time in milliseconds."""
        return int(self.runner.now * 1000)

    def add_queue(self, name: str, **more: Any) -> JobQueue:
        """Add a queue on the environment."""
        order = [{"order": 1, "computeEnvironment": "e"}]
        request = {"jobQueueName": name, "priority": 1, "computeEnvironmentOrder": order}
        return self.queues.create_queue({**request, **more})

    def define(self, name: str, vcpus: int = 1, memory: int = 64, **more: Any) -> None:
        """Register a job definition."""
        wanted = {"VCPU": vcpus, "MEMORY": memory}
        self.definitions.register(
            {
                "jobDefinitionName": name,
                "type": "container",
                "containerProperties": {
                    "image": "i",
                    "command": ["true"],
                    "resourceRequirements": [
                        {"type": kind, "value": str(value)} for kind, value in wanted.items()
                    ],
                },
                **more,
            }
        )

    def submit(self, **more: Any) -> Job:
        """Submit a job."""
        job = make_job(
            {"jobName": "j", "jobQueue": "q", "jobDefinition": "d", **more},
            queues=self.queues,
            definitions=self.definitions,
            store=self.store,
            arns=self.arns,
        )
        self.scheduler.submit(job)
        return job

    def exit(self, job: Job, code: int = 0) -> None:
        """End the attempt of a job, and let what follows happen."""
        assert job.attempt is not None
        self.runner.exit(job.attempt.task_id, code)
        self.runner.advance()
