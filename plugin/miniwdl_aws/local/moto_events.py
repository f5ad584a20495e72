"""EventBridge and SQS as moto keeps them, where we need them."""

import contextlib
import json
import logging
import threading
from collections.abc import Mapping
from typing import Any

from miniwdl_aws.environment import without
from miniwdl_aws.local.settings import ACCOUNT_ID, EVENT_QUEUE

# As in moto_services: moto makes boto3 sessions as it is imported.
with without("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
    from moto.events.models import EventsBackend, Rule, events_backends
    from moto.sqs.models import sqs_backends

MOST_MESSAGES = 10_000
"""How many messages the ready queue keeps; the oldest are dropped, as nobody may ever read them."""

_logger = logging.getLogger(__name__)


class EventBridge:
    """Sends events to the targets of moto's rules, those of users and one of our own.

    moto's state is not safe against threads, so whoever asks moto for rules should hold ``lock``.
    Its SQS queues are safe, and a lock would be held while somebody waits for messages.

    Args:
        region: where the event bus is.
    """

    def __init__(self, region: str) -> None:
        self._backend: EventsBackend = events_backends[ACCOUNT_ID][region]
        self._queues = sqs_backends[ACCOUNT_ID][region]
        self._region = region
        self.lock = threading.RLock()
        self._ensure_queue()

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an event to the targets of all enabled rules of the default bus that match it.

        What cannot be delivered is dropped with a warning, as without a dead-letter queue.

        Args:
            event: its members, ``time`` in seconds since 1970.
        """
        with self.lock:
            for rule in list(self._backend.describe_event_bus("default").rules.values()):
                if rule.state == "ENABLED":
                    self._send(rule, event)
            self._trim()

    def _send(self, rule: Rule, event: Mapping[str, Any]) -> None:
        transforms = any("InputTransformer" in target for target in rule.targets)
        message: Any = dict(event)
        if transforms:
            message["ingestion-time"] = event["time"]
        try:
            # Only where it must: moto's default transformation loses members, and is slow.
            rule.send_to_targets(message, transform_input=transforms)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with somebody's rule
            _logger.warning("an event was not delivered: rule %s: %r", rule.name, error)

    def _ensure_queue(self) -> None:
        with self.lock:
            queue = self._queues.create_queue(EVENT_QUEUE)
            self._backend.put_rule(EVENT_QUEUE, event_pattern=json.dumps({"source": ["aws.batch"]}))
            target = {"Id": EVENT_QUEUE, "Arn": queue.queue_arn}
            self._backend.put_targets(EVENT_QUEUE, None, [target])

    def _trim(self) -> None:
        queue = self._queues.queues.get(EVENT_QUEUE)
        if queue is None or len(queue._messages) <= MOST_MESSAGES:  # noqa: SLF001 - no other way to drop one
            return
        with queue._messages_lock, contextlib.suppress(IndexError):  # noqa: SLF001 - as above
            del queue._messages[:-MOST_MESSAGES]  # noqa: SLF001 - as above
