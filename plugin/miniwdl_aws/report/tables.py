"""A run report for people: right-sizing, a time line, and what it comes to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from miniwdl_aws.calls import duration

MIB = 2**20
BAR_WIDTH = 40


def as_lines(document: Mapping[str, Any]) -> list[str]:
    """Write a report as lines.

    Args:
        document: the report, as ``run_report.json`` holds it.
    """
    run, calls = document["run"], document["calls"]
    return [
        *_about_run(run),
        *_section("requested and used, by task", right_sizing(calls)),
        *_section("calls", call_rows(calls)),
        *_section("time line (. waiting, # running)", time_line(calls)),
        "",
        *_about_totals(document["totals"]),
    ]


def right_sizing(calls: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Compare what the attempts of each task asked for with what they used at most."""
    rows: list[tuple[str, ...]] = [
        ("TASK", "ATTEMPTS", "MEMORY MIB", "PEAK MIB", "PEAK", "VCPUS", "CPU USE")
    ]
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for call in calls:
        for attempt in call["attempts"]:
            by_task.setdefault(call["task"] or call["name"], []).append(attempt)
    for task, attempts in sorted(by_task.items()):
        memory = max(each["memory_mib"] for each in attempts)
        peaks = [each["peak_memory_bytes"] for each in attempts if each["peak_memory_bytes"]]
        rows.append(
            (
                task,
                str(len(attempts)),
                str(memory),
                str(round(max(peaks) / MIB)) if peaks else "?",
                _percent(max(peaks) / MIB, memory) if peaks else "?",
                f"{max(each['vcpus'] for each in attempts):g}",
                _cpu_use(attempts),
            )
        )
    return rows if len(rows) > 1 else []


def call_rows(calls: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Give each attempt a row, and each call that has none."""
    rows: list[tuple[str, ...]] = [("CALL", "TRY", "STATUS", "WAITED", "RAN", "EXIT", "WHY", "JOB")]
    for call in calls:
        miss = call["cache_miss"].get("reason", "")
        if not call["attempts"]:
            status = "CACHED" if call["cached"] else call["state"].upper()
            rows.append((call["name"], "", status, "", "", "", miss, ""))
        rows.extend(_attempt_row(call["name"], attempt, miss) for attempt in call["attempts"])
    return rows if len(rows) > 1 else []


def time_line(calls: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Draw when each attempt waited and ran."""
    named = [
        (call["name"], each) for call in calls for each in call["attempts"] if each["submitted"]
    ]
    ends = [each["stopped"] or each["started"] or each["submitted"] for _, each in named]
    if not named:
        return []
    first = min(each["submitted"] for _, each in named)
    length = max(ends) - first or 1.0
    return [(name, f"|{bar(each, first, length)}|") for name, each in named]


def bar(attempt: Mapping[str, Any], first: float, length: float) -> str:
    """Draw one attempt.

    Args:
        attempt: the attempt.
        first: when the line begins, in seconds since 1970.
        length: how many seconds it stands for.

    >>> bar({"submitted": 10.0, "started": 20.0, "stopped": 30.0}, 0.0, 40.0)
    '          ..........##########          '
    """

    def column(moment: float) -> int:
        return round((moment - first) / length * BAR_WIDTH)

    submitted = column(attempt["submitted"])
    started = column(attempt["started"] or attempt["stopped"] or attempt["submitted"])
    stopped = column(attempt["stopped"] or attempt["started"] or attempt["submitted"])
    drawn = " " * submitted + "." * (started - submitted) + "#" * (stopped - started)
    return drawn.ljust(BAR_WIDTH)


def _attempt_row(name: str, attempt: Mapping[str, Any], miss: str) -> tuple[str, ...]:
    return (
        name,
        str(attempt["attempt"]),
        attempt["status"],
        duration(attempt["queue_seconds"]),
        duration(attempt["run_seconds"]),
        "" if attempt["exit_code"] is None else str(attempt["exit_code"]),
        attempt["category"] or (miss if attempt["attempt"] == 1 else ""),
        attempt["job_id"],
    )


def _cpu_use(attempts: Iterable[Mapping[str, Any]]) -> str:
    known = [each for each in attempts if each["cpu_seconds"] is not None and each["run_seconds"]]
    asked = sum(each["vcpus"] * each["run_seconds"] for each in known)
    return _percent(sum(each["cpu_seconds"] for each in known), asked) if asked else "?"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "?"


def _about_run(run: Mapping[str, Any]) -> list[str]:
    code = "" if run["exit_code"] is None else f", exit code {run['exit_code']}"
    lines = [f"run {run['name']}: {run['state']}{code}"]
    if run["started"] is not None and run["ended"] is not None:
        lines.append(f"took {duration(max(0.0, run['ended'] - run['started']))}")
    if run["cached"]:
        lines.append("all outputs came from the call cache")
    if len(run["heads"]) > 1:
        lines.append(f"{len(run['heads'])} heads worked on it")
    return lines


def _about_totals(totals: Mapping[str, Any]) -> list[str]:
    misses = ", ".join(f"{reason} {count}" for reason, count in totals["cache_misses"].items())
    cached = f"{totals['cache_hits']} from the call cache"
    return [
        f"{totals['calls']} calls, {cached}" + (f" (not cached: {misses})" if misses else ""),
        (
            f"{totals['attempts']} attempts, {totals['failed_attempts']} failed, "
            f"{totals['spot_interruptions']} spot interruptions, {totals['adopted']} adopted"
        ),
        (
            f"{totals['vcpu_hours']:.2f} vCPU-hours ({totals['cpu_hours']:.2f} used), "
            f"{totals['memory_gib_hours']:.2f} GiB-hours, {totals['gpu_hours']:.2f} GPU-hours; "
            f"waited {duration(totals['queue_seconds'])} in all"
        ),
    ]


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return ["", title, *lines]
