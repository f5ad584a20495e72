"""Tests of what miniwdl sees: the downloaders, the task of large inputs, the call cache."""

import logging
import shlex
from pathlib import Path
from typing import Any

import pytest
import WDL
from WDL.runtime.config import Loader, load_plugins

from miniwdl_aws.cli import stage as stage_command
from miniwdl_aws.staging import downloads
from miniwdl_aws.staging.settings import StagingSettings, read_settings
from miniwdl_aws.staging.stager import Stager
from miniwdl_aws.staging.task_job import task_of

LOGGER = logging.getLogger("test")


def configuration(**sections: dict[str, Any]) -> Loader:
    return Loader(LOGGER, filenames=[], overrides=sections)


def test_ours_take_the_place_of_miniwdls_own() -> None:
    """Miniwdl takes the last downloader of a scheme, and ours come after its own."""
    cfg = configuration()
    for group, ours in (
        ("file_download", downloads.file_download),
        ("directory_download", downloads.directory_download),
    ):
        assert dict(load_plugins(cfg, group))["s3"] is ours


@pytest.mark.parametrize("name", ["file_download", "directory_download"])
def test_with_another_backend_miniwdl_downloads(name: str) -> None:
    """Where tasks run on this machine, an installed plugin changes nothing."""
    cfg = configuration(scheduler={"container_backend": "docker_swarm"})
    (asked,) = [next(getattr(downloads, name)(cfg, LOGGER, "s3://b/k"))]
    assert "task aws_s3_cp" in asked["task_wdl"]


def test_settings_are_read() -> None:
    """A relative folder of the cache lies below the mount point."""
    cfg = configuration(
        file_io={"root": "/mnt/efs"},
        download_cache={"dir": "cache"},
        aws={
            "s3_download_threshold": "2 MiB",
            "s3_download_concurrency": "3",
            "s3_requester_pays": "true",
            "s3_download_image": "image",
            "region": "eu-west-1",
        },
    )
    assert read_settings(cfg) == StagingSettings(
        cache=Path("/mnt/efs/cache"),
        region="eu-west-1",
        threshold_bytes=2 * 2**20,
        concurrency=3,
        requester_pays=True,
        image="image",
    )


@pytest.mark.parametrize(("threshold", "planned"), [(9, True), (10, False), (0, False)])
def test_a_task_stages_what_is_larger_than_the_threshold(
    clients: Any, s3: Any, tmp_path: Path, threshold: int, planned: bool
) -> None:
    """Above it, with 0 for never; its command takes any key as it is."""
    uri = "s3://b/it's a ~{key} $HOME.txt"
    s3.objects[uri.removeprefix("s3://b/")] = b"0123456789"
    settings = StagingSettings(
        cache=tmp_path, threshold_bytes=threshold, image="image", requester_pays=True
    )
    stager = Stager(settings, clients)
    task = task_of(stager, stager.find(uri, directory=False), LOGGER, uri, directory=False)
    assert (task is not None) is planned
    if task:
        WDL.parse_document(task["task_wdl"], version="development").typecheck()
        assert task["inputs"]["docker"] == "image"
        program, *words = shlex.split(task["inputs"]["line"])
        args = stage_command._parser().parse_args(words)
        assert program == "miniwdl-aws-stage"
        assert (args.uri, args.cache, args.directory) == (uri, tmp_path, False)
        assert (args.requester_pays, args.region) == (True, "us-west-2")


def test_a_large_input_without_an_image_is_staged_here(
    clients: Any, s3: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Outside AWS Batch no image is known; the log says how to name one."""
    s3.objects["k"] = b"0123456789"
    stager = Stager(StagingSettings(cache=tmp_path, threshold_bytes=1), clients)
    with caplog.at_level(logging.INFO):
        found = stager.find("s3://b/k", directory=False)
        assert task_of(stager, found, LOGGER, "s3://b/k", directory=False) is None
    assert "s3_download_image" in caplog.text


@pytest.mark.parametrize("denied", [True, False])
def test_what_the_task_job_may_not_read_the_workflow_job_stages(
    clients: Any, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denied: bool
) -> None:
    """A task that was let to leaves it in the cache, and nothing is fetched a second time."""
    s3.objects["k"] = b"0123456789"
    stager = Stager(StagingSettings(cache=tmp_path, threshold_bytes=1, image="image"), clients)
    monkeypatch.setattr(downloads, "open_stager", lambda _: stager)
    cfg = configuration(scheduler={"container_backend": "aws_batch_job"})
    download = downloads.file_download(cfg, LOGGER, "s3://b/k")
    assert "task stage_from_s3" in next(download)["task_wdl"]
    if not denied:
        stager.stage(stager.find("s3://b/k", directory=False))
    s3.calls.clear()
    path = Path(download.send({"outputs": {}})["outputs"]["file"])
    assert path.read_bytes() == b"0123456789"
    assert len(s3.calls) == denied


def test_a_cache_by_uris_gets_copies(
    clients: Any, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Miniwdl moves what it keeps by its URI; what is known by its content stays."""
    s3.objects["d/k"] = b"x"
    stager = Stager(StagingSettings(cache=tmp_path), clients)
    monkeypatch.setattr(downloads, "open_stager", lambda _: stager)
    cfg = configuration(
        scheduler={"container_backend": "aws_batch_job"}, download_cache={"put": True}
    )
    for download, uri, kind in (
        (downloads.file_download, "s3://b/d/k", "file"),
        (downloads.directory_download, "s3://b/d/", "directory"),
    ):
        path = Path(next(download(cfg, LOGGER, uri))["outputs"][kind])
        kept = stager.kept(stager.find(uri, directory=kind == "directory"))
        assert kept is not None
        assert path != kept
        assert path.name == kept.name
        assert [each.read_bytes() for each in (path, path / "k") if each.is_file()] == [b"x"]
