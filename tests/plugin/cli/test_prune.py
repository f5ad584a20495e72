"""Tests of `miniwdl_aws.cli.prune` and `miniwdl_aws.definitions`, on the local AWS."""

import json
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.backend.definition import task_definition
from miniwdl_aws.backend.demand import Demand
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.cli.prune import main
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.definitions import FAMILY, active_definitions

GOLDEN = Path(__file__).parent.parent.parent / "golden"


def registered(clients: AwsClients, name: str) -> str:
    content: Any = {
        "image": "local",
        "command": ["true"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "64"},
        ],
    }
    answer = clients.batch.register_job_definition(
        jobDefinitionName=name, type="container", containerProperties=content
    )
    return answer["jobDefinitionArn"]


def test_the_family_is_what_is_registered() -> None:
    """The names that definitions are given are those that pruning looks for."""
    task = task_definition(BackendSettings(task_queue="q", fs="fs-1"), Demand(), fargate=False)
    workflow = json.loads((GOLDEN / "workflow-job.RegisterJobDefinition.json").read_text())
    assert FAMILY.fullmatch(task.name)
    assert FAMILY.fullmatch(workflow["jobDefinitionName"])


def test_definitions_of_ours_are_pruned_and_no_others(
    clients: AwsClients, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run leaves all; then every revision of ours goes, and what only looks like it stays."""
    ours = [registered(clients, f"miniwdl-task-{'0' * 16}") for _ in range(2)]
    others = [
        registered(clients, name) for name in ("miniwdl-task-mine", f"x-miniwdl-task-{'0' * 16}")
    ]
    assert main(["--dry-run"]) == 0
    assert set(ours) <= set(capsys.readouterr().out.splitlines())
    assert set(ours) <= set(active_definitions(clients))
    assert main([]) == 0
    assert set(ours) <= set(capsys.readouterr().out.splitlines())
    assert list(active_definitions(clients)) == []
    left = clients.batch.describe_job_definitions(jobDefinitions=others)["jobDefinitions"]
    assert {each["status"] for each in left} == {"ACTIVE"}


def test_what_goes_wrong_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody answers, the exit code is not 0."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name, value in (("ID", "x"), ("SECRET", "x")):
        monkeypatch.setenv(f"AWS_{'ACCESS_KEY_ID' if name == 'ID' else 'SECRET_ACCESS_KEY'}", value)
    assert main(["--region", "us-east-1"]) == 1
    assert "DescribeJobDefinitions failed" in capsys.readouterr().err
