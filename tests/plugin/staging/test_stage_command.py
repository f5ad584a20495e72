"""Tests of ``miniwdl-aws-stage`` on the local AWS."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.staging.parts import PART_BYTES


def start(uri: str, cache: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "miniwdl_aws.cli.stage", "--cache", str(cache), uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_is_gone_on_with(
    local_aws: Any,
    local_aws_environment: object,
    tmp_path: Path,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """After SIGKILL the next process asks only for what is missing, and the content is right."""
    content = os.urandom(3 * PART_BYTES + 5)
    key = f"staging/{uuid.uuid4()}"
    AwsClients().s3.put_object(Bucket=local_aws.bucket, Key=key, Body=content)
    uri = f"s3://{local_aws.bucket}/{key}"
    (rule,) = local_aws.faults.add("latency,service=s3,operation=GetObject,skip=3,times=1,delay=30")
    try:
        first = start(uri, tmp_path)
        eventually(lambda: any(len(book.read_text().split()) >= 2 for book in books(tmp_path)))
        first.kill()
        first.communicate()
    finally:
        local_aws.faults.remove(rule)
    assert list(tmp_path.glob("files/**/*")) == []
    before = local_aws.counters()["calls"]["s3:GetObject"]
    second = start(uri, tmp_path)
    path, log = second.communicate()
    assert second.returncode == 0, log
    assert Path(path.strip()).read_bytes() == content
    assert "is resumed" in log
    assert local_aws.counters()["calls"]["s3:GetObject"] - before <= 2


def test_what_boto3_has_put_in_parts_is_staged_and_verified(
    local_aws: Any, local_aws_environment: object, tmp_path: Path
) -> None:
    """As it does from 8 MiB on, with a checksum of the parts' checksums."""
    source = tmp_path / "large"
    source.write_bytes(os.urandom(9 * 2**20))
    key = f"staging/{uuid.uuid4()}"
    s3 = boto3.client("s3")
    s3.upload_file(str(source), local_aws.bucket, key)
    assert s3.head_object(Bucket=local_aws.bucket, Key=key)["ETag"].endswith('-2"')
    staged = start(f"s3://{local_aws.bucket}/{key}", tmp_path / "cache")
    path, log = staged.communicate()
    assert staged.returncode == 0, log
    assert Path(path.strip()).read_bytes() == source.read_bytes()
    assert "by its size alone" not in log


def books(cache: Path) -> list[Path]:
    return list(cache.glob("ops/s3/*/file.parts"))
