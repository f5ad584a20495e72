"""A bucket of its own, and a run directory as miniwdl leaves one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.marker import Marker, write_marker

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws


@pytest.fixture
def s3(aws: "LocalAws", clients: AwsClients) -> Iterator[AwsClients]:
    """Clients with an empty bucket named ``bucket``.

    It is the session's local AWS: ``mock_aws`` would empty that, since moto's state is one.
    """
    location: Any = {"LocationConstraint": aws.region}
    clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=location)
    yield clients
    for row in clients.s3.list_objects_v2(Bucket="bucket").get("Contents", []):
        clients.s3.delete_object(Bucket="bucket", Key=row["Key"])
    clients.s3.delete_bucket(Bucket="bucket")


@pytest.fixture
def run_root(tmp_path: Path) -> Path:
    return tmp_path / "miniwdl_run"


@pytest.fixture
def run_dir(run_root: Path) -> Path:
    """A run that succeeded: one file, an array of files, a directory, a number, a cached file."""
    run_dir = run_root / "20260101_000000_wf"
    call = run_dir / "call-a/work"
    call.mkdir(parents=True)
    cached = run_root / "earlier/call-b/work/cached.txt"
    cached.parent.mkdir(parents=True)
    cached.write_text("cached")
    outputs: dict[str, Any] = {"wf.n": 3, "wf.text": "/etc/hostname", "wf.missing": None}
    (run_dir / "workflow.log").write_text("log\n")
    for number in range(3):
        _link(run_dir, f"files/{number}/part.txt", call / f"{number}.txt", f"part {number}")
    outputs["wf.files"] = [f"{run_dir}/out/files/{number}/part.txt" for number in range(3)]
    (call / "folder/inner").mkdir(parents=True)
    (call / "folder/inner/x.txt").write_text("x")
    (run_dir / "out/folder").mkdir()
    (run_dir / "out/folder/folder").symlink_to(call / "folder")
    outputs["wf.folder"] = f"{run_dir}/out/folder/folder"
    (run_dir / "out/cached").mkdir()
    (run_dir / "out/cached/cached.txt").symlink_to(cached)
    outputs["wf.cached"] = str(cached)
    (run_dir / "outputs.json").write_text(json.dumps(outputs))
    write_marker(run_dir, Marker(state="succeeded", job_id="job-1"))
    return run_dir


@pytest.fixture
def failed_run_dir(run_root: Path) -> Path:
    """A run whose command failed."""
    run_dir = run_root / "20260101_000001_wf"
    call = run_dir / "call-a"
    call.mkdir(parents=True)
    (call / "stderr.txt").write_text("alas\n")
    (run_dir / "workflow.log").write_text("log\n")
    error = {
        "error": "RunFailed",
        "cause": {
            "error": "CommandFailed",
            "exit_status": 3,
            "run": "call-a",
            "stderr_file": str(call / "stderr.txt"),
            "stdout_file": str(call / "stdout.txt"),
        },
    }
    (run_dir / "error.json").write_text(json.dumps(error))
    write_marker(run_dir, Marker(state="failed"))
    return run_dir


def _link(run_dir: Path, name: str, target: Path, content: str) -> None:
    target.write_text(content)
    link = run_dir / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
