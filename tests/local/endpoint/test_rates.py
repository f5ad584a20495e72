"""Rates, as documented and as asked for."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.local import LocalAwsError, LocalAwsSettings
from miniwdl_aws.local.endpoint.rates import (
    DOCUMENTED_RATES,
    NO_RATES,
    Rate,
    parse_rates,
    with_batch_rate,
)


@pytest.fixture
def once(make_single_try_client: Callable[..., Any]) -> Callable[..., Any]:
    """Make a client that tries once."""
    return make_single_try_client


def refused(call: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    return dict(caught.value.response)


def codes_until(code: str, call: Callable[[], object]) -> tuple[list[str], dict[str, Any]]:
    """Call until an error has a code; return the codes before and that error's response."""
    codes: list[str] = []
    for _ in range(200):
        try:
            call()
            codes.append("")
        except ClientError as error:
            if error.response["Error"]["Code"] == code:
                return codes, dict(error.response)
            codes.append(error.response["Error"]["Code"])
    pytest.fail(f"no call was answered with {code}")


def test_documented_rates_are_on_unless_told() -> None:
    """SubmitJob's quota is the user guide's."""
    assert LocalAwsSettings().all_rates == DOCUMENTED_RATES
    assert DOCUMENTED_RATES["batch:SubmitJob"] == Rate(50, 50)


def test_a_burst_of_submissions_passes_and_no_more(
    start_bench: Callable[..., Any], once: Any
) -> None:
    """The quota's burst of 50 is taken; here hardly anything is refilled, to see where it ends."""
    bench = start_bench(rates={"batch:SubmitJob": Rate(0.001, 50)})
    submit = {"jobName": "many", "jobQueue": "miniwdl-task", "jobDefinition": "none"}
    batch = once(bench.aws, "batch")
    before, _ = codes_until("TooManyRequestsException", lambda: batch.submit_job(**submit))
    assert before == ["ClientException"] * 50
    assert bench.aws.counters()["throttled"] == {"SubmitJob": 1}
    bench.batch.describe_job_queues()


def test_calls_beyond_the_rate_are_throttled(start_bench: Callable[..., Any]) -> None:
    """The error is the one that botocore retries as throttling."""
    bench = start_bench(rate=0.001, burst=1)
    bench.batch.describe_job_queues()
    response = refused(bench.batch.describe_job_queues)
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Error"]["Message"] == "Too Many Requests"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["ResponseMetadata"]["RetryAttempts"] > 0
    counters = bench.aws.counters()
    assert counters["calls"]["DescribeJobQueues"] == counters["throttled"]["DescribeJobQueues"] + 1


def test_an_account_rate_is_shared_by_all_operations(
    start_bench: Callable[..., Any], once: Any
) -> None:
    """With the account's scope, one operation's calls leave nothing for another's."""
    bench = start_bench(rate=0.001, burst=2, rate_scope="account")
    batch = once(bench.aws, "batch")
    batch.describe_job_queues()
    batch.describe_compute_environments()
    assert refused(batch.describe_job_definitions)["Error"]["Code"] == ("TooManyRequestsException")
    by_operation = once(start_bench(rate=0.001, burst=1).aws, "batch")
    by_operation.describe_job_queues()
    by_operation.describe_compute_environments()


@pytest.mark.parametrize(
    ("operation", "burst", "arguments"),
    [
        ("filter_log_events", 5, {}),
        ("get_log_events", 10, {"logStreamName": "none"}),
    ],
)
def test_reading_logs_has_the_documented_rates(
    start_bench: Callable[..., Any],
    once: Any,
    operation: str,
    burst: int,
    arguments: dict[str, str],
) -> None:
    """CloudWatch Logs refuses what goes beyond in its own shape."""
    bench = start_bench()
    logs = once(bench.aws, "logs")
    read = getattr(logs, operation)
    before, response = codes_until(
        "ThrottlingException", lambda: read(logGroupName="none", **arguments)
    )
    assert len(before) >= burst
    assert response["Error"]["Message"] == "Rate exceeded"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    name = {"filter_log_events": "FilterLogEvents", "get_log_events": "GetLogEvents"}[operation]
    assert bench.aws.counters()["throttled"] == {f"logs:{name}": 1}


def test_rates_can_be_turned_off(start_bench: Callable[..., Any], make_client: Any) -> None:
    """Without rates nothing is refused, however much is asked."""
    bench = start_bench(rates=NO_RATES)
    logs = make_client(bench.aws, "logs")
    logs.create_log_group(logGroupName="empty")
    for _ in range(60):
        logs.filter_log_events(logGroupName="empty")
    logs.delete_log_group(logGroupName="empty")
    assert bench.aws.counters()["throttled"] == {}


def test_a_list_of_rates_changes_the_documented_ones() -> None:
    """Names given replace, ``none`` takes away, and all others stay."""
    rates = parse_rates("batch:SubmitJob=5,batch=7/9,logs:GetLogEvents=none")
    assert rates == {
        "batch:SubmitJob": Rate(5, 5),
        "batch": Rate(7, 9),
        "logs:FilterLogEvents": Rate(5, 5),
        "fargate": Rate(20, 100),
    }
    assert parse_rates("documented") == DOCUMENTED_RATES
    assert parse_rates("none") == NO_RATES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fast", "'fast' names no rate"),
        ("batch:SubmitJob=fast", "'fast' is no RATE"),
        ("batch:SubmitJob", "'' is no RATE"),
        (
            "logs:GetLogEvent=5",
            r"'GetLogEvent' is no operation of logs \(did you mean 'GetLogEvents'\?",
        ),
        ("log:GetLogEvents=5", r"'log' is no service \(did you mean 'logs'\?"),
        ("batch:submitJob=none", "did you mean 'SubmitJob'"),
        ("logs:*=5", "only 'batch:\\*' stands for many operations"),
        ("batch=0", "rate must be positive"),
        ("batch=5/0.5", "burst must be at least 1"),
    ],
)
def test_rates_that_make_no_sense_are_refused(text: str, says: str) -> None:
    """The message quotes what is wrong."""
    with pytest.raises(LocalAwsError, match=says):
        parse_rates(text)


def test_one_rate_replaces_those_of_batch_alone() -> None:
    """It holds for each operation or for the account; CloudWatch Logs keeps its own."""
    each = with_batch_rate(DOCUMENTED_RATES, 0.5, None, "operation")
    assert each["batch:*"] == Rate(0.5, 1)
    assert "batch:SubmitJob" not in each
    assert each["logs:GetLogEvents"] == DOCUMENTED_RATES["logs:GetLogEvents"]
    assert with_batch_rate({}, 3, 4, "account") == {"batch": Rate(3, 4)}
