"""A run, its calls and their attempts, and what they come to in all."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

REPORT_FILE = "run_report.json"
"""In the run directory and on S3."""

SCHEMA_VERSION = 1
"""Of the report. It grows when a member changes its meaning or goes, not when one is added."""

HOUR = 3600.0
MIB_OF_GIB = 1024.0


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a call, which is one task job. Times are in seconds since 1970.

    Attributes:
        attempt: which attempt, from 1.
        job_id: the task job; empty if AWS Batch was not heard to take it.
        job_name: its name.
        job_queue: its job queue.
        adopted: whether a later head of the run took it over.
        status: ``SUCCEEDED``, ``FAILED``, ``LOST``, or ``UNKNOWN`` if nothing tells of its end.
        category: of one that failed, the category of `failures.RULES`; else empty.
        reason: Batch's words about its end.
        exit_code: of the command; None if there is none.
        log_stream: its stream in ``/aws/batch/job``; empty if that is not known.
        submitted: when it was submitted.
        started: when it began to run; None if it did not.
        stopped: when it had ended; None if that is not known.
        queue_seconds: from the submission to the start; None without a start.
        run_seconds: from the start to the end; None without both.
        vcpus: the CPUs that it asked for.
        memory_mib: the memory that it asked for.
        gpus: the GPUs that it asked for.
        peak_memory_bytes: the most memory it had; None if that is not known.
        cpu_seconds: the CPU time it had; None if that is not known.
    """

    attempt: int
    job_id: str = ""
    job_name: str = ""
    job_queue: str = ""
    adopted: bool = False
    status: str = "UNKNOWN"
    category: str = ""
    reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    submitted: float | None = None
    started: float | None = None
    stopped: float | None = None
    queue_seconds: float | None = None
    run_seconds: float | None = None
    vcpus: float = 0.0
    memory_mib: int = 0
    gpus: int = 0
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None

    @property
    def was_interrupted(self) -> bool:
        """Whether its host was reclaimed."""
        return self.category == "spot"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a task.

    Attributes:
        name: the call with those around it, such as ``assemble.align-3``.
        task: the task's name in the WDL; empty if no attempt tells it.
        directory: its directory, below that of the run; of the latest head that has one.
        state: ``succeeded``, ``failed``, or ``unfinished``.
        cached: whether its outputs came from the call cache.
        cache_miss: why they did not (``reason`` and more); empty if that is not known.
        attempts: its attempts, the first one first.
    """

    name: str
    task: str = ""
    directory: str
    state: str
    cached: bool = False
    cache_miss: Mapping[str, Any] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run itself.

    Attributes:
        name: the run directory's name.
        state: as its marker has it: ``running``, ``succeeded``, ``failed`` or ``cancelled``.
        job_id: the workflow job; empty outside AWS Batch.
        run_key: what it is for; empty if its submitter gave none.
        started: when the run directory was made, in seconds since 1970; None if that is not known.
        ended: when miniwdl had ended; None while it has not.
        exit_code: miniwdl's; None if it is not known.
        cached: whether the outputs of the whole workflow came from the call cache.
        heads: the processes that worked on it one after the other: ``number``, ``job_id`` and
            ``attempt`` of the workflow job.
    """

    name: str
    state: str
    job_id: str = ""
    run_key: str = ""
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    cached: bool = False
    heads: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What the calls of a run come to. Attempts without a known time add none.

    Attributes:
        calls: how many calls there are.
        cache_hits: how many had their outputs from the call cache.
        cache_misses: how many had not, by reason; ``unknown`` where that is not known.
        attempts: how many attempts there are.
        adopted: how many of them a later head took over.
        failed_attempts: how many of them failed or were lost.
        spot_interruptions: how many were ended by the reclaiming of their hosts.
        queue_seconds: the sum of what they waited.
        run_seconds: the sum of what they ran.
        vcpu_hours: CPUs asked for, times the hours that they ran.
        memory_gib_hours: memory asked for, times the same.
        gpu_hours: GPUs asked for, times the same.
        cpu_hours: CPU time had, where it is known.
    """

    calls: int
    cache_hits: int
    cache_misses: Mapping[str, int]
    attempts: int
    adopted: int
    failed_attempts: int
    spot_interruptions: int
    queue_seconds: float
    run_seconds: float
    vcpu_hours: float
    memory_gib_hours: float
    gpu_hours: float
    cpu_hours: float


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """All of a run: itself, its calls in the order of their beginning, and what they come to."""

    run: Run
    calls: tuple[Call, ...]

    @property
    def totals(self) -> Totals:
        """What the calls come to."""
        return total(self.calls)


def total(calls: Iterable[Call]) -> Totals:
    """Sum up calls."""
    calls = tuple(calls)
    attempts = [attempt for call in calls for attempt in call.attempts]
    return Totals(
        calls=len(calls),
        cache_hits=sum(call.cached for call in calls),
        cache_misses=_reasons(calls),
        attempts=len(attempts),
        adopted=sum(attempt.adopted for attempt in attempts),
        failed_attempts=sum(attempt.status in ("FAILED", "LOST") for attempt in attempts),
        spot_interruptions=sum(attempt.was_interrupted for attempt in attempts),
        queue_seconds=_sum(attempt.queue_seconds for attempt in attempts),
        run_seconds=_sum(attempt.run_seconds for attempt in attempts),
        vcpu_hours=_sum((each.run_seconds or 0) * each.vcpus for each in attempts) / HOUR,
        memory_gib_hours=_sum((each.run_seconds or 0) * each.memory_mib for each in attempts)
        / (HOUR * MIB_OF_GIB),
        gpu_hours=_sum((each.run_seconds or 0) * each.gpus for each in attempts) / HOUR,
        cpu_hours=_sum(attempt.cpu_seconds for attempt in attempts) / HOUR,
    )


def as_document(report: RunReport) -> dict[str, Any]:
    """Give a report as one JSON value."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": dataclasses.asdict(report.run),
        "totals": dataclasses.asdict(report.totals),
        "calls": [
            {**vars(call), "attempts": [dict(vars(attempt)) for attempt in call.attempts]}
            for call in report.calls
        ],
    }


def as_text(document: Mapping[str, Any]) -> str:
    """Write a report's document down, with a line for each call.

    Python's json takes ten times as long over an indent (`json.JSONEncoder`: its quick form has
    none), and calls are many.
    """
    others = {name: value for name, value in document.items() if name != "calls"}
    calls = ",".join(f"\n    {json.dumps(call)}" for call in document["calls"])
    return f'{json.dumps(others, indent=2)[:-2]},\n  "calls": [{calls}\n  ]\n}}\n'


def _reasons(calls: Iterable[Call]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for call in calls:
        if not call.cached:
            reason = str(call.cache_miss.get("reason", "unknown"))
            counted[reason] = counted.get(reason, 0) + 1
    return dict(sorted(counted.items()))


def _sum(values: Iterable[float | None]) -> float:
    return sum(value for value in values if value is not None)
