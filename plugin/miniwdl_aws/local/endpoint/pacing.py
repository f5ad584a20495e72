"""The time, and slowness, rates and counts of calls."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from miniwdl_aws.local.draws import draw
from miniwdl_aws.local.endpoint.latency import NO_LATENCY, Latency
from miniwdl_aws.local.endpoint.operations import Call
from miniwdl_aws.local.endpoint.rates import (
    BATCH,
    EACH_BATCH_OPERATION,
    FARGATE_LAUNCHES,
    NO_RATES,
    Rate,
)


def milliseconds() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class TokenBucket:
    """Lets calls through at a rate, and some at once.

    Args:
        rate: tokens added a second.
        burst: tokens it holds at most, and at first.
        clock: the time in seconds.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at = clock()

    def take(self) -> bool:
        """Take one token; tell whether there was one."""
        self._fill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Put back a token that was taken in vain."""
        self._tokens += 1

    def reserve(self) -> float:
        """Take one token, perhaps one of those to come; return the seconds until it is there."""
        self._fill()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now


class Pacer:
    """Makes calls of Batch take a time, refuses calls beyond a rate, and counts both.

    Args:
        latency: how long calls of Batch take.
        rates: what is let through, by names as in ``rates.DOCUMENTED_RATES``.
        seed: what the latencies are drawn from.
        clock: the time in seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        *,
        latency: Latency = NO_LATENCY,
        rates: Mapping[str, Rate] = NO_RATES,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._latency = latency
        self._rates = rates
        self._seed = seed
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}
        self._calls: Counter[str] = Counter()
        self._paced: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()

    def admit(self, call: Call) -> bool:
        """Count a call, wait out its latency, and tell whether it is within its rates."""
        with self._lock:
            self._calls[call.counted_as] += 1
            admitted = self._take(call)
            if not admitted:
                self._throttled[call.counted_as] += 1
            seconds = self._seconds(call)
        if seconds:
            self._sleep(seconds)
        return admitted

    def launch_wait(self, capacity: str) -> float:
        """Take a launch on Fargate; return the seconds until it may happen.

        Args:
            capacity: ``FARGATE`` or ``FARGATE_SPOT``, which have a bucket each.
        """
        rate = self._rates.get(FARGATE_LAUNCHES)
        if rate is None:
            return 0.0
        with self._lock:
            return self._bucket(f"{FARGATE_LAUNCHES} {capacity}", rate).reserve()

    def counters(self) -> dict[str, dict[str, int]]:
        """Return the calls and the refused calls since the start or the last reset."""
        with self._lock:
            return {"calls": dict(self._calls), "throttled": dict(self._throttled)}

    def reset(self) -> None:
        """Begin to count from zero; the rates go on as they are."""
        with self._lock:
            self._calls.clear()
            self._throttled.clear()

    def _take(self, call: Call) -> bool:
        taken: list[TokenBucket] = []
        for name in _rate_names(call, self._rates):
            bucket = self._bucket(f"{name} {call.name}", self._rates[name])
            if name == BATCH:
                bucket = self._bucket(name, self._rates[name])
            if not bucket.take():
                for each in taken:
                    each.give_back()
                return False
            taken.append(bucket)
        return True

    def _seconds(self, call: Call) -> float:
        if call.service != BATCH or not self._latency.high_ms:
            return 0.0
        self._paced[call.operation] += 1
        number = self._paced[call.operation]
        return self._latency.seconds(draw(self._seed, "latency", call.operation, number))

    def _bucket(self, name: str, rate: Rate) -> TokenBucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket(rate.per_second, rate.burst, self._clock)
        return bucket


def _rate_names(call: Call, rates: Mapping[str, Rate]) -> list[str]:
    """Name the rates that hold for a call: its own, or that of each of Batch's, and the account's.

    >>> _rate_names(Call("batch", "SubmitJob"), {"batch:*": Rate(1, 1), "batch": Rate(1, 1)})
    ['batch:*', 'batch']
    """
    own = [call.name]
    if call.service == BATCH and call.name not in rates:
        own = [EACH_BATCH_OPERATION]
    account = [BATCH] if call.service == BATCH else []
    return [name for name in own + account if name in rates]
