"""Tests of `miniwdl_aws.runner.resuming`."""

import dataclasses
import json
from pathlib import Path

import pytest

from miniwdl_aws.heads import RunPlace
from miniwdl_aws.marker import Marker, read_marker, update_marker, write_marker
from miniwdl_aws.pointers import FOLDER
from miniwdl_aws.runner.options import RunOptions
from miniwdl_aws.runner.resuming import (
    as_presented,
    find as find_for,
    is_concluded,
    point,
    present,
    reopen,
    unpoint,
)


def find(options: RunOptions, *, succeeded: bool = False) -> Path | None:
    return find_for(options, lambda _job_id: succeeded)


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(
        arguments=("wf.wdl", "n=1"),
        parsed=None,
        directory=tmp_path,
        exactly=False,
        root=tmp_path,
        s3upload="",
        delete_after="",
        bundle="",
        environment={},
        job_id="job-1",
        attempt=1,
        run_key="key",
    )


@pytest.fixture
def run_dir(options: RunOptions, tmp_path: Path) -> Path:
    folder = tmp_path / "20260101_000000_wf"
    folder.mkdir()
    write_marker(folder, Marker(state="running", job_id="job-1", run_key="key"))
    point(options, folder)
    return folder


def test_a_later_attempt_finds_its_directory(options: RunOptions, run_dir: Path) -> None:
    """The same job takes up its directory, whatever came of it."""
    assert find(options) == run_dir
    update_marker(run_dir, state="failed")
    assert find(options) == run_dir


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "cancelled"])
def test_another_job_of_the_key_takes_up_what_has_no_end(
    options: RunOptions, run_dir: Path, state: str
) -> None:
    """A head may die at any instant, even after the run; one that came to its end is done with."""
    other = dataclasses.replace(options, job_id="job-2")
    update_marker(run_dir, state=state)
    assert find(other) == run_dir
    assert (find(other, succeeded=True) is None) is (state == "succeeded")
    assert find(options, succeeded=True) == run_dir
    unpoint(options)
    assert find(other) is None


def test_other_content_or_another_key_begins_anew(options: RunOptions, run_dir: Path) -> None:
    """Only what would run the same is taken up."""
    other = dataclasses.replace(options, job_id="job-2")
    assert find(dataclasses.replace(other, arguments=("wf.wdl", "n=2"))) is None
    assert find(dataclasses.replace(other, bundle="x")) is None
    assert find(dataclasses.replace(other, run_key="another")) is None
    assert find(dataclasses.replace(other, run_key="")) is None


def test_a_named_directory_is_taken_up_if_it_is_ours(options: RunOptions, run_dir: Path) -> None:
    """``--dir DIR/.`` on a run directory resumes it; on another folder it begins there."""
    named = dataclasses.replace(options, exactly=True, directory=run_dir, job_id="job-2")
    assert find(named) == run_dir
    assert find(dataclasses.replace(named, directory=run_dir.parent)) is None


def test_a_torn_or_dangling_pointer_begins_anew(options: RunOptions, run_dir: Path) -> None:
    """Unknown is not a run directory."""
    for path in (run_dir.parent / ".miniwdl-aws-runs").iterdir():
        path.write_text("{")
    assert find(options) is None
    point(options, run_dir.parent / "gone")
    assert find(options) is None
    unpoint(options)
    assert not list((run_dir.parent / ".miniwdl-aws-runs").iterdir())


def test_a_run_of_two_heads_looks_like_one(run_dir: Path) -> None:
    """Outputs, log and error lie in the run directory, and name themselves by it."""
    place = RunPlace(run_dir=run_dir, head=2)
    source = place.directory
    (source / "out/x").mkdir(parents=True)
    (source / "out/x/f").write_text("content")
    (source / "outputs.json").write_text(json.dumps({"x": f"{source}/out/x/f"}))
    (source / "workflow.log").write_text("second\n")
    (run_dir / "workflow.log").write_text("first\n")
    (run_dir / "out").mkdir()
    (run_dir / "error.json").write_text("{}")
    for _ in range(2):
        present(place)
    outputs = json.loads((run_dir / "outputs.json").read_text())
    assert outputs == {"x": f"{run_dir}/out/x/f"}
    assert Path(outputs["x"]).read_text() == "content"
    assert (run_dir / "workflow.log").read_text() == "first\n----- head 2 -----\nsecond\n"
    assert not (run_dir / "error.json").exists()
    assert as_presented(f'"{source}/out/a"', place) == f'"{run_dir}/out/a"'


def test_the_first_head_needs_no_presenting(run_dir: Path) -> None:
    """One head works where its run is looked for."""
    before = sorted(run_dir.iterdir())
    present(RunPlace(run_dir=run_dir))
    assert sorted(run_dir.iterdir()) == before


def test_a_run_that_goes_on_is_marked_so(options: RunOptions, run_dir: Path) -> None:
    """Nobody reads the outputs of the head before, or deletes the directory."""
    (run_dir / "outputs.json").write_text("{}")
    update_marker(run_dir, state="succeeded")
    assert is_concluded(run_dir)
    reopen(RunPlace(run_dir=run_dir, head=2), dataclasses.replace(options, job_id="job-2"))
    marker = read_marker(run_dir)
    assert marker is not None
    assert (marker.state, marker.job_id) == ("running", "job-2")
    assert not is_concluded(run_dir)
    assert not (run_dir / "outputs.json").exists()


def test_who_may_make_a_run_directory_may_point_at_it(options: RunOptions, tmp_path: Path) -> None:
    """Workflow jobs of several users share a folder of run directories."""
    tmp_path.chmod(0o1777)
    point(options, tmp_path / "run")
    assert (tmp_path / FOLDER).stat().st_mode & 0o7777 == 0o1777


def test_a_run_that_cannot_be_pointed_at_goes_on(
    options: RunOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is lost is that a later attempt takes it up, and the log says so."""
    (tmp_path / FOLDER).touch()
    point(options, tmp_path / "run")
    assert "a later attempt of this job will not find its run directory" in caplog.text
    unpoint(options)
    assert find(options) is None
