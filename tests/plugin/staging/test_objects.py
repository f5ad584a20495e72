"""Tests of `miniwdl_aws.staging.objects` and of the places of what it tells."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.errors import StagingError
from miniwdl_aws.staging.objects import S3Object, digest, folder_of, object_of
from miniwdl_aws.staging.places import place

OBJECT = S3Object(bucket="b", key="a/x.bam", etag="1", size=3, modified=0.0)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def entries(*keys: str) -> list[dict[str, Any]]:
    return [{"Key": key, "ETag": f'"{key}"', "Size": 1, "LastModified": NOW} for key in keys]


@pytest.mark.parametrize("change", [{"etag": "2"}, {"version": "v"}, {"key": "b/x.bam"}])
def test_other_content_has_another_place(change: dict[str, str]) -> None:
    """What S3 knows a content by is part of its path, which ends in the object's own name."""
    other = dataclasses.replace(OBJECT, **change)  # type: ignore[arg-type]
    paths = {place(Path("/c"), each).path for each in (OBJECT, other)}
    assert len(paths) == 2
    assert {path.name for path in paths} == {"x.bam"}
    assert {path.parents[2] for path in paths} == {Path("/c/files/s3")}


def test_a_folder_is_known_by_all_keys_and_etags() -> None:
    """One that is added, gone, renamed or changed makes another folder; their order does not."""
    folders = [
        folder_of("b", "d/", entries(*keys))
        for keys in (("d/x", "d/y"), ("d/x",), ("d/x", "d/z"), ("d/x", "d/y", "d/e/"))
    ]
    changed = folder_of("b", "d/", [*entries("d/x"), {**entries("d/y")[0], "ETag": '"new"'}])
    assert len({digest(each) for each in (*folders, changed)}) == 5
    assert digest(folder_of("b", "d/", entries("d/y", "d/x"))) == digest(folders[0])
    assert place(Path("/c"), folders[0]).path.name == "d"
    assert place(Path("/c"), folder_of("b", "", entries("x"))).path.name == "b"


@pytest.mark.parametrize(
    "keys",
    [
        ("d/../x",),
        ("d/a//b",),
        ("d//",),
        ("d/./x",),
        ("d/a", "d/a/b"),
        ("d/a", "d/a/"),
        ("d/a\0b",),
    ],
)
def test_keys_that_are_no_tree_of_files_are_refused(keys: tuple[str, ...]) -> None:
    """No key leads out of the folder, and none is a file and a folder."""
    with pytest.raises(StagingError, match="s3://b/d/ cannot be a directory: the key"):
        folder_of("b", "d/", entries(*keys))


def test_an_empty_folder_is_refused() -> None:
    """A prefix that nothing begins with is a mistake in the input."""
    with pytest.raises(StagingError, match="s3://b/d/ is empty"):
        folder_of("b", "d/", [])


def test_checksums_of_parts_tell_nothing_of_the_whole() -> None:
    """A composite checksum is not taken for one of the content."""
    answer = {"ETag": '"e-2"', "ContentLength": 1, "LastModified": NOW}
    whole = object_of("b", "k", {**answer, "ChecksumSHA256": "a=", "ChecksumType": "FULL_OBJECT"})
    assert (whole.checksums, whole.composites) == ({"SHA256": "a="}, {})
    for told in (
        {"ChecksumSHA256": "a=", "ChecksumType": "COMPOSITE"},
        {"ChecksumSHA256": "a=-2", "ChecksumType": "COMPOSITE"},
        {"ChecksumSHA256": "a=-2"},
        {"ChecksumSHA256": "a="},
    ):
        found = object_of("b", "k", {**answer, **told})
        assert (found.checksums, found.composites) == ({}, {"SHA256": "a="})


@pytest.mark.parametrize(
    ("etag", "count"), [("0123", 0), ("0123-1", 1), ("0123-10000", 10000), ("a-b", 0), ("a-0", 0)]
)
def test_an_etag_tells_the_number_of_parts(etag: str, count: int) -> None:
    """That of an object put whole has none."""
    assert dataclasses.replace(OBJECT, etag=etag).part_count == count
