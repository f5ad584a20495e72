"""Changes of jobs as EventBridge events: made at once, delivered by a thread of its own."""

import heapq
import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.faults.book import Faults
from miniwdl_aws.local.faults.kinds import Stage
from miniwdl_aws.local.faults.subjects import subject_of
from miniwdl_aws.local.settings import ACCOUNT_ID

STATE_CHANGE = "Batch Job State Change"
QUEUE_BLOCKED = "Batch Job Queue Blocked"


class Bus(Protocol):
    """Takes events."""

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an event to all who want it."""


def event_of(job: Job, kind: str, region: str, now: float) -> dict[str, Any]:
    """Make the event of a job's change (AWS Batch user guide, "AWS Batch events").

    Args:
        job: the job, changed.
        kind: ``STATE_CHANGE`` or ``QUEUE_BLOCKED``.
        region: where the job is.
        now: the time in seconds since 1970.

    Returns:
        The event, its ``time`` in seconds since 1970.
    """
    detail = json.loads(job.describe_json())
    # The guide's example has it among the tags, and no start for a job that has not started.
    detail["tags"] = {**detail.get("tags", {}), "resourceArn": job.arn}
    if not detail.get("startedAt"):
        detail.pop("startedAt", None)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.batch",
        "account": ACCOUNT_ID,
        "time": now,
        "region": region,
        "resources": [job.arn, job.queue.arn] if kind == QUEUE_BLOCKED else [job.arn],
        "detail": detail,
    }


class Events:
    """Tells of every change of a job's status, and of jobs that block their queues.

    Args:
        bus: takes the events.
        faults: says which are late, doubled or lost.
        region: where the jobs are.
        clock: the time in seconds since 1970.
    """

    def __init__(
        self, bus: Bus, faults: Faults, region: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._bus = bus
        self._faults = faults
        self._region = region
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, dict[str, Any]]] = []
        self._numbers = itertools.count()
        self._sent: Counter[str] = Counter()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="local-aws-events", daemon=True)
        self._thread.start()

    def observe(self, job: Job, previous: str | None) -> None:
        """Take in a change of a job; see ``store.Observer``. Submissions are no event."""
        if previous is not None:
            self._take(job, STATE_CHANGE)

    def observe_block(self, job: Job) -> None:
        """Take in that a job blocks its queue; see ``store.BlockObserver``."""
        self._take(job, QUEUE_BLOCKED)

    def _take(self, job: Job, kind: str) -> None:
        strikes = {
            strike.kind: strike
            for strike in self._faults.strikes(Stage.EVENT, subject_of(job, job.status))
        }
        if "event-loss" in strikes:
            return
        now = self._clock()
        event = event_of(job, kind, self._region, now)
        due = now + strikes["event-delay"].delay_seconds if "event-delay" in strikes else now
        with self._changed:
            for _ in range(2 if "event-duplicate" in strikes else 1):
                heapq.heappush(self._waiting, (due, next(self._numbers), event))
            self._changed.notify()

    def counters(self) -> dict[str, int]:
        """Return how many events of each kind were sent since the start or the last reset."""
        with self._changed:
            return dict(self._sent)

    def reset(self) -> None:
        """Count from zero."""
        with self._changed:
            self._sent.clear()

    def close(self) -> None:
        """End the thread; what waits is not delivered."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (event := self._next()) is not None:
            self._bus.send(event)

    def _next(self) -> dict[str, Any] | None:
        with self._changed:
            while not self._closing:
                now = self._clock()
                if self._waiting and self._waiting[0][0] <= now:
                    event = heapq.heappop(self._waiting)[2]
                    self._sent[event["detail-type"]] += 1
                    return event
                self._changed.wait(self._waiting[0][0] - now if self._waiting else None)
        return None
