"""The time, and slowness, rates and counts of calls."""

import threading
import time
from collections import Counter
from collections.abc import Callable


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
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Pacer:
    """Makes every call take a time, refuses calls beyond a rate, and counts both.

    Args:
        latency_seconds: how long a call takes at least.
        rate: calls a second for each operation; None for no limit.
        burst: calls of one operation at once; None for as many as ``rate`` (at least 1).
        clock: the time in seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        *,
        latency_seconds: float = 0.0,
        rate: float | None = None,
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._latency_seconds = latency_seconds
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}
        self._calls: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()

    def admit(self, operation: str) -> bool:
        """Count a call, wait out its latency, and tell whether it is within the rate."""
        with self._lock:
            self._calls[operation] += 1
            admitted = self._bucket(operation).take() if self._rate is not None else True
            if not admitted:
                self._throttled[operation] += 1
        if self._latency_seconds:
            self._sleep(self._latency_seconds)
        return admitted

    def count(self, operation: str) -> None:
        """Count a call that is not paced."""
        with self._lock:
            self._calls[operation] += 1

    def counters(self) -> dict[str, dict[str, int]]:
        """Return the calls and the refused calls since the start or the last reset."""
        with self._lock:
            return {"calls": dict(self._calls), "throttled": dict(self._throttled)}

    def reset(self) -> None:
        """Begin to count from zero."""
        with self._lock:
            self._calls.clear()
            self._throttled.clear()

    def _bucket(self, operation: str) -> TokenBucket:
        bucket = self._buckets.get(operation)
        if bucket is None:
            rate = self._rate or 1.0
            burst = self._burst if self._burst is not None else max(1.0, rate)
            bucket = self._buckets[operation] = TokenBucket(rate, burst, self._clock)
        return bucket
