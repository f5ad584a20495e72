"""Trying requests again: at a pace, and only if they cannot have had their effect already."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from miniwdl_aws.errors import AwsThrottledError, AwsUnavailableError
from miniwdl_aws.pacer import Pacer

THROTTLE_PATIENCE_SECONDS = 900.0
"""How long a request is repeated that AWS refuses for rate."""

FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 20.0

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818  (a change of course, not an error)
    """A request was given up since the run is terminating."""


def never() -> bool:
    """Go on, whatever happens."""
    return False


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often, and at which pace, requests are tried.

    The clients themselves must not retry: their retries would escape the pacer.

    Attributes:
        pacer: limits the requests of all threads, and slows down when AWS refuses.
        max_attempts: how often a request is tried that AWS could not answer.
        clock: a monotonic clock in seconds.
        sleep: what waits, in seconds.
    """

    pacer: Pacer
    max_attempts: int = 5
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], object] = field(default=time.sleep)

    def call(
        self,
        request: Callable[[], _T],
        *,
        stopping: Callable[[], bool] = never,
        before_retry: Callable[[], _T | None] | None = None,
    ) -> _T:
        """Send a request until AWS has answered it.

        Args:
            request: sends it; raises `AwsError`.
            stopping: whether to give up.
            before_retry: asked after an unclear failure whether the request had its effect all
                the same; gives its result then.

        Raises:
            Stopped: ``stopping`` said so before the request was sent.
            AwsError: AWS refused it, or could not answer it after all attempts.
        """
        failures = 0
        patient_until = self.clock() + THROTTLE_PATIENCE_SECONDS
        while True:
            self.pacer.acquire()
            if stopping():
                raise Stopped
            try:
                return request()
            except AwsThrottledError:
                self.pacer.throttled()
                if self.clock() >= patient_until:
                    raise
            except AwsUnavailableError as exc:
                failures += 1
                if failures >= self.max_attempts:
                    raise
                _log.warning("%s; it is tried again", exc)
            self.sleep(min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**failures))
            if failures and before_retry and (result := before_retry()) is not None:
                return result
