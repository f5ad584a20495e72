"""What all tests share besides the fixtures of our own pytest plugin: a way to wait."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from miniwdl_aws.local import LocalAwsSettings
from miniwdl_aws.local.endpoint.rates import NO_RATES
from tests.answers import checked_answers  # noqa: F401 - a fixture
from tests.engines import (  # noqa: F401 - fixtures
    busybox_image,
    container_aws,
    docker_host,
    engine,
    registry,
)

HERE = Path(__file__).parent

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """A shell has background jobs ignore SIGINT, and so would all programs that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


TOGETHER = ("e2e", "container", "packaging", "foreign")
"""What is slow and shares what takes long to set up: one process runs all tests of each, and these
first."""


def group_of(item: pytest.Item) -> str:
    """Name the tests that one process runs: those of one of `TOGETHER`, or of one file."""
    if item.get_closest_marker("container") or "engine" in getattr(item, "fixturenames", ()):
        return "container"
    path = item.path.relative_to(HERE)
    return path.parts[0] if path.parts[0] in TOGETHER else str(path)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell pytest-xdist what belongs together."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    ranks = {name: rank for rank, name in enumerate(TOGETHER)}
    items.sort(key=lambda item: ranks.get(group_of(item), len(ranks)))


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
