"""`make bench`, or `python -m benchmarks`: runs workloads on both backends and judges ours."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks import environments, image, linking, local_speed, peers, workloads
from benchmarks.cloud import Clock, emulated
from benchmarks.errors import BenchmarkError
from benchmarks.judgement import judge, judge_crowds
from benchmarks.machine import machine_facts, software_versions
from benchmarks.report import document, keep, operations, phases, statement, table
from benchmarks.settings import BenchmarkSettings
from miniwdl_aws.local.errors import LocalAwsError
from tools.environments import EnvironmentFailedError, ensure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from benchmarks.judgement import Row
    from benchmarks.peers import Peer
    from benchmarks.results import CrowdResult, RunResult
    from benchmarks.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / ".bench"
COMPARED = ("scatter", "series", "crowd")
NAMES = (*COMPARED, "linking", "image", "local")
_T = TypeVar("_T")
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 plus SIGINT's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks.

    Args:
        argv: the arguments; the process's own by default.

    Returns:
        The exit code: 0 if every run succeeded, whether or not targets were met.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if unknown := sorted(set(args.names) - set(NAMES)):
        parser.error(f"no benchmark is named {unknown[0]!r}: there are {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(_settings(args), tuple(args.names) or NAMES, args.json)
    except (BenchmarkError, EnvironmentFailedError, ValueError) as exc:
        print(f"benchmarks: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted, everything is stopped", file=sys.stderr)
        return INTERRUPTED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(settings: BenchmarkSettings, names: Sequence[str], copy: Path | None) -> int:
    facts: dict[str, object] = {
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "settings": {k: v for k, v in asdict(settings).items() if k != "directory"},
        "machine": machine_facts(),
        "versions": {
            **software_versions(),
            "miniwdl-aws (reference)": environments.REFERENCE_VERSION,
        },
    }
    _say(f"machine: {facts['machine']}\nversions: {facts['versions']}")
    compared = _warm(_peers(settings), settings) if set(names) & set(COMPARED) else []
    results: list[RunResult] = []
    rows: list[Row] = []
    crowds: list[CrowdResult] = []
    failures: dict[str, str] = {}
    for name in names:
        try:
            if name == "local":
                rows += _speed()
            elif name == "image":
                rows += _image()
            elif name == "linking":
                rows += _linking(settings)
            elif name == "crowd":
                crowds += _crowds(settings, compared)
            else:
                results += _runs(name, settings, compared)
        except (BenchmarkError, LocalAwsError) as exc:
            failures[name] = str(exc)
    rows = [*judge(results, settings), *judge_crowds(crowds), *rows]
    facts["crowds"] = [asdict(crowd) for crowd in crowds]
    _show(results, rows)
    kept = settings.directory / "results" / f"{time.strftime('%Y%m%dT%H%M%S')}-n{settings.n}.json"
    content = document(results, rows, {**facts, "failures": failures})
    keep(content, kept, *([copy] if copy else []))
    _say(f"kept as {kept}")
    for name, problem in failures.items():
        print(f"\nbenchmarks: {name} failed: {problem}", file=sys.stderr)
    return 1 if failures else 0


def _show(results: Sequence[RunResult], rows: Sequence[Row]) -> None:
    calls = "\n".join(operations(result) for result in results)
    times = "\n".join(phases(result) for result in results)
    if results:
        _say(f"\ncalls\n{calls}\n\ntime beyond job time\n{times}")
    _say(f"\n{table(rows)}")
    _say(f"\n{statement(rows)}")


def _peers(settings: BenchmarkSettings) -> list[Peer]:
    """Give the backends in the order in which they run, installed."""
    if settings.alone:
        return [peers.ours(ensure(environments.OURS, say=_say))]
    theirs, own = (ensure(each, say=_say) for each in (environments.REFERENCE, environments.OURS))
    version = environments.REFERENCE_VERSION
    tuned = [peers.reference(theirs, version, tuned=True)] if settings.tuned else []
    return [peers.reference(theirs, version), *tuned, peers.ours(own)]


def _warm(compared: list[Peer], settings: BenchmarkSettings) -> list[Peer]:
    """Have each backend run a task before it is measured.

    What a new environment is compiled to, and what else it keeps, an image has from the beginning.
    """
    task = replace(settings, n=1, task_seconds=0, start_delay_seconds=0.0)
    for peer in compared:
        _one(workloads.scatter(task), peer, task)
    return compared


def _crowds(settings: BenchmarkSettings, compared: Sequence[Peer]) -> list[CrowdResult]:
    length = settings.series_length
    series = [workloads.series(settings, each * length) for each in range(settings.crowd)]

    def run(peer: Peer, clock: Clock) -> CrowdResult:
        _say(f"running crowd, {settings.crowd} workflows at once, on {peer.name}")
        with emulated(settings) as cloud:
            result = cloud.crowd(peer, series, clock)
        _say(f"  {peer.name}: {result.succeeded} succeeded after {result.seconds:.1f} s")
        return result

    return _side_by_side(run, compared)


def _linking(settings: BenchmarkSettings) -> list[Row]:
    _say(f"running linking, {settings.linked} outputs")
    theirs, ours = (
        linking.measure(settings.directory, settings.linked, tuned=tuned) for tuned in (False, True)
    )
    return linking.rows(theirs, ours)


def _image() -> list[Row]:
    _say("running image, the workflow image")
    return image.rows(image.measure())


def _speed() -> list[Row]:
    _say("running local, the local AWS by itself")
    return local_speed.rows(local_speed.measure(local_speed.Sizes()))


def _runs(name: str, settings: BenchmarkSettings, compared: Sequence[Peer]) -> list[RunResult]:
    if name == "scatter":
        return [_one(workloads.scatter(settings), peer, settings) for peer in compared]
    workload = workloads.series(settings)
    return _side_by_side(lambda peer, clock: _one(workload, peer, settings, clock), compared)


def _side_by_side(act: Callable[[Peer, Clock], _T], compared: Sequence[Peer]) -> list[_T]:
    """Run both backends at a time: heads that are idle nearly always do not disturb one another."""
    stop = threading.Event()
    clock = Clock(sleep=stop.wait, stopped=stop.is_set)
    with ThreadPoolExecutor() as pool:
        try:
            return list(pool.map(lambda peer: act(peer, clock), compared))
        except BaseException:
            stop.set()
            raise


def _one(
    workload: Workload, peer: Peer, settings: BenchmarkSettings, clock: Clock | None = None
) -> RunResult:
    _say(f"running {workload.name}, {workload.task_count} tasks, on {peer.name}")
    with emulated(settings) as cloud:
        result = cloud.run(peer, workload, clock)
    _say(f"  {peer.name}, {workload.name}: {result.usage.seconds:.1f} s")
    return result


def _settings(args: argparse.Namespace) -> BenchmarkSettings:
    return BenchmarkSettings(
        directory=DIRECTORY,
        n=args.n,
        task_seconds=args.task_seconds,
        series_seconds=args.series_seconds,
        start_delay_seconds=args.start_delay,
        latency_ms=args.latency_ms,
        rate=args.rate,
        burst=args.burst,
        crowd=args.crowd,
        linked=args.linked,
        tuned=args.tuned,
        alone=args.alone,
    )


def _parser() -> argparse.ArgumentParser:
    default = BenchmarkSettings(directory=DIRECTORY)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)} [all]")
    for flag, unit, value in (
        ("--n", "how wide the scatter is", default.n),
        ("--task-seconds", "how long its tasks sleep, s", default.task_seconds),
        ("--series-seconds", "how long the tasks in series sleep, s", default.series_seconds),
        ("--start-delay", "from RUNNABLE to RUNNING, s", default.start_delay_seconds),
        ("--latency-ms", "of each call of AWS Batch, ms", default.latency_ms),
        ("--crowd", "how many workflows run at once", default.crowd),
        ("--linked", "how many outputs are linked", default.linked),
        ("--rate", "calls a second that each operation takes", default.rate),
        ("--burst", "calls of an operation that are taken at once", default.burst),
    ):
        parser.add_argument(flag, type=type(value), default=value, help=f"{unit} [{value}]")
    parser.add_argument(
        "--tuned", action="store_true", help="scatter: the reference with 1,000 threads too"
    )
    parser.add_argument(
        "--alone", action="store_true", help="ours without the reference, which takes long"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the results here too")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
