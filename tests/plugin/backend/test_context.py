"""Tests of `miniwdl_aws.backend.context`: what is found out before the first task."""

from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.backend.context import open_context
from miniwdl_aws.backend.policies import read_policies
from miniwdl_aws.backend.settings import BackendSettings
from miniwdl_aws.errors import ConfigurationError


def opened(batch: Any, tmp_path: Path, **settings: Any) -> Any:
    given = {"task_queue": "spot", "fs": "fs-1", "mount": str(tmp_path), **settings}
    return open_context(BackendSettings(**given), {"MINIWDL_AWS_RUN_KEY": "dag/run"}, batch)


def test_queues_are_asked_about_once(batch: Any, tmp_path: Path) -> None:
    """Those of the settings and of all rules, in one request; nothing else is asked."""
    batch.add_queue("large")
    rules = read_policies('[{"match": "*", "queue": "large"}]')
    context = opened(batch, tmp_path, task_queue_fallback="on-demand", task_policies=rules)
    assert batch.calls == ["DescribeJobQueues"]
    assert not context.has_fargate
    assert context.run_key == "dag/run"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task_queue": "no"}, r"\[aws\] task_queue 'no' does not exist"),
        ({"task_queue_fallback": "no"}, r"\[aws\] task_queue_fallback 'no' does not exist"),
        ({"task_policies": read_policies('[{"match": "a", "queue": "no"}]')},
         r"rule 1 \('a'\), field queue 'no' does not exist"),
        ({"task_queue": "fargate"}, "is on Fargate, which needs an execution role"),
        ({"task_queue": "fargate", "efs": False, "execution_role": "arn:e"},
         "is on Fargate, which has no directories of hosts"),
    ],
)  # fmt: skip
def test_what_no_task_could_run_with_is_named_at_the_start(
    batch: Any, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    """The message names the option, or the rule and its field."""
    batch.add_queue("fargate", "FARGATE")
    with pytest.raises(ConfigurationError, match=message):
        opened(batch, tmp_path, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"execution_role": "arn:e"},
        {"container_properties": {"executionRoleArn": "arn:e"}},
        {"task_policies": read_policies('[{"match": "*", "execution_role": "arn:e"}]')},
    ],
)
def test_an_execution_role_may_come_from_three_places(
    batch: Any, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """The setting, the further container properties, and a rule."""
    batch.add_queue("fargate", "FARGATE")
    assert opened(batch, tmp_path, task_queue="fargate", **settings).has_fargate
