"""Tests of `miniwdl_aws.pacer`."""

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.pacer import RECOVERY_SECONDS, SETTLE_SECONDS, Pacer


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def paced(rate: float, burst: float, rest_seconds: float = 0.0) -> tuple[Pacer, FakeTime]:
    fake = FakeTime()
    pacer = Pacer(rate, burst, rest_seconds=rest_seconds, clock=fake.clock, sleep=fake.sleep)
    return pacer, fake


@given(st.floats(0.5, 100), st.integers(1, 60), st.integers(1, 200))
def test_no_more_than_rate_and_burst_go_out(rate: float, burst: int, count: int) -> None:
    """The time for a number of requests is what is left of them after the burst, by the rate."""
    pacer, clock = paced(rate, burst)
    for _ in range(count):
        pacer.acquire()
    assert clock.now == pytest.approx(max(0, count - burst) / rate, abs=1e-6)


def test_who_rests_goes_in_groups_and_no_slower() -> None:
    """As many go at once as the time has given tokens for; at a lower rate none waits longer."""
    pacer, clock = paced(10, 10, rest_seconds=0.5)
    times = []
    for _ in range(20):
        pacer.acquire()
        times.append(clock.now)
    assert times == [0.0] * 10 + [0.5] * 5 + [1.0] * 5
    pacer, clock = paced(1, 1, rest_seconds=0.5)
    for _ in range(3):
        pacer.acquire()
    assert clock.now == 2.0


def test_throttling_halves_the_rate_and_it_comes_back() -> None:
    """After AWS said that it was too much, the pace drops at once and recovers slowly."""
    pacer, clock = paced(10, 1)
    pacer.throttled()
    assert pacer.rate == 5
    clock.sleep(RECOVERY_SECONDS)
    pacer.acquire()
    assert pacer.rate == 10


def test_refusals_that_come_together_halve_the_rate_once() -> None:
    """They are of requests that went out at one and the same rate; a later one is of the new."""
    pacer, clock = paced(10, 10)
    for _ in range(5):
        pacer.throttled()
    assert pacer.rate == 5
    clock.sleep(SETTLE_SECONDS)
    pacer.throttled()
    recovered = 10 * SETTLE_SECONDS / RECOVERY_SECONDS
    assert pacer.rate == pytest.approx((5 + recovered) / 2)


def test_a_change_of_the_rate_holds_for_all_that_wait() -> None:
    """Who waits behind another has no time of its own yet, which would be one at the old rate."""
    now, delays, wake = [0.0], list[float](), threading.Semaphore(0)

    def sleep(seconds: float) -> None:
        delays.append(seconds)
        wake.acquire(timeout=10)

    pacer = Pacer(1, 1, clock=lambda: now[0], sleep=sleep)
    pacer.acquire()
    threads = [threading.Thread(target=pacer.acquire) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: len(delays) == 1)
    pacer.throttled()
    now[0] = 1.0
    wake.release()
    until(lambda: len(delays) == 2)
    wake.release()
    for thread in threads:
        thread.join(timeout=10)
    # That second brought half a token, one was taken: one and a half are missing, at 0.6 a second.
    assert delays == pytest.approx([1.0, 2.5])


def test_throttling_never_stops_all_requests() -> None:
    """However often AWS refuses, a twentieth of the rate is left."""
    pacer, clock = paced(20, 1)
    for _ in range(50):
        pacer.throttled()
        clock.sleep(SETTLE_SECONDS)
        assert pacer.rate >= 1


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0.5)])
def test_a_pacer_that_could_never_release_is_refused(rate: float, burst: float) -> None:
    """A rate of nothing would wait for ever."""
    with pytest.raises(ValueError, match="rate > 0 and burst >= 1"):
        Pacer(rate, burst)
