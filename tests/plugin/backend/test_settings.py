"""Tests of `miniwdl_aws.backend.settings`."""

import pytest

from miniwdl_aws.backend.settings import MAX_SUBMIT_RATE, BackendSettings, read_settings
from miniwdl_aws.errors import ConfigurationError


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
        ("aws__job_tags", "[1]", "MINIWDL__AWS__JOB_TAGS"),
        ("aws__gpu_value", "-1", "MINIWDL__AWS__GPU_VALUE"),
        ("aws__container_properties", '{"image": "x"}', "MINIWDL__AWS__CONTAINER_PROPERTIES"),
        ("aws__container_sync", "maybe", "MINIWDL__AWS__CONTAINER_SYNC"),
        ("aws__boto3_retries", '{"max_attempts": 0}', "MINIWDL__AWS__BOTO3_RETRIES"),
        ("aws__memory_delta", "x", "MINIWDL__AWS__MEMORY_DELTA"),
    ],
)
def test_an_error_names_the_option_and_its_variable(option: str, value: str, variable: str) -> None:
    """What is missing or wrong is named so that it can be found and mended."""
    with pytest.raises(ConfigurationError) as caught:
        read(**{option: value})
    assert variable in str(caught.value)
    section, key = option.split("__")
    assert f"[{section}] {key}" in str(caught.value)
