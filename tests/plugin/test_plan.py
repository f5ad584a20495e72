"""Tests of `miniwdl_aws.plan`, with whole requests in ``tests/golden``."""

import json
import os
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from miniwdl_aws.backend.identity import SAMPLE_INPUTS
from miniwdl_aws.backend.tags import PLACEHOLDERS
from miniwdl_aws.bundle import (
    BUNDLE_VARIABLE,
    ENVIRONMENT_FILE,
    Bundle,
    decode_inline,
    decode_object,
)
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.inputs import SAMPLE_NAMES
from miniwdl_aws.local.batch import limits
from miniwdl_aws.plan import (
    BEGIN_AGAIN,
    MAX_OVERRIDES_BYTES,
    JobRequest,
    Plan,
    job_definition,
    plan,
    workflow_command,
)
from miniwdl_aws.settings import SubmitSettings
from miniwdl_aws.tags import CALL_PLACEHOLDERS, JOB_TAGS_VARIABLE

LICENCE_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"

GOLDEN = Path(__file__).parent.parent / "golden"


def settings(**changes: Any) -> SubmitSettings:
    return SubmitSettings(
        **{
            "workflow_queue": "miniwdl-workflow",
            "task_queue": "miniwdl-task",
            "task_queue_fallback": "miniwdl-task-fallback",
            "fsap": "fsap-0123456789abcdef0",
            "fs": "fs-0123456789abcdef0",
            "workflow_role": "arn:aws:iam::123456789012:role/workflow",
            "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/miniwdl-aws:1",
            "s3upload": "s3://results/runs",
            "tags": {"cost-centre": "virology", "sample": "{sample}"},
            "environment": {"MINIWDL__SCHEDULER__TASK_CONCURRENCY": "50"},
            **changes,
        }
    )


def request(bundle: Bundle | None = None, **changes: Any) -> JobRequest:
    command = workflow_command(settings(), ("/mnt/efs/wdl/a.wdl", "sample=S 1"))
    return JobRequest(
        **{
            "name": "assemble sample S/1",
            "command": command,
            "run_key": "dag/run 2026-01-01/task/-1",
            "generation": "2",
            "bundle": bundle,
            "facts": {"sample": "S 1", "owner": "ada"},
            **changes,
        }
    )


def validate(operation: str, content: Any) -> None:
    shape = (
        botocore.session.get_session()
        .get_service_model("batch")
        .operation_model(operation)
        .input_shape
    )
    assert shape is not None
    report = ParamValidator().validate(content, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_requests_are_the_golden_ones() -> None:
    """Whole requests are compared, so that no change of one goes unnoticed.

    Run with UPDATE_GOLDEN=1 to write the files anew, and read the difference.
    """
    compare("workflow-job", plan(settings(), request()))


def test_the_requests_without_efs_are_the_golden_ones() -> None:
    """The job runs on EC2, mounts what its host has mounted, and needs no role of its own."""
    made = plan(
        settings(
            efs=False,
            fsap=None,
            fs=None,
            workflow_role=None,
            mount="/mnt/net",
            dir="/mnt/net/miniwdl_run",
            cpu=3.0,
            memory_gib=5.0,
        ),
        request(),
    )
    compare("workflow-job-no-efs", made)


def compare(name: str, made: Plan) -> None:
    requests = {"RegisterJobDefinition": made.job_definition, "SubmitJob": made.job}
    for operation, content in requests.items():
        validate(operation, content)
        path = GOLDEN / f"{name}.{operation}.json"
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        assert path.read_text() == text


def environment(made: Any) -> dict[str, str]:
    return {each["name"]: each["value"] for each in made.job["containerOverrides"]["environment"]}


def test_a_small_bundle_travels_inline() -> None:
    """A short WDL needs no bucket."""
    bundle = Bundle({"source/a.wdl": b"version 1.1\nworkflow w {}\n"})
    made = plan(settings(s3upload=None), request(bundle))
    assert made.upload is None
    assert decode_inline(environment(made)[BUNDLE_VARIABLE]) == bundle


def test_a_large_bundle_goes_to_the_bucket_of_the_results() -> None:
    """Size is not the user's problem as long as a bucket is known."""
    bundle = Bundle({"source/a.wdl": os.urandom(5_000_000)})
    made = plan(settings(), request(bundle))
    assert made.upload is not None
    uri = environment(made)[BUNDLE_VARIABLE]
    assert uri == f"s3://results/{made.upload.key}"
    assert decode_object(made.upload.key, made.upload.content) == bundle


def test_an_exchange_prefix_is_used_for_any_size() -> None:
    """Where an exchange is set, every bundle can be found there."""
    made = plan(settings(exchange="s3://exchange/wdl/"), request(Bundle({"a.wdl": b"x"})))
    assert made.upload is not None
    assert made.upload.bucket == "exchange"
    assert made.upload.key.startswith("wdl/")
    assert "//" not in made.upload.key


def test_a_large_bundle_without_any_bucket_is_refused_with_the_remedy() -> None:
    """The message names the setting that mends it."""
    with pytest.raises(ConfigurationError, match="--exchange"):
        plan(settings(s3upload=None), request(Bundle({"a.wdl": os.urandom(20_000)})))


def test_variables_that_do_not_fit_travel_with_the_bundle() -> None:
    """Long policies for tasks are not the user's problem; what the job itself needs stays."""
    policies = json.dumps([{"task": f"task_{n}", "memory": 2} for n in range(500)])
    passed = {"MINIWDL__AWS__TASK_POLICIES": policies, JOB_TAGS_VARIABLE: '{"a": "b"}'}
    made = plan(settings(environment=passed), request())
    sent = environment(made)
    assert "MINIWDL__AWS__TASK_POLICIES" not in sent
    assert json.loads(sent[JOB_TAGS_VARIABLE])["a"] == "b"
    bundle = decode_inline(sent[BUNDLE_VARIABLE])
    content = json.loads(bundle.files[ENVIRONMENT_FILE])
    assert content == {"MINIWDL__AWS__TASK_POLICIES": policies}
    validate("SubmitJob", made.job)


def test_overrides_never_exceed_what_batch_takes() -> None:
    """Thousands of key=value arguments are refused before AWS refuses them."""
    with pytest.raises(ConfigurationError, match=f"exceeds {MAX_OVERRIDES_BYTES} bytes"):
        plan(settings(), request(command=("x" * MAX_OVERRIDES_BYTES,)))


def test_a_definition_is_named_by_its_content() -> None:
    """Equal settings share one definition; a difference that matters makes another."""
    first = job_definition(settings())
    assert job_definition(settings(s3upload=None, task_queue="other")) == first
    names = {
        job_definition(settings(**change))["jobDefinitionName"]
        for change in (
            {},
            {"image": "other:1"},
            {"cpu": 2.0},
            {"public_ip": False},
            {"mount": "/mnt/other", "dir": "/mnt/other/x"},
            {"fsap": "fsap-1"},
            {"secrets": {"TOKEN": LICENCE_ARN}},
        )
    }
    assert len(names) == 7


def test_a_secret_is_named_by_its_arn_and_nowhere_else() -> None:
    """The established program puts every value in plain text where DescribeJobs shows it."""
    made = plan(settings(secrets={"TOKEN": LICENCE_ARN}), request())
    validate("RegisterJobDefinition", made.job_definition)
    properties = made.job_definition["containerProperties"]
    assert properties["secrets"] == [{"name": "TOKEN", "valueFrom": LICENCE_ARN}]
    assert "TOKEN" not in environment(made)


def test_the_workflow_job_begins_again_only_when_its_host_failed() -> None:
    """A workflow that failed by itself is not run twice."""
    assert "retryStrategy" not in plan(settings(workflow_attempts=1), request()).job
    made = plan(settings(), request())
    validate("SubmitJob", made.job)
    strategy = made.job["retryStrategy"]
    assert strategy == {"attempts": 3, "evaluateOnExit": list(BEGIN_AGAIN)}
    assert len(BEGIN_AGAIN) <= 5
    assert BEGIN_AGAIN[-1] == {"onReason": "*", "action": "EXIT"}
    # The local AWS checks what AWS documents of each condition.
    limits.retry_strategy(strategy)


def test_cost_tags_are_on_the_workflow_job_and_on_its_task_jobs() -> None:
    """Placeholders are filled; what somebody configured for task jobs stays."""
    configured = {JOB_TAGS_VARIABLE: '{"team": "blue", "sample": "all"}'}
    made = plan(settings(environment=configured), request())
    assert made.job["tags"]["cost-centre"] == "virology"
    assert made.job["tags"]["sample"] == "S 1"
    assert json.loads(environment(made)[JOB_TAGS_VARIABLE]) == {
        "cost-centre": "virology",
        "sample": "all",
        "team": "blue",
    }


def test_a_tag_that_speaks_of_a_call_is_one_of_task_jobs_alone() -> None:
    """The backend fills it in; its placeholders and ours are the same."""
    made = plan(settings(tags={"what": "{sample}/{call}", "key": "{run_key}"}), request())
    assert "what" not in made.job["tags"]
    assert made.job["tags"]["key"] == "dag/run 2026-01-01/task/-1"
    sent = json.loads(environment(made)[JOB_TAGS_VARIABLE])
    assert sent == {"what": "S 1/{call}", "key": "dag/run 2026-01-01/task/-1"}
    ours = {"run", "run_key", "workflow", "sample", "owner"}
    assert ours | CALL_PLACEHOLDERS == set(PLACEHOLDERS)
    assert SAMPLE_NAMES == SAMPLE_INPUTS


def test_a_placeholder_that_stands_for_nothing_is_refused() -> None:
    """A cost report with {smaple} in it helps nobody."""
    with pytest.raises(ConfigurationError, match=r"holds \{smaple\}.*\{owner\}"):
        plan(settings(tags={"sample": "{smaple}"}), request())


def test_the_workflow_job_has_a_time_out() -> None:
    """The established program's job has none, and hangs for ever when miniwdl does."""
    assert plan(settings(), request()).job["timeout"] == {"attemptDurationSeconds": 1_209_600}


def test_the_same_run_gives_the_same_bytes() -> None:
    """Nothing random or timed is in a plan, or a retry could not find its job."""
    assert json.dumps(plan(settings(), request()).job) == json.dumps(
        plan(settings(), request()).job
    )
