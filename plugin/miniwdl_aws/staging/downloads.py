"""miniwdl's interface to the staging: its plugins for the scheme ``s3``.

miniwdl loads its own downloaders first and those of distributions after them, by scheme, so ours
take their place. Where the container backend is not one of ours they hand on to miniwdl's.
"""

import logging
import os
import shutil
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

from WDL._util import StructuredLogMessage as Message, TerminationSignalFlag
from WDL.runtime.download import awscli_directory_downloader, awscli_downloader
from WDL.runtime.error import Terminated

from miniwdl_aws.errors import StagingError
from miniwdl_aws.staging.settings import CACHE_BACKEND, read_settings, stages
from miniwdl_aws.staging.stager import Stager, open_stager
from miniwdl_aws.staging.task_job import task_of

Download = Generator[dict[str, Any], dict[str, Any], None]


def file_download(cfg: Any, logger: logging.Logger, uri: str, **other: Any) -> Download:
    """Give a File on S3 (miniwdl's plugin group ``file_download``)."""
    if stages(cfg):
        yield from _download(cfg, logger, uri, directory=False)
    else:
        yield from awscli_downloader(cfg, logger, uri, **other)


def directory_download(cfg: Any, logger: logging.Logger, uri: str, **other: Any) -> Download:
    """Give a Directory on S3 (miniwdl's plugin group ``directory_download``)."""
    if stages(cfg):
        yield from _download(cfg, logger, uri, directory=True)
    else:
        yield from awscli_directory_downloader(cfg, logger, uri, **other)


def _download(cfg: Any, logger: logging.Logger, uri: str, *, directory: bool) -> Download:
    stager = open_stager(read_settings(cfg))
    content = stager.find(uri, directory=directory)
    path = stager.kept(content)
    if path is not None:
        logger.info(Message("staged already", uri=uri, path=str(path)))
    elif task := task_of(stager, content, logger, uri, directory=directory):
        yield task
        path = stager.kept(content)
        if path is None:
            logger.warning(
                Message("the task job may not read it: staging in the workflow job", uri=uri)
            )
    if path is None:
        path = _stage(stager, content, logger)
    if _is_taken_away(cfg):
        path = _copy(path, stager.settings.cache)
    yield {"outputs": {"directory" if directory else "file": str(path)}}


def _stage(stager: Stager, content: Any, logger: logging.Logger) -> Path:
    with TerminationSignalFlag(logger) as terminating:
        try:
            return stager.stage(content, terminating)
        except StagingError as exc:
            if terminating():
                raise Terminated from exc
            raise


def _is_taken_away(cfg: Any) -> bool:
    """Tell whether miniwdl moves downloads to places of its own, by their URIs."""
    own = cfg.get("call_cache", "backend") == CACHE_BACKEND
    return not own and bool(cfg["download_cache"].get_bool("put"))


def _copy(path: Path, cache: Path) -> Path:
    """Give the same under another name, without the bytes."""
    target = cache / "ops" / "s3" / uuid.uuid4().hex / path.name
    if path.is_dir():
        shutil.copytree(path, target, copy_function=os.link)
    else:
        target.parent.mkdir(parents=True)
        target.hardlink_to(path)
    return target
