"""The log files of tasks, with smaller buffers than Python gives to every file.

Each line is written out at once, so that a buffer only takes memory: as much as the file system
names as its block, 4 KiB as a rule and 1 MiB on Amazon EFS, for each task that is under way.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from WDL._util import LOGGING_FORMAT, StructuredLogMessageJSONFormatter

TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


BUFFER_BYTES = 512


class SpareFileHandler(logging.FileHandler):
    """A log file with a small buffer."""

    def _open(self) -> io.TextIOWrapper:
        return Path(self.baseFilename).open("a", BUFFER_BYTES, self.encoding, self.errors)


@contextlib.contextmanager
def logging_file_handler(
    logger: logging.Logger,
    filename: str,
    json: bool = False,  # noqa: FBT001, FBT002  (miniwdl's own signature)
) -> Iterator[logging.FileHandler]:
    """Do what ``WDL._util.LoggingFileHandler`` does."""
    handler = SpareFileHandler(filename)
    formatter: Any = StructuredLogMessageJSONFormatter
    handler.setFormatter(formatter() if json else logging.Formatter(LOGGING_FORMAT, TIME_FORMAT))
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        handler.close()
