"""What all tests share: one local AWS, and a way to wait for something."""

import threading
from collections.abc import Callable, Iterator

import pytest

from miniwdl_aws.local import LocalAws, LocalAwsSettings
from miniwdl_aws.local.rates import NO_RATES
from tests.answers import checked_answers  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """A local AWS for the whole session, stopped with all of its jobs at its end.

    Without rates: tests must not throttle one another. Tests of rates, the end-to-end tests and
    the demonstration start local AWSs of their own, which have them.
    """
    with LocalAws(LocalAwsSettings(stop_timeout_seconds=2, rates=NO_RATES)) as aws:
        yield aws


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait for a condition, a minute at most."""

    def wait(condition: Callable[[], object]) -> None:
        tick = threading.Event()
        for _ in range(600):
            if condition():
                return
            tick.wait(0.1)
        pytest.fail("the condition never came true")

    return wait
