"""Secrets of container properties become environment variables, and are seen nowhere else."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.local.execution.secret_values import SecretReference, parse_secret

ROLE = "arn:aws:iam::123456789012:role/miniwdl-local"
ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-Ab12Cd"


@pytest.mark.parametrize(
    ("value_from", "reference"),
    [
        (ARN, SecretReference(ARN)),
        (f"{ARN}:user::", SecretReference(ARN, "user")),
        (f"{ARN}::AWSPREVIOUS:", SecretReference(ARN, "", "AWSPREVIOUS")),
        (f"{ARN}:user::v1", SecretReference(ARN, "user", "", "v1")),
        ("/db/password", None),
        ("arn:aws:ssm:us-west-2:123456789012:parameter/db", None),
    ],
)
def test_a_value_from_is_taken_apart(value_from: str, reference: SecretReference | None) -> None:
    """JSON key, version stage and version id follow the ARN; all else is a parameter."""
    assert parse_secret(value_from) == reference


def properties(**secrets: str) -> dict[str, Any]:
    entries = [{"name": name, "valueFrom": source} for name, source in secrets.items()]
    return {"secrets": entries, "executionRoleArn": ROLE}


def make_secrets(bench: Any, make_client: Any) -> tuple[str, str]:
    """Make a secret of two versions and a secure parameter; return the ARN and the name."""
    manager = make_client(bench.aws, "secretsmanager")
    old, new = json.dumps({"user": "ada", "port": 1}), json.dumps({"user": "mallory", "port": 2})
    arn = manager.create_secret(Name=bench.name(), SecretString=old)["ARN"]
    manager.put_secret_value(SecretId=arn, SecretString=new)
    name = f"/{bench.name()}"
    make_client(bench.aws, "ssm").put_parameter(Name=name, Value="p w", Type="SecureString")
    return arn, name


def test_a_job_gets_the_values_and_nobody_else(bench: Any, make_client: Any) -> None:
    """Whole secrets, members, versions and parameters; DescribeJobs shows where from alone."""
    arn, name = make_secrets(bench, make_client)
    container = properties(
        WHOLE=arn,
        USER_NOW=f"{arn}:user::",
        PORT_BEFORE=f"{arn}:port:AWSPREVIOUS:",
        BY_NAME=name,
        BY_ARN=f"arn:aws:ssm:us-west-2:123456789012:parameter{name}",
    )
    job_id = bench.submit("env", container=container)
    job = bench.wait_for(job_id, "SUCCEEDED")
    variables = dict(line.partition("=")[::2] for line in bench.lines(job))
    assert json.loads(variables["WHOLE"]) == {"user": "mallory", "port": 2}
    assert (variables["USER_NOW"], variables["PORT_BEFORE"]) == ("mallory", "1")
    assert (variables["BY_NAME"], variables["BY_ARN"]) == ("p w", "p w")
    assert job["container"]["secrets"] == container["secrets"]
    assert "mallory" not in json.dumps(job, default=str)


@pytest.mark.parametrize(
    ("suffix", "problem"),
    [
        (":nobody::", "did not contain json key nobody"),
        ("::NOSTAGE:", "ResourceNotFoundException"),
        ("0000", "ResourceNotFoundException"),
    ],
)
def test_a_secret_that_cannot_be_had_fails_the_start(
    bench: Any, make_client: Any, suffix: str, problem: str
) -> None:
    """The job never runs; the reason names the secret and the problem, and shows no value."""
    arn, _ = make_secrets(bench, make_client)
    job_id = bench.shell("true", container=properties(S=f"{arn}{suffix}"))
    job = bench.wait_for(job_id, "FAILED")
    reason = job["container"]["reason"]
    assert job["statusReason"] == "Task failed to start"
    assert reason.startswith(
        "ResourceInitializationError: unable to pull secrets or registry auth: "
    )
    assert arn in reason
    assert problem in reason
    assert "mallory" not in reason
    assert "RUNNING" not in bench.statuses(job_id)


def test_a_parameter_that_does_not_exist_fails_the_start(bench: Any) -> None:
    """The reason names it."""
    job_id = bench.shell("true", container=properties(S="/no/such"))
    reason = bench.wait_for(job_id, "FAILED")["container"]["reason"]
    assert "unable to pull secrets or registry auth" in reason
    assert reason.endswith("Invalid ssm parameters: /no/such")


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"secrets": [{"name": "S", "valueFrom": "/x"}]}, "executionRoleArn"),
        ({**properties(S="/x"), "environment": [{"name": "S", "value": "1"}]}, "must be unique"),
    ],
)
def test_secrets_that_batch_refuses_are_refused(
    bench: Any, container: dict[str, Any], message: str
) -> None:
    """Without an execution role, and with a name that the environment has."""
    with pytest.raises(ClientError, match=message):
        bench.register("true", container=container)
