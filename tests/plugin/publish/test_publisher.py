"""Tests of `miniwdl_aws.publish`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import PublicationError
from miniwdl_aws.marker import read_marker
from miniwdl_aws.publish import publish_run, published_before
from miniwdl_aws.publish.checksums import PART_BYTES, content_checksum, file_checksum, same
from miniwdl_aws.publish.publisher import MANIFEST

URI = "s3://bucket/runs/r/"


def keys(s3: AwsClients) -> set[str]:
    listed = s3.s3.list_objects_v2(Bucket="bucket").get("Contents", [])
    return {each["Key"].removeprefix("runs/r/") for each in listed}


def read(s3: AwsClients, key: str) -> bytes:
    return s3.s3.get_object(Bucket="bucket", Key=f"runs/r/{key}")["Body"].read()


class Recorder:
    """Notes which keys are put, in order."""

    def __init__(self, s3: AwsClients) -> None:
        self.put: list[str] = []
        self.deleted: list[str] = []
        events = s3.s3.meta.events
        events.register("provide-client-params.s3.PutObject", self._put)
        events.register("provide-client-params.s3.DeleteObject", self._delete)

    def _put(self, params: dict[str, Any], **_: Any) -> None:
        self.put.append(params["Key"].removeprefix("runs/r/"))

    def _delete(self, params: dict[str, Any], **_: Any) -> None:
        self.deleted.append(params["Key"].removeprefix("runs/r/"))


def test_a_run_is_published_with_outputs_last(s3: AwsClients, run_dir: Path) -> None:
    """All files are there under their places in out/, and outputs.json names them, put last."""
    recorder = Recorder(s3)
    publication = publish_run(s3, run_dir, URI)
    assert recorder.put[-2:] == [MANIFEST, "outputs.json"]
    assert keys(s3) == {
        "workflow.log",
        "files/0/part.txt",
        "files/1/part.txt",
        "files/2/part.txt",
        "folder/folder/inner/x.txt",
        "cached/cached.txt",
        MANIFEST,
        "outputs.json",
    }
    assert json.loads(read(s3, "outputs.json")) == publication.outputs
    assert publication.outputs == {
        "wf.n": 3,
        "wf.text": "/etc/hostname",
        "wf.missing": None,
        "wf.files": [f"{URI}files/{n}/part.txt" for n in range(3)],
        "wf.folder": f"{URI}folder/folder",
        "wf.cached": f"{URI}cached/cached.txt",
    }
    assert publication.object_count == publication.put_count == 8
    marker = read_marker(run_dir)
    assert marker is not None
    assert marker.published == URI


def test_every_object_bears_its_sha256(s3: AwsClients, run_dir: Path) -> None:
    """S3 knows the SHA-256 of each object, and the manifest lists it."""
    publish_run(s3, run_dir, URI)
    listed = {row["key"]: row for row in json.loads(read(s3, MANIFEST))["objects"]}
    for key in keys(s3) - {MANIFEST, "outputs.json"}:
        head = s3.s3.head_object(Bucket="bucket", Key=f"runs/r/{key}", ChecksumMode="ENABLED")
        assert head["ChecksumSHA256"] == content_checksum(read(s3, key))
        assert listed[key]["checksum_sha256"] == head["ChecksumSHA256"]
        assert listed[key]["size"] == head["ContentLength"]


def test_a_complete_publication_is_only_looked_at(s3: AwsClients, run_dir: Path) -> None:
    """Publishing again puts nothing."""
    first = publish_run(s3, run_dir, URI)
    recorder = Recorder(s3)
    second = publish_run(s3, run_dir, URI)
    assert recorder.put == recorder.deleted == []
    assert second.put_count == 0
    assert second.object_count == first.object_count
    assert second.outputs == first.outputs


def test_old_results_of_equal_size_are_replaced(s3: AwsClients, run_dir: Path) -> None:
    """Content decides, not size and time: an older file of equal size is put all the same."""
    publish_run(s3, run_dir, URI)
    changed = run_dir / "call-a/work/1.txt"
    changed.write_text("PART 1")
    os.utime(changed, (0, 0))
    recorder = Recorder(s3)
    publish_run(s3, run_dir, URI)
    assert read(s3, "files/1/part.txt") == b"PART 1"
    assert recorder.deleted == ["outputs.json"]
    assert recorder.put == ["files/1/part.txt", MANIFEST, "outputs.json"]


def test_an_interrupted_publication_is_taken_up(s3: AwsClients, run_dir: Path) -> None:
    """What is there is kept; only the rest is put."""
    publish_run(s3, run_dir, URI)
    for key in ("files/2/part.txt", "outputs.json"):
        s3.s3.delete_object(Bucket="bucket", Key=f"runs/r/{key}")
    recorder = Recorder(s3)
    publish_run(s3, run_dir, URI)
    assert recorder.put == ["files/2/part.txt", MANIFEST, "outputs.json"]


def test_large_files_go_in_parts_with_a_checksum_each(s3: AwsClients, run_dir: Path) -> None:
    """A file above the part size bears the composite checksum that we compute, and is compared."""
    large = run_dir / "call-a/work/0.txt"
    large.write_bytes(os.urandom(2 * PART_BYTES + 17))
    publish_run(s3, run_dir, URI)
    assert read(s3, "files/0/part.txt") == large.read_bytes()
    head = s3.s3.head_object(Bucket="bucket", Key="runs/r/files/0/part.txt", ChecksumMode="ENABLED")
    assert same(head["ChecksumSHA256"], file_checksum(large, large.stat().st_size))
    recorder = Recorder(s3)
    assert publish_run(s3, run_dir, URI).put_count == 0
    assert recorder.put == []


def test_a_dangling_link_is_reported_and_the_rest_published(s3: AwsClients, run_dir: Path) -> None:
    """A link that no output names and leads nowhere does not fail a run that succeeded."""
    (run_dir / "out/stray").symlink_to("nowhere")
    publication = publish_run(s3, run_dir, URI)
    assert publication.dangling == ("stray",)
    assert publication.object_count == 8


def test_a_missing_output_fails_before_anything_is_put(s3: AwsClients, run_dir: Path) -> None:
    """outputs.json never names what is not there."""
    (run_dir / "call-a/work/1.txt").unlink()
    with pytest.raises(PublicationError, match=r"files/1/part\.txt leads nowhere") as caught:
        publish_run(s3, run_dir, URI)
    assert caught.value.failed == ("files/1/part.txt",)
    assert keys(s3) == set()


def test_links_that_go_round_end(s3: AwsClients, run_dir: Path) -> None:
    """A link to a folder above itself is left out and named."""
    (run_dir / "call-a/work/folder/inner/up").symlink_to("../../folder")
    publication = publish_run(s3, run_dir, URI)
    assert len(publication.dangling) == 1
    assert publication.dangling[0].startswith("folder/folder/inner/up")


def test_a_failed_run_leaves_its_error_and_streams(s3: AwsClients, failed_run_dir: Path) -> None:
    """error.json is put last and names the failed command's streams on S3."""
    recorder = Recorder(s3)
    publication = publish_run(s3, failed_run_dir, URI)
    assert recorder.put[-1] == "error.json"
    assert keys(s3) == {"workflow.log", "CommandFailed_stderr.txt", MANIFEST, "error.json"}
    cause = json.loads(read(s3, "error.json"))["cause"]
    assert cause["stderr_s3file"] == f"{URI}CommandFailed_stderr.txt"
    assert "stdout_s3file" not in cause
    assert read(s3, "CommandFailed_stderr.txt") == b"alas\n"
    assert publication.outputs is None


def test_a_later_failure_withdraws_the_earlier_outputs(
    s3: AwsClients, run_dir: Path, failed_run_dir: Path
) -> None:
    """The folder never claims success and failure at once."""
    publish_run(s3, run_dir, URI)
    publish_run(s3, failed_run_dir, URI)
    assert "outputs.json" not in keys(s3)
    publish_run(s3, run_dir, URI)
    assert "error.json" not in keys(s3)


def test_what_could_not_be_put_is_listed(s3: AwsClients, run_dir: Path) -> None:
    """After all tries the error names each object that is missing; outputs.json is not put."""

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Key"].endswith("1/part.txt"):
            params["ChecksumSHA256"] = content_checksum(b"other")

    s3.s3.meta.events.register("provide-client-params.s3.PutObject", refuse)
    with pytest.raises(PublicationError) as caught:
        publish_run(s3, run_dir, URI)
    assert caught.value.failed == ("files/1/part.txt",)
    assert "1 of 6 objects" in str(caught.value)
    assert "outputs.json" not in keys(s3)
    marker = read_marker(run_dir)
    assert marker is not None
    assert marker.published == ""


def test_a_name_that_s3_cannot_hold_is_listed(
    s3: AwsClients, run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file name that is no UTF-8 fails alone, by name, after all else is there.

    Logs, which may take nothing else, can take what is said of it.
    """
    odd = os.fsencode(run_dir / "call-a/work/folder") + b"/\xff.txt"
    Path(os.fsdecode(odd)).write_text("x")
    with pytest.raises(PublicationError) as caught:
        publish_run(s3, run_dir, URI)
    assert len(caught.value.failed) == 1
    assert "\\udcff.txt" in str(caught.value)
    assert f"{caught.value}{caplog.text}".encode()
    assert "files/0/part.txt" in keys(s3)
    assert "outputs.json" not in keys(s3)


def test_a_run_that_has_not_ended_is_refused(s3: AwsClients, run_dir: Path) -> None:
    """Without outputs and without an error there is nothing to publish."""
    (run_dir / "outputs.json").unlink()
    with pytest.raises(PublicationError, match="has not ended"):
        publish_run(s3, run_dir, URI)


def test_a_publication_is_seen_when_its_directory_is_gone(s3: AwsClients, run_dir: Path) -> None:
    """The manifest tells whether all is there."""
    first = publish_run(s3, run_dir, URI)
    found = published_before(s3, URI)
    assert found is not None
    assert (found.outputs, found.object_count) == (first.outputs, first.object_count)
    s3.s3.delete_object(Bucket="bucket", Key="runs/r/files/0/part.txt")
    assert published_before(s3, URI) is None
