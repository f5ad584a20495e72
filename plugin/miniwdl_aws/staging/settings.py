"""What miniwdl's configuration says of inputs on S3."""

from dataclasses import dataclass
from pathlib import Path

from miniwdl_aws.backend import readers
from miniwdl_aws.backend.settings import SECTION, Configuration, read_option
from miniwdl_aws.parsing import boolean

DEFAULT_THRESHOLD_BYTES = 5 * 2**30
"""At the 50 to 100 MB/s of a small container this takes about as long as a task job to start."""

DEFAULT_CONCURRENCY = 32
"""Of MAX_CONNECTIONS that a client keeps alive."""

BACKENDS = frozenset({"aws_batch_job", "aws_batch_job_no_efs"})
"""The container backends whose tasks see what the workflow job stages."""

CACHE_BACKEND = "aws_content"
"""The call cache that knows inputs on S3 by their content (``[call_cache] backend``)."""

SCHEME = "s3://"


@dataclass(frozen=True, kw_only=True)
class StagingSettings:
    """How inputs on S3 are staged.

    Attributes:
        cache: the folder of the download cache.
        region: the region; boto3's own choice if empty.
        threshold_bytes: above which a task job stages an input; 0 for never.
        concurrency: requests for content that are under way at once.
        requester_pays: whether requests may be charged to this account.
        image: the image of task jobs that stage; that of the workflow job if empty.
    """

    cache: Path
    region: str = ""
    threshold_bytes: int = DEFAULT_THRESHOLD_BYTES
    concurrency: int = DEFAULT_CONCURRENCY
    requester_pays: bool = False
    image: str = ""


def read_settings(cfg: Configuration) -> StagingSettings:
    """Read and check the settings.

    Raises:
        ConfigurationError: an option is wrong.
    """
    root = Path(cfg.get("file_io", "root", "/"))
    return StagingSettings(
        cache=root / cfg.get("download_cache", "dir", ""),
        region=cfg.get(SECTION, "region", ""),
        threshold_bytes=read_option(
            cfg, "s3_download_threshold", readers.memory_bytes, DEFAULT_THRESHOLD_BYTES
        ),
        concurrency=read_option(cfg, "s3_download_concurrency", _concurrency, DEFAULT_CONCURRENCY),
        requester_pays=read_option(cfg, "s3_requester_pays", boolean, default=False),
        image=cfg.get(SECTION, "s3_download_image", ""),
    )


def stages(cfg: Configuration) -> bool:
    """Tell whether tasks run where what this process stages can be seen."""
    return cfg.get("scheduler", "container_backend", "") in BACKENDS


_concurrency = readers.at_least(int, 1, "a whole number, at least 1")
