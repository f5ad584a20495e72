"""How results are shown and kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.judgement import Row
    from benchmarks.results import RunResult

_HEADER = ("#", "measure", "peer", "ours", "better by", "target", "")


def table(rows: Sequence[Row]) -> str:
    """Show rows as text, one block for each peer."""
    peers = list(dict.fromkeys(row.peer for row in rows))
    return "\n\n".join(
        f"peer: {peer or 'none'}\n" + _aligned([_cells(row) for row in rows if row.peer == peer])
        for peer in peers
    )


def statement(rows: Iterable[Row]) -> str:
    """Say which targets are met and which are not."""
    judged = {(row.measure, row.ours, row.target): row for row in rows if row.met is not None}
    missed = [row for row in judged.values() if not row.met]
    if not missed:
        return f"All {len(judged)} targets met." if judged else "Nothing with a target was run."
    lines = [f"{len(missed)} of {len(judged)} targets MISSED:"]
    lines += [
        f"  benchmark {row.benchmark}, {row.measure}: {_number(row.ours)}, "
        f"the target is at most {_number(row.target or 0.0)}"
        for row in missed
    ]
    return "\n".join(lines)


def operations(result: RunResult) -> str:
    """Show one run's calls of AWS by operation."""
    counts = ", ".join(f"{name} {count}" for name, count in result.calls.items())
    return f"{result.workload}, {result.peer}: {counts or 'no calls'}"


def phases(result: RunResult) -> str:
    """Show where the time of one run went beyond that of its jobs."""
    spent = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result.phases.items())
    return f"{result.workload}, {result.peer}: {spent}"


def document(
    results: Iterable[RunResult], rows: Iterable[Row], facts: Mapping[str, object]
) -> dict[str, object]:
    """Give everything as one JSON object.

    Args:
        results: the runs.
        rows: what they were judged by.
        facts: settings, machine and versions.
    """
    return {
        **facts,
        "rows": [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows],
        "runs": [_run(result) for result in results],
    }


def keep(content: Mapping[str, object], *paths: Path) -> None:
    """Write a JSON object to files, whose folders are made."""
    text = json.dumps(content, indent=2) + "\n"
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _run(result: RunResult) -> dict[str, object]:
    derived = {
        "beyond_job_seconds": result.beyond_job_seconds,
        "calls_per_task": result.calls_per_task,
        "most_submissions": result.most_submissions,
        "definitions_registered": result.definitions_registered,
        "phases": result.phases,
    }
    content = asdict(result) | derived
    for name in ("submitted_at", "stopped_at"):
        content.pop(name)
    return content


def _cells(row: Row) -> tuple[str, ...]:
    return (
        str(row.benchmark),
        row.measure,
        "-" if row.theirs is None else _number(row.theirs),
        _number(row.ours),
        "-" if row.ratio is None else f"{row.ratio:.1f}x",
        "-" if row.target is None else f"<= {_number(row.target)}",
        {True: "met", False: "MISSED", None: ""}[row.met],
    )


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    every = [_HEADER, *lines]
    widths = [max(len(line[column]) for line in every) for column in range(len(_HEADER))]
    left = {0, 1, len(_HEADER) - 1}
    shown = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in every
    ]
    return "\n".join([shown[0], "-" * max(map(len, shown)), *shown[1:]])


def _number(value: float) -> str:
    """Show a figure with as many digits as mean something.

    >>> _number(1243.2), _number(57.71), _number(1.254), _number(50)
    ('1,243', '57.7', '1.25', '50')
    """
    if float(value).is_integer() or abs(value) >= 1000:  # noqa: PLR2004  (four digits are enough)
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"  # noqa: PLR2004  (as above)
