"""What several local AWSs of one process share is never read and written at once."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest

from miniwdl_aws.local import LocalAws
from miniwdl_aws.local.execution.secret_values import SecretStore
from miniwdl_aws.local.services import moto_locks
from miniwdl_aws.local.services.moto_events import EventBridge
from miniwdl_aws.local.services.moto_services import LogStore, ensure_bucket, ensure_role

REGION = "us-west-2"
EVENT = {"source": "nobody", "detail-type": "none", "detail": {}, "time": 0.0}


def waits_for(lock: AbstractContextManager[object], function: Callable[[], object]) -> bool:
    """Call a function in a thread; tell whether it goes on only once the lock is free."""
    done = threading.Event()

    def call() -> None:
        function()
        done.set()

    thread = threading.Thread(target=call)
    with lock:
        thread.start()
        early = done.wait(0.1)
    thread.join()
    return not early and done.is_set()


@pytest.fixture(scope="module")
def others(start_module_aws: Callable[..., LocalAws]) -> list[LocalAws]:
    return [start_module_aws() for _ in range(2)]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("logs", "describe_log_groups"),
        ("events", "list_rules"),
        ("secretsmanager", "list_secrets"),
        ("ssm", "describe_parameters"),
    ],
)
def test_requests_wait_for_whoever_holds_the_state(
    others: list[LocalAws], make_client: Any, service: str, operation: str, which: int
) -> None:
    """Whichever local AWS they reach."""
    call = getattr(make_client(others[which], service), operation)
    call()
    assert waits_for(moto_locks.BY_SERVICE[service], call)


@pytest.mark.parametrize(
    ("lock", "make"),
    [
        (moto_locks.LOGS, lambda: partial(LogStore, REGION)),
        (moto_locks.LOGS, lambda: partial(LogStore(REGION).put, "nowhere", [])),
        (moto_locks.LOGS, lambda: partial(LogStore(REGION).create_stream, "a")),
        (moto_locks.EVENTS, lambda: partial(EventBridge, REGION)),
        (moto_locks.EVENTS, lambda: partial(EventBridge(REGION).send, EVENT)),
        (moto_locks.SECRETS, lambda: partial(SecretStore(REGION).values, [])),
        (moto_locks.STARTS, lambda: partial(ensure_bucket, REGION)),
        (moto_locks.STARTS, lambda: ensure_role),
    ],
)
def test_jobs_wait_for_it_too(
    lock: AbstractContextManager[object], make: Callable[[], Callable[[], object]]
) -> None:
    """What writes logs, sends events, reads secrets, or makes what is there at the start."""
    assert waits_for(lock, make())
