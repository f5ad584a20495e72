"""Faults of requests, as boto3 meets them on the endpoint."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError

from miniwdl_aws.local import LocalAws


@pytest.fixture(scope="module")
def aws(start_module_aws: Callable[..., LocalAws]) -> LocalAws:
    return start_module_aws()


@pytest.fixture
def faults(aws: LocalAws) -> Iterator[Any]:
    yield aws.faults
    aws.faults.clear()
    aws.reset_counters()


@pytest.fixture
def once(aws: LocalAws, make_single_try_client: Callable[..., Any]) -> Callable[[str], Any]:
    """Make a client that tries once."""
    return lambda service: make_single_try_client(aws, service)


def error_of(call: Callable[[], object]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("batch", "describe_job_queues", (429, "TooManyRequestsException", "Too Many Requests")),
        ("logs", "describe_log_groups", (400, "ThrottlingException", "Rate exceeded")),
        ("s3", "list_buckets", (503, "SlowDown", "Please reduce your request rate.")),
        ("sts", "get_caller_identity", (400, "Throttling", "Rate exceeded")),
        ("efs", "describe_file_systems", (400, "ThrottlingException", "Rate exceeded")),
    ],
)
def test_throttle(
    faults: Any, once: Any, service: str, operation: str, expected: tuple[int, str, str]
) -> None:
    """Each service refuses in its own words, and only as often as the rule says."""
    faults.add(f"throttle,service={service},times=1")
    call = getattr(once(service), operation)
    assert error_of(call) == expected
    call()
    assert faults.counters() == {"throttle": 1}


def test_a_client_that_retries_gets_over_it(faults: Any, aws: LocalAws, make_client: Any) -> None:
    """boto3 knows the refusal for a throttle."""
    faults.add("throttle,operation=DescribeJobQueues,times=2")
    answer = make_client(aws, "batch").describe_job_queues()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_latency(faults: Any, once: Any) -> None:
    """A call takes its delay longer, and another operation does not."""
    client = once("batch")
    client.describe_job_queues()
    faults.add("latency,operation=DescribeJobQueues,delay=0.5")
    started = time.monotonic()
    client.describe_job_queues()
    assert time.monotonic() - started >= 0.5
    client.describe_compute_environments()
    assert faults.counters() == {"latency": 1}


@pytest.mark.parametrize(
    ("service", "operation", "status", "code"),
    [
        ("batch", "describe_job_queues", 500, "ServerException"),
        ("batch", "describe_job_queues", 503, "ServiceUnavailable"),
        ("logs", "describe_log_groups", 500, "InternalFailure"),
        ("logs", "describe_log_groups", 503, "ServiceUnavailable"),
        ("s3", "list_buckets", 500, "InternalError"),
        ("s3", "list_buckets", 503, "ServiceUnavailable"),
    ],
)
def test_server_error(
    faults: Any, once: Any, service: str, operation: str, status: int, code: str
) -> None:
    """Both statuses, with the code of the service."""
    faults.add(f"server-error,service={service},code={status}")
    assert error_of(getattr(once(service), operation))[:2] == (status, code)


def register(client: Any, name: str) -> Any:
    return client.register_job_definition(
        jobDefinitionName=name,
        type="container",
        containerProperties={
            "image": "none",
            "command": ["true"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    )


def revisions(client: Any, name: str) -> list[int]:
    found = client.describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
    return sorted(each["revision"] for each in found)


def test_drop_before(faults: Any, once: Any) -> None:
    """The client gets no answer, and nothing has been done."""
    faults.add("drop-before,operation=RegisterJobDefinition")
    client = once("batch")
    with pytest.raises(ConnectionClosedError):
        register(client, "dropped-before")
    assert revisions(client, "dropped-before") == []


def test_drop_after(faults: Any, once: Any, aws: LocalAws, make_client: Any) -> None:
    """The client gets no answer, tries again, and what it asked for is there twice."""
    faults.add("drop-after,operation=RegisterJobDefinition,times=2")
    client = once("batch")
    with pytest.raises(ConnectionClosedError):
        register(client, "dropped-after")
    assert revisions(client, "dropped-after") == [1]
    assert register(make_client(aws, "batch"), "dropped-after")["revision"] == 3


def test_drop_after_submits_a_job_twice(faults: Any, aws: LocalAws, make_client: Any) -> None:
    """A rule for a job's name strikes its submission alone; boto3's retry makes a duplicate."""
    faults.add("drop-after,operation=SubmitJob,job=twice,times=1")
    client = make_client(aws, "batch")
    register(client, "twice")
    for name in ("once", "twice"):
        client.submit_job(jobName=name, jobQueue="miniwdl-task", jobDefinition="twice")
    counts = []
    for name in ("once", "twice"):
        found = client.list_jobs(
            jobQueue="miniwdl-task", filters=[{"name": "JOB_NAME", "values": [name]}]
        )
        counts.append(len(found["jobSummaryList"]))
    assert counts == [1, 2]


def test_slow_down(faults: Any, once: Any, aws: LocalAws) -> None:
    """S3 says so in XML, and other services do not."""
    faults.add("slow-down,operation=PutObject,times=1")
    s3 = once("s3")
    once("logs").describe_log_groups()

    def put() -> None:
        s3.put_object(Bucket=aws.bucket, Key="slow", Body=b"1")

    assert error_of(put) == (503, "SlowDown", "Please reduce your request rate.")
    put()


def test_truncate_body(faults: Any, once: Any, aws: LocalAws) -> None:
    """A download ends before the bytes that it announced; the next one is whole."""
    s3 = once("s3")
    content = bytes(range(256)) * 1000
    s3.put_object(Bucket=aws.bucket, Key="whole", Body=content)
    faults.add("truncate-body,operation=GetObject,times=1")
    answer = s3.get_object(Bucket=aws.bucket, Key="whole")
    assert answer["ContentLength"] == len(content)
    with pytest.raises(ResponseStreamingError):
        answer["Body"].read()
    assert s3.get_object(Bucket=aws.bucket, Key="whole")["Body"].read() == content


def test_an_answer_without_a_body_is_not_truncated(faults: Any, once: Any, aws: LocalAws) -> None:
    """HEAD tells an object's length, of which it sends nothing."""
    s3 = once("s3")
    s3.put_object(Bucket=aws.bucket, Key="headed", Body=b"x" * 100)
    faults.add("truncate-body,operation=HeadObject")
    assert s3.head_object(Bucket=aws.bucket, Key="headed")["ContentLength"] == 100


def control(aws: LocalAws, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the local AWS's own address
        f"{aws.endpoint_url}/_miniwdl_aws_local/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        return json.load(answer)


def test_rules_come_and_go_while_it_runs(faults: Any, aws: LocalAws, once: Any) -> None:
    """Control calls list, add, remove and reset rules, and counters tell what they did."""
    client = once("batch")
    rules = ["throttle,operation=DescribeJobQueues,times=1", {"kind": "kill", "job": "a*"}]
    added = control(aws, "POST", "faults", rules)["ids"]
    assert len(added) == 2
    assert error_of(client.describe_job_queues)[0] == 429
    client.describe_job_queues()
    assert control(aws, "GET", "counters")["faults"] == {"throttle": 1}
    control(aws, "POST", "faults/reset")
    assert error_of(client.describe_job_queues)[0] == 429
    listed = control(aws, "GET", "faults")
    assert listed["seed"] == 0
    assert [each["fault"] for each in listed["faults"]] == [rules[0], "kill,job=a*"]
    control(aws, "DELETE", f"faults/{added[0]}")
    assert [each["id"] for each in aws.faults.list()] == added[1:]
    control(aws, "DELETE", "faults")
    assert aws.faults.list() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "faults", "kil", 400, "did you mean 'kill'"),
        ("POST", "faults", None, 400, "a fault is to be added as JSON"),
        ("DELETE", "faults/none", None, 400, "there is no fault 'none'"),
        ("GET", "nothing", None, 404, "no such control call: GET"),
        ("PUT", "faults", "kill", 404, "no such control call: PUT"),
        ("GET", "jobs/none/history", None, 404, "no such control call"),
    ],
)
def test_misuse_of_a_control_call_is_one_sentence(
    aws: LocalAws, method: str, path: str, body: object, status: int, says: str
) -> None:
    """With the HTTP status that fits."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(aws, method, path, body)
    assert caught.value.code == status
    assert says in json.load(caught.value)["message"]
    caught.value.close()
