"""EventBridge and SQS as moto keeps them, where we need them."""

import contextlib
import json
import logging
import uuid
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any

from miniwdl_aws.environment import without
from miniwdl_aws.local.services import moto_locks
from miniwdl_aws.local.settings import ACCOUNT_ID, EVENT_QUEUE

# As in moto_services: moto makes boto3 sessions as it is imported.
with without("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
    from moto.events.models import EventsBackend, Rule, events_backends
    from moto.sqs.models import Message, sqs_backends

MOST_MESSAGES = 1_000
"""How many messages the ready queue keeps, the newest: perhaps nobody reads them, and moto
looks at all of them to give one."""

_logger = logging.getLogger(__name__)


class EventBridge:
    """Sends events to the targets of moto's rules, those of users and one of our own.

    Args:
        region: where the event bus is.
    """

    def __init__(self, region: str) -> None:
        self._backend: EventsBackend = events_backends[ACCOUNT_ID][region]
        self._queues = sqs_backends[ACCOUNT_ID][region]
        self._region = region
        self._ensure_queue()

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an event to the targets of all enabled rules of the default bus that match it.

        What cannot be delivered is dropped with a warning, as without a dead-letter queue.

        Args:
            event: its members, ``time`` in seconds since 1970.
        """
        with moto_locks.EVENTS:
            for rule in list(self._backend.describe_event_bus("default").rules.values()):
                if rule.state == "ENABLED":
                    self._send(rule, event)
            self._trim()

    def _send(self, rule: Rule, event: Mapping[str, Any]) -> None:
        message: Any = event  # of the sort that moto's types want
        try:
            if rule.event_pattern.matches_event(message):
                for target in rule.targets:
                    if not self._put(target, event):
                        _send_slowly(rule, target, event)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with somebody's rule
            _logger.warning("an event was not delivered: rule %s: %r", rule.name, error)

    def _put(self, target: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
        """Put an event into a target that is a standard queue and takes it as it is.

        moto's own way looks at all messages of the queue for each that it adds.
        """
        name = target["Arn"].rpartition(":")[2]
        queue: Any = self._queues.queues.get(name)
        plain = target.keys() <= {"Id", "Arn"} and queue is not None and not queue.fifo_queue
        if not plain or target["Arn"] != queue.queue_arn:
            return False
        when = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = Message(str(uuid.uuid4()), json.dumps({**event, "time": when}))
        message.mark_sent(delay_seconds=queue.delay_seconds)
        queue.add_message(message)
        return True

    def _ensure_queue(self) -> None:
        with moto_locks.EVENTS:
            queue = self._queues.create_queue(EVENT_QUEUE)
            self._backend.put_rule(EVENT_QUEUE, event_pattern=json.dumps({"source": ["aws.batch"]}))
            target = {"Id": EVENT_QUEUE, "Arn": queue.queue_arn}
            self._backend.put_targets(EVENT_QUEUE, None, [target])

    def _trim(self) -> None:
        queue = self._queues.queues.get(EVENT_QUEUE)
        if queue is None or len(queue._messages) <= MOST_MESSAGES:  # noqa: SLF001 - no other way to drop one
            return
        with queue._messages_lock:  # noqa: SLF001 - as above
            del queue._messages[:-MOST_MESSAGES]  # noqa: SLF001 - as above


def _send_slowly(rule: Rule, target: dict[str, Any], event: Mapping[str, Any]) -> None:
    one = copy(rule)
    one.targets = [target]
    message: Any = dict(event)
    transforms = "InputTransformer" in target
    if transforms:
        message["ingestion-time"] = event["time"]
    to_logs = target["Arn"].split(":")[2] == "logs"
    with moto_locks.LOGS if to_logs else contextlib.nullcontext():
        # Only where it must: moto's default transformation loses members.
        one.send_to_targets(message, transform_input=transforms)
