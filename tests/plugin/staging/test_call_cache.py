"""Tests of `miniwdl_aws.staging.call_cache`."""

import logging
from pathlib import Path
from typing import Any

import pytest
import WDL
from WDL.runtime.cache import CallCacheAddPaths
from WDL.runtime.config import Loader

from miniwdl_aws.backend.call_cache import last_content
from miniwdl_aws.backend.calls import call_key
from miniwdl_aws.heads import RunPlace
from miniwdl_aws.staging import call_cache
from miniwdl_aws.staging.call_cache import ContentCallCache
from miniwdl_aws.staging.settings import StagingSettings
from miniwdl_aws.staging.stager import Stager

TASK = WDL.parse_document(
    """
    version 1.1
    task t {
      input { File f  Int n = 1 }
      command {}
      output { Int o = 1 }
    }
    """
).tasks[0]
KEY = "t/digest/inputs"


@pytest.fixture
def open_cache(clients: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open the call cache as another run does."""
    stager = Stager(StagingSettings(cache=tmp_path / "download"), clients)
    monkeypatch.setattr(call_cache, "open_stager", lambda _: stager)

    def make(backend: str = "aws_batch_job", *, enabled: bool = True) -> ContentCallCache:
        overrides: dict[str, Any] = {
            "scheduler": {"container_backend": backend},
            "call_cache": {"get": enabled, "put": True, "dir": str(tmp_path / "call")},
            "download_cache": {"put": True, "get": True, "dir": str(tmp_path / "download")},
        }
        logger = logging.getLogger("test")
        return ContentCallCache(Loader(logger, filenames=[], overrides=overrides), logger)

    return make


def inputs(uri: str = "s3://b/k") -> Any:
    return WDL.values_from_json({"f": uri}, TASK.available_inputs)


def put(cache: ContentCallCache, tmp_path: Path) -> None:
    outputs = WDL.values_from_json({"o": 7}, TASK.effective_outputs)
    paths = CallCacheAddPaths(absent_paths={str(tmp_path / "absent")})
    cache.put(KEY, outputs, inputs=inputs(), add_paths=paths)


def get(cache: ContentCallCache) -> Any:
    found = cache.get(KEY, inputs(), TASK.effective_outputs)
    return None if found is None else WDL.values_to_json(found)


def test_a_call_is_known_by_what_lies_on_s3(open_cache: Any, s3: Any, tmp_path: Path) -> None:
    """The same content is a hit, with its further paths; a changed one is a miss."""
    s3.objects["k"] = b"old"
    put(open_cache(), tmp_path)
    again = open_cache()
    assert get(again) == {"o": 7}
    assert again.get_add_paths(KEY).absent_paths == {str(tmp_path / "absent")}
    s3.objects["k"] = b"new"
    assert get(open_cache()) is None
    s3.objects["k"] = b"old"
    assert get(open_cache()) == {"o": 7}


@pytest.mark.parametrize("enabled", [True, False])
def test_a_later_head_knows_a_call_by_what_lies_on_s3(
    open_cache: Any, s3: Any, tmp_path: Path, enabled: bool
) -> None:
    """Whether outputs may come out of the cache or not: a changed input is another call."""
    place, keys = RunPlace(run_dir=tmp_path, head=1), list[str]()
    for content in (b"old", b"new", b"old"):
        s3.objects["k"] = content
        get(open_cache(enabled=enabled))
        keys.append(call_key(TASK, inputs(), place, last_content()))
    assert keys[0] == keys[2] != keys[1]
    assert call_key(TASK, inputs(), place) not in keys
    assert last_content() == ""
    assert len(s3.calls) == 3


def test_a_call_without_inputs_on_s3_has_nothing_of_another(open_cache: Any, s3: Any) -> None:
    """A thread runs one call after another."""
    s3.objects["k"] = b"old"
    cache = open_cache()
    get(cache)
    cache.get(KEY, inputs("/mnt/efs/f"), TASK.effective_outputs)
    assert last_content() == ""


def test_a_run_asks_for_an_input_once(open_cache: Any, s3: Any) -> None:
    """All calls of a run with the same input see the same content."""
    s3.objects["k"] = b"old"
    cache = open_cache()
    get(cache)
    get(cache)
    assert len(s3.calls) == 1


def test_what_was_downloaded_is_what_is_remembered(
    open_cache: Any, s3: Any, tmp_path: Path
) -> None:
    """A change after the download does not make the outputs those of the new content."""
    cache = open_cache()
    cache.memo_download("s3://b/k", str(tmp_path / "files/s3/b/digest-of-old/k"))
    s3.objects["k"] = b"new"
    put(cache, tmp_path)
    assert s3.calls == []
    assert get(open_cache()) is None


def test_an_input_that_cannot_be_asked_for_is_a_miss(
    open_cache: Any, s3: Any, tmp_path: Path
) -> None:
    """What is not known is never a hit, and nothing is remembered for it."""
    cache = open_cache()
    assert get(cache) is None
    put(cache, tmp_path)
    assert not list((tmp_path / "call").rglob("*.json"))
    assert s3.calls


def test_miniwdl_keeps_nothing_from_s3_by_its_uri(open_cache: Any) -> None:
    """Other schemes, and other container backends, are as ever."""
    assert open_cache().download_path("s3://b/k") is None
    assert open_cache().download_path("https://b/k") is not None
    assert open_cache("docker_swarm").download_path("s3://b/k") is not None
