"""Locks for what moto keeps, which all local AWSs of a process share.

Who needs two takes ``EVENTS`` before ``LOGS``: a rule may have a log group as its target.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager

LOGS: AbstractContextManager[object] = threading.RLock()
SECRETS: AbstractContextManager[object] = threading.RLock()
EVENTS: AbstractContextManager[object] = threading.RLock()
STARTS: AbstractContextManager[object] = threading.RLock()
"""For what a local AWS looks for as it starts, and makes unless it is there."""

BY_SERVICE: Mapping[str, AbstractContextManager[object]] = {
    "logs": LOGS,
    "secretsmanager": SECRETS,
    "ssm": SECRETS,
    "events": EVENTS,
}
"""What a request to a service holds while moto answers it: where jobs read or write its state, too.

moto's state is not safe against threads. Of SQS it is, and its lock would be held while somebody
waits for messages.
"""
