"""What a task is called: miniwdl tells its plugins, but not the container that runs it.

The task plugin below runs around each task and remembers its names by its run directory, which is
all that the container is given. The book is the module's own, since miniwdl makes neither plugin
nor container for us.
"""

import contextlib
import functools
import json
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import WDL

from miniwdl_aws.heads import run_directory

SAMPLE_INPUTS = ("sample", "sample_id", "sample_name")
"""Inputs that name the sample of a task or of a run, the first that is there."""


@dataclass(frozen=True, kw_only=True)
class TaskIdentity:
    """The names of a task's call.

    Attributes:
        task: the task's name in the WDL.
        call: its call with those around it, without scatter numbers: ``workflow.align``.
        workflow: the outermost workflow, or the task that runs alone.
        run_dir: the outermost run directory.
        sample: the value of an input that names the sample; empty if there is none.
    """

    task: str
    call: str
    workflow: str
    run_dir: Path
    sample: str = ""

    @property
    def run(self) -> str:
        """The name of the outermost run directory."""
        return self.run_dir.name

    @property
    def sample_of_run(self) -> str:
        """The sample, if need be of the run: its inputs lie in its directory."""
        return self.sample or _read_sample(self.run_dir / "inputs.json")


def identify(
    task: str, run_ids: list[str], run_dir: Path, inputs: Mapping[str, str]
) -> TaskIdentity:
    """Name a call.

    Args:
        task: the task's name.
        run_ids: the run ids from the outermost workflow to the task.
        run_dir: the task's run directory.
        inputs: the task's inputs that are texts.
    """
    names = [_without_scatter(run_id) for run_id in run_ids]
    return TaskIdentity(
        task=task,
        call=".".join(names),
        workflow=names[0],
        run_dir=run_directory(_run_root(run_dir, run_ids)),
        sample=_sample(inputs),
    )


def _sample(inputs: Mapping[str, Any]) -> str:
    return next((str(inputs[name]) for name in SAMPLE_INPUTS if inputs.get(name)), "")


@functools.lru_cache(maxsize=16)
def _read_sample(path: Path) -> str:
    """Read the sample of a run from the inputs that miniwdl has written, once."""
    try:
        inputs = json.loads(path.read_text())
    except (OSError, ValueError):
        return ""
    return _sample({name.rpartition(".")[2]: value for name, value in inputs.items()})


def _run_root(run_dir: Path, run_ids: list[str]) -> Path:
    """Go up from a call's directory to the run's; a download lies in ``download/0`` of a call."""
    if run_dir.parent.name == "download":
        run_dir = run_dir.parent.parent
        while run_dir.name.startswith("call-"):
            run_dir = run_dir.parent
    for run_id in reversed(run_ids[1:]):
        if run_dir.name != run_id:
            break
        run_dir = run_dir.parent
    return run_dir


def _without_scatter(run_id: str) -> str:
    """Take what miniwdl puts around a call's name off it; a name of WDL's has no hyphen.

    >>> _without_scatter("call-align-3-0")
    'align'
    """
    return run_id.removeprefix("call-").partition("-")[0]


class _Book:
    """The identities of the tasks under way, by run directory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, TaskIdentity] = {}

    def find(self, run_dir: str, run_id: str) -> TaskIdentity:
        """Give a task's identity; if plugins are switched off, what its run id tells."""
        with self._lock:
            known = self._known.get(run_dir)
        return known or identify(_without_scatter(run_id), [run_id], Path(run_dir), {})

    @contextlib.contextmanager
    def holding(self, run_dir: str, identity: TaskIdentity) -> Iterator[None]:
        """Know a task for the length of the block."""
        with self._lock:
            self._known[run_dir] = identity
        try:
            yield
        finally:
            with self._lock:
                self._known.pop(run_dir, None)


TASKS = _Book()
"""See the top of the module."""


def task_plugin(
    cfg: Any,  # noqa: ARG001  (miniwdl's signature)
    logger: Any,  # noqa: ARG001
    run_id_stack: list[str],
    run_dir: str,
    task: Any,
    **recv: Any,
) -> Generator[dict[str, Any], dict[str, Any], None]:
    """Remember the task while it runs; a task plugin of miniwdl's, which changes nothing.

    Args:
        cfg: miniwdl's configuration.
        logger: the task's logger.
        run_id_stack: the run ids from the outermost workflow to the task.
        run_dir: its run directory.
        task: the task.
        recv: its inputs at first, then its command and container, then its outputs.
    """
    texts = {
        binding.name: binding.value.value
        for binding in recv["inputs"]
        # A File is a String to miniwdl, but the path of one names no sample.
        if type(binding.value) is WDL.Value.String
    }
    with TASKS.holding(run_dir, identify(task.name, run_id_stack, Path(run_dir), texts)):
        recv = yield recv
        recv = yield recv
        yield recv
