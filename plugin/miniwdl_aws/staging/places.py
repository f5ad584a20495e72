"""Where a staged input lies below the download cache, and where it is made.

The folders have the depth of miniwdl's own downloads, so that its script that cleans the cache
finds them too; names of miniwdl's begin with "_" where ours have a digest.
"""

from dataclasses import dataclass
from pathlib import Path

from miniwdl_aws.staging.objects import Folder, S3Object, digest


@dataclass(frozen=True, kw_only=True)
class Place:
    """The places of one input.

    Attributes:
        path: where it lies once it is complete.
        making: the folder in which it is made, on the same file system.
    """

    path: Path
    making: Path


def place(cache: Path, content: S3Object | Folder) -> Place:
    """Give the places of an input: other content has other places, and it keeps its own name.

    Args:
        cache: the folder of the download cache.
        content: the object or folder.
    """
    known_by = digest(content)
    if isinstance(content, S3Object):
        kind, name = "files", content.key.rpartition("/")[2]
    else:
        kind, name = "dirs", content.prefix.rstrip("/").rpartition("/")[2] or content.bucket
    return Place(
        path=cache / kind / "s3" / content.bucket / known_by / name,
        making=cache / "ops" / "s3" / known_by,
    )
