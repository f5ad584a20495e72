"""The workflows that are run, as WDL source code with inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.settings import BenchmarkSettings

_TASK = """
task rest {
  input {
    Int index
    Int seconds
  }
  command <<<
    sleep ~{seconds}
    echo ~{index}
  >>>
  output {
    Int finished = read_int(stdout())
  }
  runtime {
    docker: "ubuntu:22.04"
    cpu: 1
    memory: "1 GiB"
  }
}
"""

_SCATTER = """version 1.1

workflow scatter_rest {
  input {
    Int first
    Int n
    Int seconds
  }
  scatter (index in range(n)) {
    call rest { input: index = first + index, seconds = seconds }
  }
  output {
    Array[Int] finished = rest.finished
  }
}
"""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A workflow, and what it takes at the least.

    Attributes:
        name: names the benchmark.
        wdl: the source code.
        inputs: the workflow's inputs.
        task_count: how many task jobs it has.
        rounds: how many of them follow one another.
        task_seconds: how long each of them sleeps.
        expected: the outputs that a successful run has.
    """

    name: str
    wdl: str
    inputs: Mapping[str, int] = field(default_factory=dict)
    task_count: int
    rounds: int
    task_seconds: int
    expected: Mapping[str, object]

    def job_seconds(self, start_delay_seconds: float) -> float:
        """Give the time that jobs alone take: starting and running, as often as they must wait."""
        return self.rounds * (start_delay_seconds + self.task_seconds)

    def arguments(self) -> list[str]:
        """Give the inputs as ``miniwdl run`` takes them."""
        return [f"{name}={value}" for name, value in self.inputs.items()]


def scatter(settings: BenchmarkSettings, first: int = 0) -> Workload:
    """Make a scatter as wide as asked for: all its tasks could run at once.

    Args:
        settings: how wide it is, and how long each task sleeps.
        first: what the first task gives; no task of a scatter with other numbers is the same call.
    """
    return Workload(
        name="scatter",
        wdl=_SCATTER + _TASK,
        inputs={"first": first, "n": settings.n, "seconds": settings.task_seconds},
        task_count=settings.n,
        rounds=1,
        task_seconds=settings.task_seconds,
        expected={"scatter_rest.finished": list(range(first, first + settings.n))},
    )


def series(settings: BenchmarkSettings, first: int = 0) -> Workload:
    """Make a series as long as asked for: each task waits for the one before.

    Args:
        settings: how long it is, and how long each task sleeps.
        first: what the first task gives; no task of a series with other numbers is the same call.
    """
    last = settings.series_length - 1
    calls = [_call(index) for index in range(settings.series_length)]
    wdl = (
        "version 1.1\n\nworkflow series_rest {\n  input {\n    Int first\n    Int seconds\n  }\n"
        + "".join(calls)
        + f"  output {{\n    Int finished = rest{last}.finished\n  }}\n}}\n"
    )
    return Workload(
        name="series",
        wdl=wdl + _TASK,
        inputs={"first": first, "seconds": settings.series_seconds},
        task_count=settings.series_length,
        rounds=settings.series_length,
        task_seconds=settings.series_seconds,
        expected={"series_rest.finished": first + last},
    )


def _call(index: int) -> str:
    given = f"rest{index - 1}.finished + 1" if index else "first"
    return f"  call rest as rest{index} {{ input: index = {given}, seconds = seconds }}\n"
