"""Tests of `miniwdl_aws.follow` on the local AWS."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.follow import Follower

LINES = 12_000
"""More than a page of CloudWatch Logs holds."""


def submit(clients: AwsClients, script: str) -> str:
    name = f"follow-{uuid.uuid4()}"
    clients.batch.register_job_definition(
        jobDefinitionName=name,
        type="container",
        containerProperties={
            "image": "none",
            "command": ["sh", "-c", script],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )
    answer = clients.batch.submit_job(jobName=name, jobQueue="miniwdl-task", jobDefinition=name)
    return str(answer["jobId"])


class Counter:
    """Notes when requests for logs are sent."""

    def __init__(self, clients: AwsClients) -> None:
        self.times: list[float] = []
        self._lock = threading.Lock()
        clients.logs.meta.events.register("before-send.cloudwatch-logs", self._note)

    def _note(self, **_: Any) -> None:
        with self._lock:
            self.times.append(time.monotonic())


def test_followers_lose_no_line_and_share_one_request_a_second(clients: AwsClients) -> None:
    """Three jobs are followed at once, one of which writes more than fits on a page."""
    counter = Counter(clients)
    jobs = {
        submit(clients, f"seq 1 {LINES}"): [str(n) for n in range(1, LINES + 1)],
        submit(clients, "for n in 1 2 3; do echo $n; sleep 1; done"): ["1", "2", "3"],
        submit(clients, "echo out; echo err >&2; exit 3"): ["out", "err"],
    }
    lines: dict[str, list[str]] = {job_id: [] for job_id in jobs}

    def follow(job_id: str) -> int | None:
        return Follower(clients, job_id, on_line=lines[job_id].append).wait()[0].exit_code

    with ThreadPoolExecutor(len(jobs)) as pool:
        assert list(pool.map(follow, jobs)) == [0, 0, 3]
    assert {job_id: sorted(found) for job_id, found in lines.items()} == {
        job_id: sorted(expected) for job_id, expected in jobs.items()
    }
    gaps = [after - before for before, after in zip(counter.times, counter.times[1:], strict=False)]
    assert len(counter.times) >= 4
    # Of two that were let go a second apart, the second may be sent a bit faster.
    assert min(gaps) > 0.5
    assert sum(gaps) / len(gaps) >= 0.95
