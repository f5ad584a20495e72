"""Tests of `miniwdl_aws.runner.rundir`."""

import dataclasses
from pathlib import Path

import pytest

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.marker import read_marker
from miniwdl_aws.runner.options import RunOptions
from miniwdl_aws.runner.rundir import provision, target_name

NOW = 1_767_225_600.0


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(
        arguments=(),
        parsed=None,
        directory=tmp_path / "runs",
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


def test_a_run_directory_is_named_and_marked(options: RunOptions) -> None:
    """Date, time and workflow; the marker is there before anything runs."""
    run_dir = provision(options, "wf", now=lambda: NOW)
    assert run_dir.name == "20260101_000000_wf"
    marker = read_marker(run_dir)
    assert marker is not None
    assert (marker.state, marker.job_id, marker.run_key) == ("running", "job-1", "key")
    assert (marker.created, marker.exclusive) == ("2026-01-01T00:00:00+00:00", True)


def test_runs_of_one_second_do_not_wait(options: RunOptions) -> None:
    """Many runs of one name at once get a number each."""
    names = {provision(options, "wf", now=lambda: NOW).name for _ in range(3)}
    assert names == {f"20260101_000000_wf{suffix}" for suffix in ("", "_2", "_3")}


def test_an_exact_directory_with_other_files_is_not_ours_alone(options: RunOptions) -> None:
    """It is used, and marked so that it is not deleted without force."""
    options.directory.mkdir()
    (options.directory / "notes.txt").write_text("mine")
    run_dir = provision(dataclasses.replace(options, exactly=True), "wf")
    marker = read_marker(run_dir)
    assert run_dir == options.directory
    assert marker is not None
    assert not marker.exclusive


def test_a_directory_outside_the_mount_is_refused(options: RunOptions) -> None:
    """A neighbour whose name begins like the mount point's is outside, as is a way up."""
    for path in (f"{options.root}2/x", f"{options.root}/../x"):
        with pytest.raises(ConfigurationError, match="not below the mount point"):
            provision(dataclasses.replace(options, directory=Path(path)), "wf")


def test_a_missing_mount_is_told(options: RunOptions) -> None:
    """Without the file system nothing is made on the container's own disk."""
    root = options.root / "efs"
    with pytest.raises(ConfigurationError, match="not mounted"):
        provision(dataclasses.replace(options, root=root, directory=root / "runs"), "wf")
    assert not root.exists()


def test_what_cannot_be_made_is_told(options: RunOptions) -> None:
    """A file in the way is an error that names the option."""
    options.directory.write_text("in the way")
    with pytest.raises(ConfigurationError, match="--dir"):
        provision(options, "wf")


@pytest.mark.parametrize(
    ("source", "task", "name"),
    [
        ("version 1.1\n# workflow old {\nworkflow new_one {", None, "new_one"),
        ("task a {}\nworkflow w {}", None, "w"),
        ("task only {\n}", None, "only"),
        ("workflow w {", "chosen", "chosen"),
        ("", None, "file_name"),
    ],
)
def test_the_name_is_found_without_checking(source: str, task: str | None, name: str) -> None:
    """Workflow, then task, then the file's name."""
    assert target_name(source, task, "file name") == name
