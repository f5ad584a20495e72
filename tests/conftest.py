"""What all tests share besides the fixtures of our own pytest plugin: a way to wait."""

import signal
import threading
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

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

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """A shell has background jobs ignore SIGINT, and so would all programs that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


TOGETHER = {
    "tests/e2e": "airflow",
    "tests/container": "containers",
    "tests/local/execution/test_container_launcher.py": "containers",
    "tests/local/execution/test_executors.py": "containers",
    "tests/local/faults/test_containers.py": "containers",
    "tests/plugin/backend/test_usage.py": "containers",
    "tests/packaging": "packaging",
    "tests/foreign": "foreign",
}
"""What shares something that takes long to set up, and must not be there twice: one process runs
all tests of each name, and these before all others."""

NAMES = tuple(dict.fromkeys(TOGETHER.values()))


def group_of(nodeid: str) -> str:
    """Name the tests that one process runs: those of one name of `TOGETHER`, or of one file."""
    file = nodeid.partition("::")[0]
    above = (file, *map(str, PurePosixPath(file).parents))
    return next((TOGETHER[path] for path in above if path in TOGETHER), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out the tests to processes by their groups."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  (if it is there)

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest, and see that all that needs an engine is together."""
    ranks = {name: rank for rank, name in enumerate(NAMES)}
    items.sort(key=lambda item: ranks.get(group_of(item.nodeid), len(ranks)))
    for item in items:
        needs_engine = "engine" in getattr(item, "fixturenames", ())
        if needs_engine and group_of(item.nodeid) != "containers":
            raise pytest.UsageError(f"{item.nodeid} needs a container engine: add it to TOGETHER")


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
