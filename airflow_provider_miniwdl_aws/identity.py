"""What a task instance is for, as AWS Batch and people see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """A task instance's job among all jobs.

    Attributes:
        run_key: ``DAG/RUN/TASK/MAP_INDEX``; jobs of one key are never run twice at a time.
        generation: which deliberate repetition of the task it is.
        try_number: the attempt that is running.
    """

    run_key: str
    generation: str
    try_number: int

    @property
    def owner(self) -> str:
        """The task instance, for a reason that people read in AWS Batch."""
        return f"Airflow task {self.run_key} (try {self.try_number})"


def identify(context: Mapping[str, Any]) -> RunIdentity:
    """Tell which job a task instance asks for.

    The generation is the number of the first try since the task was last cleared. Automatic
    retries leave ``max_tries`` alone, so every retry asks for the same job and adopts the one
    that lives or has succeeded. Clearing sets ``max_tries`` to the try number plus the task's
    retries, so what a person asked to run again runs again; and since its job bears another
    generation than the one that ``on_kill`` of the cleared try is still about to end, the order
    in which the two happen does not matter. A task that is cleared while a worker runs it
    may keep its generation, but its worker has ended its job by then, and a job that somebody
    ended is never adopted.
    """
    ti = context["ti"]
    retries = context["task"].retries or 0
    map_index = -1 if ti.map_index is None else ti.map_index
    return RunIdentity(
        run_key=f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{map_index}",
        generation=str(ti.max_tries - retries + 1),
        try_number=ti.try_number,
    )
