"""Events of jobs, as they reach SQS queues through EventBridge."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from moto.sqs.models import sqs_backends

from miniwdl_aws.local.settings import EVENT_QUEUE

EVENT_MEMBERS = {
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
}


class Receiver:
    """Receives events from a queue until it has what it waits for."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self.url = url
        self.events: list[dict[str, Any]] = []

    def receive(self, seconds: int = 1) -> None:
        answer = self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds
        )
        for message in answer.get("Messages", []):
            self.events.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def of(self, job_id: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["detail"]["jobId"] == job_id]

    def statuses(self, job_id: str) -> list[str]:
        return [each["detail"]["status"] for each in self.of(job_id)]

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.events
            self.receive()


@pytest.fixture
def bench(start_bench: Callable[..., Any]) -> Any:
    return start_bench()


@pytest.fixture
def subscribe(
    bench: Any, make_client: Callable[..., Any], request: pytest.FixtureRequest
) -> Callable[..., Receiver]:
    """Make a queue and a rule that sends events there."""

    def make(pattern: dict[str, Any], **target: Any) -> Receiver:
        sqs, events = make_client(bench.aws, "sqs"), make_client(bench.aws, "events")
        name = f"{bench.aws.file_system_id}-events"
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        arn = attributes["Attributes"]["QueueArn"]
        events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": arn, **target}])

        def remove() -> None:
            events.remove_targets(Rule=name, Ids=["q"])
            events.delete_rule(Name=name)
            sqs.delete_queue(QueueUrl=url)

        request.addfinalizer(remove)
        return Receiver(sqs, url)

    return make


BATCH = {"source": ["aws.batch"]}


def test_every_change_but_the_submission_is_an_event(bench: Any, subscribe: Any) -> None:
    """Each tells of the job as DescribeJobs did at that moment."""
    receiver = subscribe(BATCH)
    job_id = bench.submit("true", tags={"a": "b"})
    receiver.wait(lambda: "SUCCEEDED" in receiver.statuses(job_id))
    assert receiver.statuses(job_id) == [
        "PENDING",
        "RUNNABLE",
        "STARTING",
        "RUNNING",
        "SUCCEEDED",
    ]
    found = receiver.of(job_id)
    arn = bench.describe(job_id)["jobArn"]
    for event in found:
        assert set(event) == EVENT_MEMBERS
        assert event["version"] == "0"
        assert event["detail-type"] == "Batch Job State Change"
        assert event["source"] == "aws.batch"
        assert event["account"] == "123456789012"
        assert event["region"] == bench.aws.region
        assert event["resources"] == [arn]
        assert event["detail"]["tags"] == {"a": "b", "resourceArn": arn}
        time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")
    assert len({event["id"] for event in found}) == 5
    running, ended = (event["detail"] for event in found[-2:])
    assert "startedAt" not in found[0]["detail"]
    assert running["startedAt"] > 0
    assert running["container"]["logStreamName"]
    described = bench.describe(job_id)
    assert ended["container"]["exitCode"] == 0
    assert ended["attempts"] == described["attempts"]
    assert ended["stoppedAt"] == described["stoppedAt"]


def test_a_rule_gets_what_its_pattern_names(bench: Any, subscribe: Any) -> None:
    """EventBridge's patterns look into the detail."""
    receiver = subscribe({**BATCH, "detail": {"status": ["FAILED"]}})
    good, bad = bench.submit("true"), bench.submit("false")
    for job_id in (good, bad):
        bench.wait_for(job_id)
    receiver.wait(lambda: receiver.statuses(bad) == ["FAILED"])
    assert receiver.of(good) == []


def test_a_rule_can_transform_and_be_disabled(
    bench: Any, subscribe: Any, make_client: Callable[..., Any]
) -> None:
    """A template makes the message; a disabled rule sends nothing."""
    transformer = {
        "InputPathsMap": {"job": "$.detail.jobId", "status": "$.detail.status"},
        "InputTemplate": '{"detail": {"jobId": "<job>", "status": "<status>"}}',
    }
    receiver = subscribe(
        {**BATCH, "detail": {"status": ["SUCCEEDED"]}}, InputTransformer=transformer
    )
    job_id = bench.submit("true")
    receiver.wait(lambda: receiver.statuses(job_id) == ["SUCCEEDED"])
    assert receiver.of(job_id) == [{"detail": {"jobId": job_id, "status": "SUCCEEDED"}}]
    name = receiver.url.rsplit("/", 1)[1]
    make_client(bench.aws, "events").disable_rule(Name=name)
    everything = ready(bench, make_client)
    silent = bench.submit("true")
    everything.wait_for_end_of(silent)
    receiver.receive(0)
    assert receiver.of(silent) == []


class Ready(Receiver):
    def wait_for_end_of(self, job_id: str) -> None:
        self.wait(lambda: bool({"SUCCEEDED", "FAILED"} & set(self.statuses(job_id))))


def ready(bench: Any, make_client: Callable[..., Any]) -> Ready:
    """Return the receiver of the queue that is there at the start, without what others left."""
    sqs = make_client(bench.aws, "sqs")
    url = sqs.get_queue_url(QueueName=EVENT_QUEUE)["QueueUrl"]
    # PurgeQueue works once a minute.
    sqs_backends["123456789012"][bench.aws.region].queues[EVENT_QUEUE]._messages.clear()
    return Ready(sqs, url)


def test_a_queue_is_ready(bench: Any, make_client: Callable[..., Any]) -> None:
    """It gets all events of Batch with nothing set up."""
    receiver = ready(bench, make_client)
    job_id = bench.submit("true")
    receiver.wait_for_end_of(job_id)
    assert receiver.statuses(job_id)[0] == "PENDING"
    assert bench.aws.counters()["events"]["Batch Job State Change"] >= 5


def test_a_job_that_blocks_its_queue_is_an_event(bench: Any, subscribe: Any) -> None:
    """With the reason that the job shows, and both of their names."""
    receiver = subscribe({"detail-type": ["Batch Job Queue Blocked"]})
    container = {
        "resourceRequirements": [
            {"type": "VCPU", "value": "20000"},
            {"type": "MEMORY", "value": "64"},
        ]
    }
    job_id = bench.submit("true", container=container)
    receiver.wait(lambda: bool(receiver.of(job_id)))
    (event,) = receiver.of(job_id)
    job = bench.describe(job_id)
    assert event["resources"] == [job["jobArn"], job["jobQueue"]]
    assert event["detail"]["status"] == "RUNNABLE"
    assert event["detail"]["statusReason"] == job["statusReason"]
    bench.batch.terminate_job(jobId=job_id, reason="seen")


def test_event_loss(bench: Any, subscribe: Any) -> None:
    """The event of one status never comes, the others do."""
    bench.aws.faults.add("event-loss,status=RUNNING")
    receiver = subscribe(BATCH)
    job_id = bench.submit("true")
    receiver.wait(lambda: "SUCCEEDED" in receiver.statuses(job_id))
    assert receiver.statuses(job_id) == ["PENDING", "RUNNABLE", "STARTING", "SUCCEEDED"]
    assert bench.aws.counters()["faults"] == {"event-loss": 1}


def test_event_duplicate(bench: Any, subscribe: Any) -> None:
    """The same event, with the same id, comes twice."""
    bench.aws.faults.add("event-duplicate,status=SUCCEEDED,times=1")
    receiver = subscribe(BATCH)
    job_id = bench.submit("true")
    receiver.wait(lambda: receiver.statuses(job_id).count("SUCCEEDED") == 2)
    first, second = receiver.of(job_id)[-2:]
    assert first == second


def test_event_delay(bench: Any, subscribe: Any) -> None:
    """A late event comes after those that happened later, with the time at which it happened."""
    bench.aws.faults.add("event-delay,status=PENDING,delay=1.5")
    receiver = subscribe(BATCH)
    job_id = bench.submit("true")
    receiver.wait(lambda: "PENDING" in receiver.statuses(job_id))
    assert receiver.statuses(job_id)[-1] == "PENDING"
    assert len(receiver.of(job_id)) == 5


def test_a_target_that_is_not_there_stops_nothing(
    bench: Any, subscribe: Any, make_client: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Its events are dropped with a warning; other rules get theirs."""
    receiver = subscribe(BATCH)
    events = make_client(bench.aws, "events")
    events.put_rule(Name="nowhere", EventPattern=json.dumps(BATCH))
    arn = f"arn:aws:sqs:{bench.aws.region}:123456789012:nowhere"
    events.put_targets(Rule="nowhere", Targets=[{"Id": "q", "Arn": arn}])
    job_id = bench.submit("true")
    receiver.wait(lambda: "SUCCEEDED" in receiver.statuses(job_id))
    events.remove_targets(Rule="nowhere", Ids=["q"])
    events.delete_rule(Name="nowhere")
    assert "rule nowhere" in caplog.text


def test_what_nobody_reads_is_dropped(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ready queue keeps the newest messages alone, so that memory has a bound."""
    monkeypatch.setattr("miniwdl_aws.local.services.moto_events.MOST_MESSAGES", 3)
    job_id = bench.submit("true")
    bench.wait_for(job_id, "SUCCEEDED")
    queue = sqs_backends["123456789012"][bench.aws.region].queues[EVENT_QUEUE]
    deadline = time.monotonic() + 60
    while not queue._messages or job_id not in queue._messages[-1].body or len(queue._messages) > 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
