"""What all tests share: one local AWS, and clients of it."""

from collections.abc import Iterator

import pytest

from miniwdl_aws.local import LocalAws, LocalAwsSettings


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """A local AWS for the whole session, stopped with all of its jobs at its end."""
    with LocalAws(LocalAwsSettings(stop_timeout_seconds=2)) as aws:
        yield aws
