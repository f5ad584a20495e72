"""Tests of `miniwdl_aws.backend.details`."""

import dataclasses
from pathlib import Path

from miniwdl_aws.backend.details import keep_detail, read_detail
from miniwdl_aws.status import JobStatus


def test_a_description_is_completed_in_place(tmp_path: Path) -> None:
    """A later description replaces what the file says, not the file, and leaves no other."""
    ended = JobStatus(job_id="j", status="SUCCEEDED", exit_code=0)
    keep_detail(tmp_path, ended)
    (path,) = tmp_path.iterdir()
    inode = path.stat().st_ino
    known = dataclasses.replace(ended, log_stream="s/default/1")
    keep_detail(tmp_path, known)
    assert [each.stat().st_ino for each in tmp_path.iterdir()] == [inode]
    assert read_detail(tmp_path, "j") == known


def test_a_description_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """What is half written is unknown, not wrong."""
    assert read_detail(tmp_path, "j") is None
    (tmp_path / "awsBatchJobDetail.j.json").write_text('{"job_id": "j", "sta')
    assert read_detail(tmp_path, "j") is None
