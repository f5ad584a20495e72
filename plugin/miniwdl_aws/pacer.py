"""A token bucket that adapts to throttling, shared by all threads of a process."""

import threading
import time
from collections.abc import Callable

RECOVERY_SECONDS = 10.0
"""Time without throttling after which a halved rate has come back."""

SETTLE_SECONDS = 1.0
"""How long after a cut refusals are those of requests that went out at the rate before it."""


class Pacer:
    """Hands out the right to send one request, at most ``rate`` a second.

    Threads take turns, and nobody's time is fixed before its turn: a change of the rate holds for
    all that wait. (Times fixed at different rates would coincide, and AWS would refuse again.)

    Args:
        rate: requests a second in the long run.
        burst: requests that may go at once after a pause (at least 1).
        rest_seconds: how long whoever has to wait waits at the least; requests then go in groups,
            for which the process wakes less often.
        clock: a monotonic clock in seconds.
        sleep: what waits, in seconds; it may return early to let whoever waits go at once.
    """

    def __init__(
        self,
        rate: float,
        burst: float = 1.0,
        *,
        rest_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"a pacer needs rate > 0 and burst >= 1, not {rate} and {burst}")
        self._full_rate = rate
        self._rate = rate
        self._burst = burst
        self._rest = rest_seconds
        self._clock = clock
        self._sleep = sleep
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._tokens = burst
        self._updated = clock()
        self._settled_at = self._updated

    @property
    def rate(self) -> float:
        """Requests a second at this moment; lower than asked for after throttling."""
        return self._rate

    def acquire(self) -> float:
        """Wait for a token and take it.

        Returns:
            The seconds waited.
        """
        begun = self._clock()
        with self._turn:
            delay = self._delay()
            if delay > 0:
                self._sleep(max(delay, self._rest))
            with self._lock:
                self._refill()
                self._tokens -= 1
        return self._clock() - begun

    def throttled(self) -> None:
        """Halve the rate: AWS said that it was too high.

        Of refusals that come together, only the first does. Between cuts the rate recovers by a
        tenth of the full one, so that it never falls below a twentieth.
        """
        with self._lock:
            self._refill()
            if self._updated >= self._settled_at:
                self._rate /= 2
                self._settled_at = self._updated + SETTLE_SECONDS
            self._tokens = min(self._tokens, 0.0)

    def _delay(self) -> float:
        with self._lock:
            self._refill()
            return max(0.0, (1 - self._tokens) / self._rate)

    def _refill(self) -> None:
        now = self._clock()
        elapsed = max(0.0, now - self._updated)
        self._updated = now
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        recovered = self._full_rate * elapsed / RECOVERY_SECONDS
        self._rate = min(self._full_rate, self._rate + recovered)
