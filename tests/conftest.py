"""What all tests share besides the fixtures of our own pytest plugin: a way to wait."""

import signal
import threading
from collections.abc import Callable

import hypothesis
import pytest

from miniwdl_aws.local import LocalAwsSettings
from miniwdl_aws.local.rates import NO_RATES
from tests.answers import checked_answers  # noqa: F401 - a fixture
from tests.engines import (  # noqa: F401 - fixtures
    busybox_image,
    container_aws,
    docker_host,
    engine,
    registry,
)

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """A shell has background jobs ignore SIGINT, and so would all programs that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def local_aws_settings() -> LocalAwsSettings:
    """The settings of the session's local AWS, without rates: tests must not throttle one another.

    Tests of rates, the end-to-end tests and the demonstration start local AWSs that have them.
    """
    return LocalAwsSettings(stop_timeout_seconds=2, rates=NO_RATES)


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
