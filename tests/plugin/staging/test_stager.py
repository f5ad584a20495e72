"""Tests of `miniwdl_aws.staging.stager`, and of how S3 is asked."""

import errno
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.errors import AwsAccessDeniedError, AwsError, AwsNotFoundError, StagingError
from miniwdl_aws.staging.failures import explain
from miniwdl_aws.staging.settings import StagingSettings
from miniwdl_aws.staging.stager import Stager

URI = "s3://b/k"


def stage(stager: Stager, uri: str = URI, *, directory: bool = False) -> Path:
    return stager.stage(stager.find(uri, directory=directory))


def gets(s3: Any) -> int:
    return len([operation for operation, _ in s3.calls if operation == "GetObject"])


def test_a_folder_is_staged_as_it_is(stager: Stager, s3: Any, tmp_path: Path) -> None:
    """All objects are there, with the folders that have an object of their own; nothing else."""
    s3.objects = {"d/a/x": b"1", "d/y": b"", "d/e/": b"", "d": b"no", "dd/z": b"no"}
    path = stage(stager, "s3://b/d", directory=True)
    found = {str(each.relative_to(path)) for each in path.rglob("*")}
    assert found == {"a", "a/x", "y", "e"}
    assert path.name == "d"
    assert (path / "a/x").read_bytes() == b"1"
    assert stage(stager, "s3://b/d/", directory=True) == path
    assert gets(s3) == 1
    assert list((tmp_path / "cache" / "ops" / "s3").iterdir()) == []


def test_a_folder_goes_on_where_it_ended(stager: Stager, s3: Any, make_error: Any) -> None:
    """Files that had come are not asked for again."""
    s3.objects = {f"d/{i}": b"x" for i in range(5)}
    asked = itertools.count(1)
    s3.before_get = lambda: s3.errors.extend([make_error("InternalError")] * (next(asked) == 4))
    with pytest.raises(StagingError, match="s3://b/d/ could not be downloaded"):
        stage(stager, "s3://b/d/", directory=True)
    came = gets(s3) - 1
    s3.before_get = lambda: None
    s3.calls.clear()
    assert len(list(stage(stager, "s3://b/d/", directory=True).iterdir())) == 5
    assert gets(s3) == 5 - came


def test_threads_that_want_the_same_fetch_it_once(stager: Stager, s3: Any) -> None:
    """Whoever comes later waits for the first."""
    s3.objects["k"] = b"content"
    asked = threading.Barrier(8)

    def want(_: int) -> Path:
        content = stager.find(URI, directory=False)
        asked.wait(20)
        return stager.stage(content)

    with ThreadPoolExecutor(8) as pool:
        (path,) = set(pool.map(want, range(8)))
    assert path.read_bytes() == b"content"
    assert gets(s3) == 1


def test_a_copy_of_another_size_is_not_taken(stager: Stager, s3: Any) -> None:
    """What was cut off in the cache is fetched again."""
    s3.objects["k"] = b"content"
    path = stage(stager)
    path.write_bytes(b"con")
    assert stage(stager).read_bytes() == b"content"


def test_what_another_process_completed_meanwhile_is_taken(stager: Stager, s3: Any) -> None:
    """Two processes that make the same are in nobody's way."""
    s3.objects["k"] = b"content"
    other = Stager(stager.settings, stager.clients)
    staged: list[Path] = []

    def overtake() -> None:
        s3.before_get = lambda: None
        staged.append(stage(other))

    s3.before_get = overtake
    assert stage(stager) == staged[0]
    assert staged[0].read_bytes() == b"content"


def test_what_is_refused_is_asked_for_without_credentials(
    stager: Stager, s3: Any, public_s3: Any
) -> None:
    """A public object needs no permission; after the first, the bucket is known to be public."""
    s3.refuses, public_s3.refuses = "403", ""
    public_s3.objects["k"] = b"public"
    assert stage(stager).read_bytes() == b"public"
    assert len(s3.calls) == 1


def test_what_is_not_public_either_is_refused_for_the_first_reason(
    stager: Stager, s3: Any, public_s3: Any
) -> None:
    """The error is of the role, not of nobody."""
    s3.refuses = "InvalidAccessKeyId"
    with pytest.raises(StagingError, match=r"k cannot be read.*InvalidAccessKeyId") as caught:
        stage(stager)
    assert caught.value.category == "denied"
    assert public_s3.calls


@pytest.mark.parametrize("pays", [True, False])
def test_the_requester_pays_if_told_so(clients: Any, s3: Any, tmp_path: Path, pays: bool) -> None:
    """All requests say so, or none."""
    s3.objects["d/k"] = b"x"
    stager = Stager(StagingSettings(cache=tmp_path, requester_pays=pays), clients)
    stage(stager, "s3://b/d/k")
    stage(stager, "s3://b/d/", directory=True)
    assert s3.payers == {"requester" if pays else ""}


def test_a_look_is_an_answer_to_the_next_question(stager: Stager, s3: Any) -> None:
    """What the call cache has asked is not asked again, and the time after it is."""
    s3.objects["k"] = b"x"
    looked = stager.look(URI, directory=False)
    assert stager.find(URI, directory=False) is looked
    assert len(s3.calls) == 1
    stager.find(URI, directory=False)
    assert len(s3.calls) == 2


@pytest.mark.parametrize(
    ("error", "category", "words"),
    [
        (AwsNotFoundError("HeadObject", "404", "Not Found"), "missing", "does not exist"),
        (AwsAccessDeniedError("GetObject", "AccessDenied", "no"), "denied", "s3:ListBucket"),
        (AwsError("GetObject", "InvalidObjectState", "no"), "archived", "Restore it"),
        (AwsError("GetObject", "PreconditionFailed", "no"), "changed", "changed while"),
        (AwsError("GetObject", "Odd", "no"), "failed", "could not be downloaded: GetObject"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space", "no space is left"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), "failed", "below /cache"),
    ],
)
def test_each_failure_has_its_sentence(error: Any, category: str, words: str) -> None:
    """It names the input, what is wrong and what to do."""
    explained = explain(URI, error, Path("/cache"))
    assert explained.category == category
    assert str(explained).startswith(f"{URI} ")
    assert words in str(explained)


def test_a_full_disk_is_told(stager: Stager, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails with the folder that is full."""
    s3.objects["k"] = b"x"

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StagingError, match=r"could not be written below .*cache: no space is left"):
        stage(stager)
