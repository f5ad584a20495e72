"""All kinds of faults: where each strikes, what selects it, and what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """Where a fault strikes."""

    REQUEST = "a request to the endpoint"
    DESCRIBE = "a job in an answer of DescribeJobs"
    QUEUE = "a job that could start"
    START = "the start of an attempt"
    RUN = "an attempt that runs"
    LOGS = "the log stream of an attempt"
    EVENT = "an event of a job"


_COMMON = frozenset({"probability", "times", "skip"})
_JOB = _COMMON | {"job", "queue", "attempt"}
_REQUEST = _COMMON | {"service", "operation", "job", "queue"}
_S3 = _COMMON | {"operation"}


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """A kind of faults.

    Attributes:
        stage: where it strikes.
        keys: what a rule of this kind may say.
        required: what it must say.
        services: the services that it strikes; empty for all.
        fargate: whether it strikes jobs on Fargate alone, or jobs on EC2 alone; None for both.
        summary: what happens, in one sentence.
    """

    stage: Stage
    keys: frozenset[str]
    required: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    fargate: bool | None = None
    summary: str


KINDS: Mapping[str, FaultKind] = {
    "throttle": FaultKind(
        stage=Stage.REQUEST,
        keys=_REQUEST,
        summary="a call is refused as if it went beyond its rate",
    ),
    "latency": FaultKind(
        stage=Stage.REQUEST,
        keys=_REQUEST | {"delay"},
        required=frozenset({"delay"}),
        summary="a call takes DELAY seconds longer",
    ),
    "server-error": FaultKind(
        stage=Stage.REQUEST,
        keys=_REQUEST | {"code"},
        summary="a call is answered with HTTP status CODE, 500 or 503 (500)",
    ),
    "drop-before": FaultKind(
        stage=Stage.REQUEST,
        keys=_REQUEST,
        summary="the connection is closed without an answer, and nothing has been done",
    ),
    "drop-after": FaultKind(
        stage=Stage.REQUEST,
        keys=_REQUEST,
        summary="the connection is closed without an answer, and the call has taken effect",
    ),
    "slow-down": FaultKind(
        stage=Stage.REQUEST,
        keys=_S3,
        services=frozenset({"s3"}),
        summary="a call of S3 is answered with 503 SlowDown",
    ),
    "truncate-body": FaultKind(
        stage=Stage.REQUEST,
        keys=_S3,
        services=frozenset({"s3"}),
        summary="S3 sends half of the bytes that Content-Length names, then closes the connection",
    ),
    "omit-job": FaultKind(
        stage=Stage.DESCRIBE,
        keys=_COMMON | {"job", "queue"},
        summary="a job is left out of an answer of DescribeJobs",
    ),
    "stuck-runnable": FaultKind(
        stage=Stage.QUEUE,
        keys=_JOB | {"delay", "reason"},
        summary="a job stays RUNNABLE and blocks its queue, for DELAY seconds or until the rule "
        "is removed",
    ),
    "image-pull": FaultKind(
        stage=Stage.START,
        keys=_JOB | {"reason"},
        summary="the image of an attempt cannot be pulled",
    ),
    "efs-mount": FaultKind(
        stage=Stage.START,
        keys=_JOB | {"reason"},
        summary="the file system of an attempt cannot be mounted",
    ),
    "docker-timeout": FaultKind(
        stage=Stage.START,
        keys=_JOB | {"reason"},
        summary="the container of an attempt does not start in time",
    ),
    "spot-reclaim": FaultKind(
        stage=Stage.RUN,
        keys=_JOB | {"delay"},
        fargate=False,
        summary="the EC2 instance of an attempt is terminated: SIGKILL, and no exit code",
    ),
    "fargate-spot": FaultKind(
        stage=Stage.RUN,
        keys=_JOB | {"delay"},
        fargate=True,
        summary="Fargate Spot takes an attempt back: SIGTERM, and SIGKILL after the stop time-out",
    ),
    "out-of-memory": FaultKind(
        stage=Stage.RUN,
        keys=_JOB | {"delay"},
        summary="the container of an attempt is killed for its memory: SIGKILL",
    ),
    "kill": FaultKind(
        stage=Stage.RUN, keys=_JOB | {"delay"}, summary="an attempt is killed with SIGKILL"
    ),
    "late-logs": FaultKind(
        stage=Stage.LOGS,
        keys=_JOB | {"delay"},
        required=frozenset({"delay"}),
        summary="the log stream of an attempt, and each of its lines, appears DELAY seconds late",
    ),
    "missing-logs": FaultKind(
        stage=Stage.LOGS, keys=_JOB, summary="the log stream of an attempt never appears"
    ),
    "event-delay": FaultKind(
        stage=Stage.EVENT,
        keys=_COMMON | {"job", "queue", "status", "delay"},
        required=frozenset({"delay"}),
        summary="an event arrives DELAY seconds late",
    ),
    "event-duplicate": FaultKind(
        stage=Stage.EVENT,
        keys=_COMMON | {"job", "queue", "status"},
        summary="an event arrives twice, with the same id",
    ),
    "event-loss": FaultKind(
        stage=Stage.EVENT,
        keys=_COMMON | {"job", "queue", "status"},
        summary="an event never arrives",
    ),
}
"""Every kind of faults by its name."""
