"""Tests of `miniwdl_aws.runner.tuning.logfiles`."""

import logging
import re
from pathlib import Path

import pytest
from WDL._util import LoggingFileHandler, StructuredLogMessage

from miniwdl_aws.runner.tuning.logfiles import BUFFER_BYTES, logging_file_handler


@pytest.mark.parametrize("json", [False, True])
def test_lines_are_miniwdls_own(json: bool, tmp_path: Path) -> None:
    """Each is in the file before the next one is logged, however long it is."""
    logger = logging.getLogger("test_logfiles")
    logger.setLevel(logging.INFO)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with (
        logging_file_handler(logger, str(ours), json) as handler,
        LoggingFileHandler(logger, str(theirs), json=json),
    ):
        for text in ("short", "ä" * 3 * BUFFER_BYTES):
            logger.info(StructuredLogMessage(text, number=1))
            assert without_times(ours) == without_times(theirs)
        assert handler in logger.handlers
    assert not logger.handlers
    logger.info("later")
    assert len(ours.read_text().splitlines()) == 2


def without_times(path: Path) -> str:
    return re.sub(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\"timestamp\": ?\"[^\"]*\"", "", path.read_text()
    )


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    """As when a directory is used again."""
    logger = logging.getLogger("test_logfiles")
    for _ in range(2):
        with logging_file_handler(logger, str(tmp_path / "log")):
            logger.warning("again")
    assert len((tmp_path / "log").read_text().splitlines()) == 2
