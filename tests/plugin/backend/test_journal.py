"""Tests of `miniwdl_aws.backend.journal`: whatever instant the writer dies at."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from miniwdl_aws.backend.journal import (
    PROTOCOL,
    Entry,
    Journal,
    entry_path,
    read_entry,
    write_entry,
)
from miniwdl_aws.heads import RunPlace

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
ENTRIES = st.builds(
    Entry,
    key=TEXT,
    attempt=st.integers(1, 9),
    task_dir=TEXT,
    job_name=TEXT,
    job_queue=TEXT,
    job_id=st.one_of(st.just(""), TEXT),
    submitted_at=st.floats(0, 1e10),
    inputs=st.dictionaries(TEXT, TEXT, max_size=3),
)
ANY_FOLDER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
INTENT = Entry(key="k", attempt=1, task_dir="/r/call-a", job_name="t-a-1", job_queue="q")


class Killed(BaseException):
    """The process ends here."""


@ANY_FOLDER
@given(entry=ENTRIES)
def test_what_is_written_is_read(tmp_path: Path, entry: Entry) -> None:
    """Any entry comes back as it was."""
    path = tmp_path / "job.json"
    write_entry(path, entry)
    assert read_entry(path) == entry


@ANY_FOLDER
@given(old=ENTRIES, new=ENTRIES, part=st.floats(0, 1), step=st.integers(0, 3))
def test_a_writer_that_dies_leaves_the_old_entry_or_the_new_one(
    tmp_path: Path, old: Entry, new: Entry, part: float, step: int
) -> None:
    """Killed in the middle of the text, before the flush, before or after the rename."""
    path = tmp_path / "job.json"
    write_entry(path, old)
    torn = json.dumps({"protocol": PROTOCOL, "job_name": new.job_name})
    if step == 0:
        path.with_name("job.json.new").write_text(torn[: int(len(torn) * part)])
        assert read_entry(path) == old
        return

    def die(*_: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        if step < 3:
            target, name = ((os, "fsync"), (Path, "replace"))[step - 1]
            patch.setattr(target, name, die)
        try:
            write_entry(path, new)
        except Killed:
            assert read_entry(path) == old
        else:
            assert read_entry(path) == new
    write_entry(path, new)
    assert read_entry(path) == new


@ANY_FOLDER
@given(entry=ENTRIES, cut=st.floats(0, 1), noise=st.binary(max_size=5))
def test_a_damaged_entry_is_none_and_never_another(
    tmp_path: Path, entry: Entry, cut: float, noise: bytes
) -> None:
    """A file system that loses the end of a file costs an adoption, not a wrong one."""
    path = tmp_path / "job.json"
    write_entry(path, entry)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * cut)] + noise)
    assert read_entry(path) in (None, entry)


@pytest.mark.parametrize(
    "text", ["[]", "null", "7", "{}", '{"job_name": "x"}', '{"protocol": 99, "job_name": "x"}']
)
def test_what_is_no_entry_is_none(tmp_path: Path, text: str) -> None:
    """Neither another form, nor a newer one, is taken for an entry."""
    path = tmp_path / "job.json"
    path.write_text(text)
    assert read_entry(path) is None
    assert read_entry(tmp_path / "nothing.json") is None


def test_the_latest_of_the_earlier_heads_counts(tmp_path: Path) -> None:
    """Head 3 finds what head 2 wrote, else what head 1 did; never its own."""
    place = RunPlace(run_dir=tmp_path, head=3)
    journal, own = Journal(place=place), tmp_path / "resumed3/call-a"
    for folder, name in (
        (tmp_path / "call-a", "first"),
        (tmp_path / "resumed2/call-a", "second"),
        (own, "third"),
    ):
        folder.mkdir(parents=True)
        write_entry(entry_path(folder, 1), Entry(**{**vars(INTENT), "job_name": name}))
    found = journal.earlier(own, 1)
    assert found is not None
    assert found.job_name == "second"
    entry_path(tmp_path / "resumed2/call-a", 1).unlink()
    found = journal.earlier(own, 1)
    assert found is not None
    assert found.job_name == "first"
    assert journal.earlier(own, 2) is None


def test_without_our_runner_nothing_is_adopted(tmp_path: Path) -> None:
    """Plain miniwdl has no heads; its journal is written all the same."""
    journal = Journal()
    journal.record(tmp_path, INTENT)
    assert read_entry(entry_path(tmp_path, 1)) == INTENT
    assert journal.earlier(tmp_path, 1) is None
    assert entry_path(tmp_path, 2).name == "job2.json"
