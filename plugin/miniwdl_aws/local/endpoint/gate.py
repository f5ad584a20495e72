"""What stands before every request: its rate, its latency, and faults on demand."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from miniwdl_aws.local.endpoint.operations import Call
from miniwdl_aws.local.endpoint.pacing import Pacer
from miniwdl_aws.local.endpoint.refusals import (
    SLOW_DOWN,
    Refusal,
    StartResponse,
    broken,
    refuse,
    throttled,
)
from miniwdl_aws.local.faults import Faults, Stage, Strike, Subject

Environ = dict[str, Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

_DEFAULT_CODE = 500


class NoAnswerError(Exception):
    """The connection is to be closed with no more said."""


class Gate:
    """Lets requests through, late, not at all, or without a whole answer.

    Args:
        pacer: counts calls and knows their rates.
        faults: says what else goes wrong.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, pacer: Pacer, faults: Faults, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._pacer = pacer
        self._faults = faults
        self._sleep = sleep

    def serve(
        self, call: Call, environ: Environ, start_response: StartResponse, inner: Wsgi
    ) -> Iterable[bytes]:
        """Answer a request.

        Args:
            call: what it asks for.
            environ: the request.
            start_response: begins the answer.
            inner: answers the request if nothing goes wrong.

        Raises:
            NoAnswerError: there is to be no answer.
        """
        if not self._pacer.admit(call):
            return refuse(start_response, call.service, throttled(call.service))
        strikes = {strike.kind: strike for strike in self._strikes(call)}
        if "latency" in strikes:
            self._sleep(strikes["latency"].delay_seconds)
        if "drop-before" in strikes:
            raise NoAnswerError
        refusal = _refusal(call, strikes.values())
        if refusal is not None:
            return refuse(start_response, call.service, refusal)
        if "drop-after" in strikes:
            _exhaust(inner(environ, _ignore))
            raise NoAnswerError
        if "truncate-body" in strikes:
            return _truncated(environ, start_response, inner)
        return inner(environ, start_response)

    def _strikes(self, call: Call) -> tuple[Strike, ...]:
        subject = Subject(
            key=call.name,
            service=call.service,
            operation=call.operation,
            job=call.job_name,
            queue=call.queue,
        )
        return self._faults.strikes(Stage.REQUEST, subject)


def _refusal(call: Call, strikes: Iterable[Strike]) -> Refusal | None:
    for strike in strikes:
        if strike.kind == "throttle":
            return throttled(call.service)
        if strike.kind == "slow-down":
            return SLOW_DOWN
        if strike.kind == "server-error":
            return broken(call.service, strike.rule.code or _DEFAULT_CODE)
    return None


def _ignore(*_: Any) -> None:
    """Begin an answer that nobody gets."""


def _exhaust(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _truncated(environ: Environ, start_response: StartResponse, inner: Wsgi) -> Iterator[bytes]:
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def begin(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        begun.append((status, headers))

    body = _exhaust(inner(environ, begin))
    status, headers = begun[-1]
    if not body:  # of HEAD, say, whose Content-Length is another answer's
        start_response(status, headers)
        return
    kept = [header for header in headers if header[0].lower() != "content-length"]
    start_response(status, [*kept, ("Content-Length", str(len(body)))])
    yield body[: len(body) // 2]
    raise NoAnswerError
