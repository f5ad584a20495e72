"""What all tests share besides the fixtures of our own pytest plugin: a way to wait."""

import threading
from collections.abc import Callable

import pytest

from tests.answers import checked_answers  # noqa: F401 - a fixture


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
