"""Tests of `miniwdl_aws.cleanup`."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.cleanup import delete_run_dir
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsNotFoundError, CleanupRefusedError
from miniwdl_aws.marker import (
    MARKER_FILE,
    STATES,
    Marker,
    UnreadableMarkerError,
    read_marker,
    write_marker,
)
from miniwdl_aws.pointers import FOLDER, Owner, Pointer, point, pointers


class NoS3:
    """Clients whose S3 holds the objects that it was given."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.s3 = self

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str) -> dict[str, int]:  # noqa: N803
        if f"s3://{Bucket}/{Key}" not in self.keys:
            raise AwsNotFoundError("HeadObject", "404", "Not Found")
        return {"ContentLength": 1}


def clients(*keys: str) -> AwsClients:
    fake: AwsClients = NoS3(*keys)  # type: ignore[assignment]
    return fake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "miniwdl_run"
    root.mkdir()
    return root


def make(root: Path, marker: Marker | None) -> Path:
    run_dir = root / "20260101_000000_wf"
    (run_dir / "call-a/work").mkdir(parents=True)
    (run_dir / "call-a/work/file").write_text("x")
    if marker:
        write_marker(run_dir, marker)
    return run_dir


PUBLISHED = Marker(state="succeeded", published="s3://bkt/r/")
COMMITTED = clients("s3://bkt/r/outputs.json")


def test_no_pointer_to_a_deleted_run_is_left(root: Path) -> None:
    """Pointers go with their run directory; those to another one stay."""
    ours = Owner(job_id="job-1", run_key="sample-1")
    run_dir = make(root, dataclasses.replace(PUBLISHED, job_id="job-1", run_key="sample-1"))
    point(root, ours, Pointer(name=run_dir.name, content="c"))
    later = Pointer(name="20260202_000000_wf", content="c")
    point(root, Owner(run_key="sample-1"), later)
    assert delete_run_dir(run_dir, root, clients=COMMITTED)
    assert pointers(root, ours) == [later]
    assert len(list((root / FOLDER).iterdir())) == 1


def test_a_published_run_is_deleted(root: Path) -> None:
    """With its last object on S3 the directory goes, and nothing beside it."""
    run_dir = make(root, PUBLISHED)
    other = root / "other"
    other.mkdir()
    assert delete_run_dir(run_dir, root, clients=COMMITTED)
    assert not run_dir.exists()
    assert other.is_dir()


def test_a_directory_that_is_gone_is_no_error(root: Path) -> None:
    """Cleaning twice succeeds."""
    assert not delete_run_dir(root / "gone", root, clients=clients())


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        (None, "holds no"),
        (Marker(state="running", job_id="job-9", published="s3://bkt/r/"), "job-9 has not ended"),
        (Marker(state="succeeded"), "has not been published"),
        (Marker(state="failed", published="s3://bkt/r/"), "there is no error.json"),
        (Marker(state="succeeded", published="s3://bkt/other/"), "there is no outputs.json"),
        (dataclasses.replace(PUBLISHED, exclusive=False), "other files before"),
    ],
)
def test_what_must_not_be_deleted_is_refused(
    root: Path, marker: Marker | None, sentence: str
) -> None:
    """Each refusal says why, and the files stay."""
    run_dir = make(root, marker)
    with pytest.raises(CleanupRefusedError, match=sentence):
        delete_run_dir(run_dir, root, clients=COMMITTED)
    assert (run_dir / "call-a/work/file").is_file()


def test_force_overrides_all_but_the_marker_and_the_root(root: Path, tmp_path: Path) -> None:
    """By force an unpublished run goes, but never what is not a run directory of ours."""
    run_dir = make(root, Marker(state="running", exclusive=False))
    assert delete_run_dir(run_dir, root, clients=clients(), force=True)
    foreign = make(root, None)
    with pytest.raises(CleanupRefusedError, match="holds no"):
        delete_run_dir(foreign, root, clients=clients(), force=True)
    outside = make(tmp_path / "elsewhere", PUBLISHED)
    with pytest.raises(CleanupRefusedError, match="not below"):
        delete_run_dir(outside, root, clients=COMMITTED, force=True)


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    """Links inside go as links; a run directory that is a link out of the root is refused."""
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("x")
    run_dir = make(root, PUBLISHED)
    (run_dir / "link").symlink_to(treasure)
    (run_dir / "call-a/link").symlink_to(treasure)
    assert delete_run_dir(run_dir, root, clients=COMMITTED)
    assert (treasure / "gold").is_file()
    write_marker(treasure, PUBLISHED)
    (root / "sly").symlink_to(treasure)
    for path in (root / "sly", root / "x/../../treasure", root, root / "..", Path("/")):
        with pytest.raises(CleanupRefusedError, match="not below"):
            delete_run_dir(path, root, clients=COMMITTED, force=True)
    assert (treasure / "gold").is_file()


def test_the_marker_goes_last(root: Path) -> None:
    """A deletion that was interrupted can be taken up: what is left still bears the marker."""
    run_dir = make(root, PUBLISHED)
    locked = run_dir / "call-a/work"
    (run_dir / "aaa").write_text("x")
    entries = {path.name for path in run_dir.iterdir()}
    assert MARKER_FILE in entries
    (locked / "file").unlink()
    assert delete_run_dir(run_dir, root, clients=COMMITTED)


def test_an_unreadable_marker_refuses(root: Path) -> None:
    """A marker of a newer version, or damaged, is no licence to delete."""
    run_dir = make(root, None)
    for text in ("{", "[]", '{"state": "odd"}', '{"state": "failed", "protocol": 2}'):
        (run_dir / MARKER_FILE).write_text(text)
        with pytest.raises(UnreadableMarkerError):
            read_marker(run_dir)
        with pytest.raises(CleanupRefusedError):
            delete_run_dir(run_dir, root, clients=COMMITTED, force=True)


@given(
    marker=st.builds(
        Marker,
        state=st.sampled_from(STATES),
        job_id=st.text(),
        run_key=st.text(),
        created=st.text(),
        exclusive=st.booleans(),
        published=st.text(),
    )
)
def test_markers_survive_the_file(marker: Marker, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is written is read again."""
    folder = tmp_path_factory.mktemp("marker")
    write_marker(folder, marker)
    assert read_marker(folder) == marker
    assert [path.name for path in folder.iterdir()] == [MARKER_FILE]
