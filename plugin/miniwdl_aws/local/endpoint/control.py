"""The calls of the endpoint that are ours and not AWS's."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.faults import Faults

CONTROL_PATH = "/_miniwdl_aws_local/"
"""Below it lie the calls that are ours and not AWS's."""


class Controlled(Protocol):
    """What the control calls are about; see ``LocalAws``."""

    @property
    def faults(self) -> Faults:
        """The rules for faults."""

    def counters(self) -> Mapping[str, Any]:
        """Return what was counted."""

    def reset_counters(self) -> None:
        """Count from zero."""

    def job_history(self, job_id: str) -> list[tuple[str, int]] | None:
        """Return a job's statuses and times."""


class Control:
    """Answers the control calls.

    Args:
        aws: what they are about.
    """

    def __init__(self, aws: Controlled) -> None:
        self._aws = aws
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., Any]], ...] = (
            ("GET", re.compile("counters"), self._counters),
            ("POST", re.compile("counters/reset"), self._reset_counters),
            ("GET", re.compile("jobs/([^/]+)/history"), self._history),
            ("GET", re.compile("faults"), self._list_faults),
            ("POST", re.compile("faults"), self._add_faults),
            ("POST", re.compile("faults/reset"), self._reset_faults),
            ("DELETE", re.compile("faults"), self._clear_faults),
            ("DELETE", re.compile("faults/([^/]+)"), self._remove_fault),
        )

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Answer a call.

        Args:
            method: the HTTP method.
            path: the path below ``CONTROL_PATH``.
            body: the request's body.

        Returns:
            The HTTP status and what to send as JSON.
        """
        for wanted, pattern, function in self._routes:
            match = pattern.fullmatch(path)
            if wanted != method or match is None:
                continue
            try:
                answer = function(*match.groups(), *([body] if method == "POST" else []))
            except LocalAwsError as error:
                return 400, {"message": str(error)}
            if answer is not None:
                return 200, answer
        return 404, {"message": f"no such control call: {method} {CONTROL_PATH}{path}"}

    def _counters(self) -> Mapping[str, Any]:
        return self._aws.counters()

    def _reset_counters(self, _: bytes) -> dict[str, Any]:
        self._aws.reset_counters()
        return {}

    def _history(self, job_id: str) -> list[tuple[str, int]] | None:
        return self._aws.job_history(job_id)

    def _list_faults(self) -> dict[str, Any]:
        return {"seed": self._aws.faults.seed, "faults": self._aws.faults.list()}

    def _add_faults(self, body: bytes) -> dict[str, Any]:
        try:
            rules = json.loads(body)
        except ValueError as error:
            raise LocalAwsError(f"a fault is to be added as JSON: {error}") from error
        return {"ids": self._aws.faults.add(*(rules if isinstance(rules, list) else [rules]))}

    def _reset_faults(self, _: bytes) -> dict[str, Any]:
        self._aws.faults.reset()
        return {}

    def _clear_faults(self) -> dict[str, Any]:
        self._aws.faults.clear()
        return {}

    def _remove_fault(self, rule_id: str) -> dict[str, Any]:
        self._aws.faults.remove(rule_id)
        return {}
