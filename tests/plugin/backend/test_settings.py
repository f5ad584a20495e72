"""Tests of `miniwdl_aws.backend.settings`."""

import json
import re
from importlib import resources

import pytest

from miniwdl_aws.backend.policies import read_policies
from miniwdl_aws.backend.retries import Escalation
from miniwdl_aws.backend.settings import MAX_SUBMIT_RATE, BackendSettings, read_settings
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.staging import settings as staging

REFERENCE = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"


class FakeConfiguration:
    """Options by "section.key"."""

    def __init__(self, **options: str) -> None:
        self.options = {
            "file_io__root": "/mnt/efs/",
            "aws__task_queue": "q",
            "aws__fsap": "fsap-1",
            **options,
        }

    def get(self, section: str, key: str, default: str | None = None) -> str:
        return self.options.get(f"{section}__{key}", default or "")


def read(**options: str) -> BackendSettings:
    return read_settings(FakeConfiguration(**options), user="1000:1000")


def test_established_names_are_read() -> None:
    """Every option of the section [aws] has its effect."""
    settings = read(
        aws__region="eu-west-1",
        aws__task_queue_fallback="f",
        aws__fs="fs-1",
        aws__describe_period="2.5",
        aws__describe_share="0.5",
        aws__submit_period="0.5",
        aws__boto3_retries='{"max_attempts": 7, "mode": "standard"}',
        aws__retry_wait="0",
        aws__job_timeout="120",
        aws__job_tags='{"n": 1}',
        aws__container_sync="true",
        aws__gpu_value="2",
        aws__container_properties='{"jobRoleArn": "arn:r"}',
        aws__memory_delta="0",
        aws__infrastructure_retries="5",
        aws__runnable_timeout="3600",
        log_task_usage__period="30",
        aws__oom_memory_factor="1.5",
        aws__oom_memory_cap="8 GiB",
        aws__owner="lab",
        aws__propagate_tags="false",
        aws__job_role="arn:j",
        aws__execution_role="arn:e",
        aws__fargate_public_ip="false",
        aws__task_secrets=f"TOKEN={REFERENCE}",
        aws__shared_memory="64 MiB",
        aws__task_policies='[{"match": "*", "gpus": 1}]',
        task_runtime__as_user="true",
    )
    assert settings == BackendSettings(
        region="eu-west-1",
        task_queue="q",
        task_queue_fallback="f",
        fs="fs-1",
        fsap="fsap-1",
        describe_period_seconds=2.5,
        describe_share=0.5,
        submit_rate=2.0,
        max_attempts=7,
        retry_wait_seconds=0.0,
        job_timeout_seconds=120,
        job_tags={"n": "1"},
        container_sync=True,
        gpu_count=2,
        container_properties={"jobRoleArn": "arn:r"},
        memory_delta_mib=0,
        infrastructure_retries=5,
        runnable_timeout_seconds=3600.0,
        usage_period_seconds=30.0,
        escalation=Escalation(factor=1.5, cap_bytes=8 * 2**30),
        owner="lab",
        propagate_tags=False,
        job_role="arn:j",
        execution_role="arn:e",
        fargate_public_ip=False,
        task_secrets={"TOKEN": REFERENCE},
        shared_memory_bytes=64 * 2**20,
        task_policies=read_policies('[{"match": "*", "gpus": 1}]'),
        user="1000:1000",
    )


def test_a_submit_period_can_only_lower_the_rate() -> None:
    """Without one, and with a tiny one, the rate stays below the account's."""
    assert read().submit_rate == MAX_SUBMIT_RATE
    assert read(aws__submit_period="0.001").submit_rate == MAX_SUBMIT_RATE


@pytest.mark.parametrize(
    ("option", "value", "variable"),
    [
        ("aws__task_queue", "", "MINIWDL__AWS__TASK_QUEUE"),
        ("aws__fsap", "", "MINIWDL__AWS__FSAP"),
        ("file_io__root", "/", "MINIWDL__FILE_IO__ROOT"),
        ("aws__retry_wait", "soon", "MINIWDL__AWS__RETRY_WAIT"),
        ("aws__describe_period", "0", "MINIWDL__AWS__DESCRIBE_PERIOD"),
        ("aws__describe_share", "1.5", "MINIWDL__AWS__DESCRIBE_SHARE"),
        ("aws__job_timeout", "59", "MINIWDL__AWS__JOB_TIMEOUT"),
        ("log_task_usage__period", "-1", "MINIWDL__LOG_TASK_USAGE__PERIOD"),
        ("aws__job_tags", "[1]", "MINIWDL__AWS__JOB_TAGS"),
        ("aws__gpu_value", "-1", "MINIWDL__AWS__GPU_VALUE"),
        ("aws__container_properties", '{"image": "x"}', "MINIWDL__AWS__CONTAINER_PROPERTIES"),
        ("aws__container_sync", "maybe", "MINIWDL__AWS__CONTAINER_SYNC"),
        ("aws__boto3_retries", '{"max_attempts": 0}', "MINIWDL__AWS__BOTO3_RETRIES"),
        ("aws__memory_delta", "x", "MINIWDL__AWS__MEMORY_DELTA"),
        ("aws__infrastructure_retries", "-1", "MINIWDL__AWS__INFRASTRUCTURE_RETRIES"),
        ("aws__oom_memory_factor", "0.5", "MINIWDL__AWS__OOM_MEMORY_FACTOR"),
        ("aws__oom_memory_factor", "2", "MINIWDL__AWS__OOM_MEMORY_FACTOR"),
        ("aws__job_tags", '{"k": "{who}"}', "MINIWDL__AWS__JOB_TAGS"),
        ("aws__task_secrets", f"A={REFERENCE}", "MINIWDL__AWS__TASK_SECRETS"),
        ("aws__shared_memory", "much", "MINIWDL__AWS__SHARED_MEMORY"),
    ],
)
def test_an_error_names_the_option_and_its_variable(option: str, value: str, variable: str) -> None:
    """What is missing or wrong is named so that it can be found and mended."""
    with pytest.raises(ConfigurationError) as caught:
        read(**{option: value})
    assert variable in str(caught.value)
    section, key = option.split("__")
    assert f"[{section}] {key}" in str(caught.value)


def test_a_tag_that_names_the_owner_needs_one() -> None:
    """In the setting and in rules alike."""
    for option in (
        {"aws__job_tags": '{"k": "{owner}"}'},
        {"aws__task_policies": '[{"match": "*", "tags": {"k": "{owner}"}}]'},
    ):
        with pytest.raises(ConfigurationError, match="MINIWDL__AWS__OWNER"):
            read(**option)
        assert read(**option, aws__owner="me").owner == "me"


@pytest.mark.parametrize("text", ["TOKEN=hunter2", '{"TOKEN": "hunter2"}', "a-b=hunter2"])
def test_a_secret_is_never_a_value(text: str) -> None:
    """Only references are taken, and what was given instead is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        read(aws__task_secrets=text, aws__execution_role="arn:e")
    assert "hunter2" not in str(caught.value)
    assert "MINIWDL__AWS__TASK_SECRETS" in str(caught.value)


def test_secrets_are_references() -> None:
    """By name and ARN, separated by commas or white space, or as JSON."""
    for text in (
        f"A={REFERENCE}, B={REFERENCE}",
        f"A={REFERENCE}\nB={REFERENCE}",
        json.dumps({"A": REFERENCE, "B": REFERENCE}),
    ):
        found = read(aws__task_secrets=text, aws__execution_role="arn:e")
        assert found.task_secrets == {"A": REFERENCE, "B": REFERENCE}


def test_container_properties_must_leave_room() -> None:
    """A definition holds 24 KiB; what cannot fit is refused at the start."""
    with pytest.raises(ConfigurationError, match="at most 20480 bytes"):
        read(aws__container_properties=json.dumps({"ulimits": ["x" * 21_000]}))


def test_another_file_system_needs_no_efs() -> None:
    """Backend aws_batch_job_no_efs neither asks for an access point nor uses one."""
    found = read_settings(FakeConfiguration(), user="", efs=False)
    assert (found.efs, found.fs, found.fsap) == (False, "", "")


def test_the_shipped_configuration_names_every_option() -> None:
    """Each option that is read stands in miniwdl_aws.cfg, with a comment, and no other."""
    asked: set[str] = set()

    class Recorder(FakeConfiguration):
        def get(self, section: str, key: str, default: str | None = None) -> str:
            if section == "aws":
                asked.add(key)
            return super().get(section, key, default)

    read_settings(Recorder(), user="")
    staging.read_settings(Recorder())
    text = resources.files("miniwdl_aws").joinpath("miniwdl_aws.cfg").read_text()
    section = text.partition("[aws]")[2].partition("\n[")[0]
    assert (
        set(re.findall(r"^#? ?([a-z0-9_]+) =", section, re.MULTILINE))
        == asked - {"region"} - BY_SUBMISSION
    )


BY_SUBMISSION = {"task_queue", "task_queue_fallback", "fs", "fsap"}
