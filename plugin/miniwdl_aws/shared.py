"""The file system that all jobs share, as this machine sees it."""

import os.path
from dataclasses import dataclass

from miniwdl_aws.settings import is_below


@dataclass(frozen=True)
class SharedFileSystem:
    """Where the shared file system is.

    Attributes:
        mount: its mount point in all jobs.
        here: the folder of this machine that jobs see at ``mount``; empty if it is ``mount`` too,
            or if this machine does not have it.
    """

    mount: str
    here: str = ""

    def in_job(self, path: str) -> str | None:
        """Give a path of this machine as the jobs see it; None if they do not.

        >>> SharedFileSystem("/mnt/efs", "/home/ada").in_job("/home/ada/a b/")
        '/mnt/efs/a b/'
        >>> SharedFileSystem("/mnt/efs").in_job("/mnt/efs2/x")
        """
        absolute = os.path.abspath(path)  # noqa: PTH100  (by its parts alone: the jobs' links are not this machine's)
        slash = "/" if path.endswith("/") else ""
        for folder in (self.mount, self.here):
            if folder and is_below(absolute, folder):
                return self.mount + absolute[len(folder.rstrip("/")) :] + slash
        return None

    def sees(self, uri: str) -> bool:
        """Tell whether a job can open this: a URI, or a path on the shared file system."""
        if "://" in uri:
            return not uri.startswith("file://")
        return self.in_job(uri) is not None
