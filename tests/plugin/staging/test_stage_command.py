"""Tests of ``miniwdl-aws-stage`` on the local AWS."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def books(cache: Path) -> list[Path]:
    return list(cache.glob("ops/s3/*/file.parts"))
