"""The policy documents allow what the code calls, and nothing else."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PLUGIN = ROOT / "plugin" / "miniwdl_aws"
POLICIES = ROOT / "docs" / "policies"

CALL = re.compile(
    r"\.(batch|ec2|efs|logs|s3|sagemaker)(?:_once)?\.(?:get_paginator\(\s*\"(\w+)\"|(\w+)\()"
)

IN_THE_JOB = (
    "backend",
    "runner",
    "publish",
    "staging",
    "cancel.py",
    "cleanup.py",
    "describer.py",
    "jobs.py",
    "s3.py",
)
"""Code that runs in the workflow job with the workflow role."""

SUBMITTING = (
    "cancel.py",
    "describer.py",
    "discover.py",
    "jobs.py",
    "logs.py",
    "studio.py",
    "submit.py",
)
"""Code that runs with the submitter's credentials."""

MAINTAINING = ("definitions.py",)
"""Code that runs with the credentials of whoever prunes job definitions."""

ACTIONS = {
    "efs.describe_access_points": {"elasticfilesystem:DescribeAccessPoints"},
    "s3.head_bucket": {"s3:ListBucket"},
    "s3.list_objects_v2": {"s3:ListBucket"},
    "s3.head_object": {"s3:GetObject"},
    "s3.create_multipart_upload": {"s3:PutObject"},
    "s3.upload_part": {"s3:PutObject"},
    "s3.complete_multipart_upload": {"s3:PutObject"},
    "batch.submit_job": {"batch:SubmitJob", "batch:TagResource"},
}
"""The IAM actions of a call, where they are not simply its name."""

WITHOUT_A_CALL: dict[str, set[str]] = {
    "maintainer.json": set(),
    # The submitter reads and writes objects through functions that it shares with the job.
    "submitter.json": {"iam:PassRole", "s3:GetObject", "s3:PutObject"},
    "workflow-role.json": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "ssm:GetParameters",
    },
}
"""What AWS itself does in the name of the role, or asks of whoever names a role."""


def actions(paths: list[Path]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        for service, paginated, called in CALL.findall(path.read_text()):
            operation = paginated or called
            if operation == "get_paginator" or operation.startswith("exceptions"):
                continue
            action = "".join(word.capitalize() for word in operation.split("_"))
            found |= ACTIONS.get(f"{service}.{operation}", {f"{service}:{action}"})
    return found


def sources(document: str) -> list[Path]:
    names = {"maintainer.json": MAINTAINING, "submitter.json": SUBMITTING}.get(document, IN_THE_JOB)
    return [path for name in names for path in sources_of(name)]


def test_all_code_that_calls_aws_is_counted() -> None:
    """A module that begins to call AWS is put into one of the three lists, or several."""
    calling = {
        path.relative_to(PLUGIN).parts[0]
        for path in PLUGIN.rglob("*.py")
        if actions([path]) and "local" not in path.relative_to(PLUGIN).parts
    }
    listed = (*IN_THE_JOB, *SUBMITTING, *MAINTAINING)
    assert calling == {name for name in listed if actions(sources_of(name))}


def sources_of(name: str) -> list[Path]:
    given = PLUGIN / name
    return [given] if given.is_file() else sorted(given.rglob("*.py"))


@pytest.mark.parametrize("document", sorted(WITHOUT_A_CALL))
def test_a_policy_allows_exactly_what_is_called(document: str) -> None:
    """A call that is added needs a permission; a permission without a call is one too many."""
    policy = json.loads((POLICIES / document).read_text())
    allowed: set[str] = set()
    for statement in policy["Statement"]:
        given = statement["Action"]
        allowed |= {given} if isinstance(given, str) else set(given)
    assert allowed == actions(sources(document)) | WITHOUT_A_CALL[document]


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.json")), ids=lambda path: path.name)
def test_a_policy_grants_no_wildcard_of_actions(path: Path) -> None:
    """Every action is written out."""
    assert not re.search(r'"Action": (\[[^]]*)?"[^"]*\*', path.read_text())
