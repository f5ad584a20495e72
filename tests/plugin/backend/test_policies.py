"""Tests of `miniwdl_aws.backend.policies`."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.backend.identity import TaskIdentity
from miniwdl_aws.backend.policies import FIELDS, Adjustment, TaskPolicy, read_policies
from miniwdl_aws.errors import ConfigurationError


def identity(task: str = "align", call: str = "wf.sub.align_one") -> TaskIdentity:
    return TaskIdentity(task=task, call=call, workflow="wf", run_dir=Path("/r"))


def policy(*rules: dict[str, Any], **names: str) -> TaskPolicy:
    return read_policies(json.dumps(rules)).of(identity(**names))


EVERYTHING = {
    "accelerator_type": "*",
    "queue": "q",
    "fallback_queue": "f",
    "cpu_factor": 2,
    "cpu_min": 3,
    "cpu_max": 30,
    "memory_factor": 1.5,
    "memory_min": "2 GiB",
    "memory_max": "8 GiB",
    "timeout_factor": 0.5,
    "timeout_min": 100,
    "timeout_max": 1000,
    "gpus": 2,
    "shared_memory": "64 MiB",
    "ephemeral_storage": "100 GiB",
    "architecture": "ARM64",
    "container_properties": {"ulimits": []},
    "job_role": "arn:j",
    "execution_role": "arn:e",
    "tags": {"cost": "{task}"},
    "preemptible": 4,
    "max_retries": 5,
    "infrastructure_retries": 6,
    "oom_memory_factor": 2,
    "oom_memory_cap": "9 GiB",
}


def test_every_field_has_its_effect() -> None:
    """What a rule can say is in the policy of a task that it matches, and in no other."""
    assert EVERYTHING.keys() == FIELDS.keys()
    assert policy({"match": "align", **EVERYTHING}) == TaskPolicy(
        queue="q",
        fallback_queue="f",
        cpu=Adjustment(factor=2, least=3, most=30),
        memory=Adjustment(factor=1.5, least=2 * 2**30, most=8 * 2**30),
        timeout=Adjustment(factor=0.5, least=100, most=1000),
        gpus=2,
        shared_memory_bytes=64 * 2**20,
        storage_gib=100,
        architecture="ARM64",
        container_properties={"ulimits": []},
        job_role="arn:j",
        execution_role="arn:e",
        tags={"cost": "{task}"},
        preemptible=4,
        max_retries=5,
        infrastructure_retries=6,
        oom_memory_factor=2,
        oom_memory_cap_bytes=9 * 2**30,
    )
    assert policy({"match": "other", **EVERYTHING}) == TaskPolicy()


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("align", True),
        ("al*", True),
        ("wf.sub.align_one", True),
        ("wf.*", True),
        ("*.align_one", True),
        ("align_one", False),
        ("ALIGN", False),
        ("wf", False),
    ],
)
def test_a_rule_is_about_a_task_or_its_call(pattern: str, matches: bool) -> None:
    """The pattern is one of the task's name, or of its call with those around it, as a whole."""
    assert (policy({"match": pattern, "gpus": 1}).gpus == 1) is matches


def test_a_rule_may_be_about_a_kind_of_accelerator() -> None:
    """What a task says in acceleratorType leads it to a queue that has it."""
    rules = read_policies(
        '[{"match": "*", "accelerator_type": "nvidia-tesla-a*", "queue": "a100"},'
        ' {"match": "other", "accelerator_type": "*", "queue": "none"}]'
    )
    assert rules.of(identity(), "nvidia-tesla-a100").queue == "a100"
    assert rules.of(identity(), "nvidia-tesla-t4").queue is None
    assert rules.of(identity()).queue is None


def test_later_rules_win_field_by_field() -> None:
    """A later rule changes what it says, and leaves the rest."""
    found = policy(
        {"match": "*", "queue": "all", "cpu_factor": 2, "preemptible": 3},
        {"match": "align", "cpu_factor": 4},
        {"match": "align", "fallback_queue": ""},
    )
    assert (found.queue, found.cpu.factor, found.preemptible) == ("all", 4, 3)
    assert found.fallback_queue == ""


@given(
    value=st.integers(1, 10**12),
    factor=st.floats(0.01, 100),
    least=st.integers(0, 10**6),
    more=st.integers(0, 10**6),
)
def test_a_number_stays_within_its_bounds(value: int, factor: float, least: int, more: int) -> None:
    """Multiplied and rounded up, then at least and at most what the rule says."""
    changed = Adjustment(factor=factor, least=least, most=least + more)(value)
    assert changed >= least
    assert changed <= least + more or least + more == 0
    assert Adjustment(factor=factor)(value) >= value * factor


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "task_policies .*is not JSON"),
        ('{"match": "a"}', "must be a JSON list"),
        ("[1]", r"task_policies, rule 1 1 .*must be a JSON object"),
        ('[{"match": "a"}, {"gpus": 1}]', "rule 2 .*has no match"),
        ('[{"match": "a*", "memory_factr": 2}]',
         r"rule 1 \('a\*'\), field memory_factr .*is not known. Did you mean memory_factor"),
        ('[{"match": "a", "cpu_factor": 0}]', "field cpu_factor 0 .*greater than 0"),
        ('[{"match": "a", "cpu_min": 1.5}]', "field cpu_min 1.5 .*whole number"),
        ('[{"match": "a", "memory_min": "much"}]', "field memory_min 'much' .*such as 64 GiB"),
        ('[{"match": "a", "memory_min": "2 GiB", "memory_max": "1 GiB"}]',
         "field memory_min .*is above memory_max"),
        ('[{"match": "a", "timeout_max": 10}]', "field timeout_max 10 .*at least 60"),
        ('[{"match": "a", "gpus": true}]', "field gpus True .*must be a number"),
        ('[{"match": "a", "ephemeral_storage": "201 GiB"}]', "ephemeral_storage .*200 GiB"),
        ('[{"match": "a", "architecture": "arm"}]', "architecture 'arm' .*X86_64, ARM64"),
        ('[{"match": "a", "container_properties": {"image": "x"}}]',
         "container_properties .*without image"),
        ('[{"match": "a", "container_properties": 1}]', "must be a JSON object"),
        ('[{"match": "a", "queue": 1}]', "field queue 1 .*must be a text"),
        ('[{"match": "a", "tags": {"c": "{who}"}}]', r"field tags .*has \{who\} in c"),
        ("/no/such/file", "neither a JSON list nor a file"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_rule_and_field(text: str, message: str) -> None:
    """Rules are checked before anything runs."""
    with pytest.raises(ConfigurationError, match=message):
        read_policies(text)


def test_rules_may_lie_in_a_file(tmp_path: Path) -> None:
    """A path is read, and named in what is wrong with its content."""
    path = tmp_path / "rules.json"
    path.write_text('[{"match": "*", "gpus": 1}]')
    assert read_policies(str(path)).of(identity()).gpus == 1
    path.write_text('[{"match": "*", "gpus": -1}]')
    with pytest.raises(ConfigurationError, match=r"rules\.json"):
        read_policies(str(path))


def test_queues_of_rules_are_known_by_their_place() -> None:
    """What does not exist can be named by rule and field."""
    found = read_policies('[{"match": "a", "queue": "x"}, {"match": "b", "fallback_queue": ""}]')
    assert found.queues == {"x": "[aws] task_policies, rule 1 ('a'), field queue"}
