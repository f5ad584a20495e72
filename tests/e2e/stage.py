"""What runs during the end-to-end tests, and what they ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.dag_runs import FINISHED, DagRun, trigger
from miniwdl_aws.cancel import task_jobs
from miniwdl_aws.jobs import describe_all
from miniwdl_aws.local.settings import FALLBACK_QUEUE, TASK_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.airflow_services import AirflowServices
    from demo.samples import SampleSet
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.local import LocalAws
    from miniwdl_aws.status import JobStatus

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EBOLA = ROOT.parent / "shared" / "data" / "ebola"
RUN_SECONDS = 240.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """All that runs during the tests.

    Attributes:
        aws: the local AWS.
        clients: its clients.
        airflow: Airflow's services.
        samples: a generated sample set on the shared file system.
    """

    aws: LocalAws
    clients: AwsClients
    airflow: AirflowServices
    samples: SampleSet

    def seen_by_jobs(self, path: Path) -> str:
        """Name a file of the shared file system as jobs see it."""
        return str(Path(self.aws.settings.mount_path) / path.relative_to(self.aws.efs_dir))

    def seen_here(self, path: str) -> Path:
        """Find a file of the shared file system that a job names."""
        return self.aws.efs_dir / Path(path).relative_to(self.aws.settings.mount_path)

    def trigger(self, dag_id: str, run_id: str, **conf: Any) -> DagRun:
        """Start a DAG run."""
        return trigger(self.airflow, dag_id, run_id, conf)

    def assembly(self, index: int) -> dict[str, Any]:
        """Give the Params for one of the generated samples."""
        sample = self.samples.samples[index]
        return {
            "sample": sample.name,
            "reads": [self.seen_by_jobs(path) for path in sample.reads],
            "reference": self.seen_by_jobs(self.samples.reference),
            "publish_to": f"s3://{self.aws.bucket}/e2e",
        }

    def wait(self, condition: Callable[[], Any], complaint: str, seconds: float = 60) -> None:
        """Wait for a condition while Airflow runs."""
        self.airflow.wait(lambda: bool(condition()), complaint, seconds=seconds)

    def finished(self, run: DagRun) -> str:
        """Wait for the end of a DAG run, and give its state."""
        complaint = f"{run.run_id} has not ended"
        self.wait(lambda: run.state() in FINISHED, complaint, RUN_SECONDS)
        return run.state()

    def job(self, job_id: str) -> JobStatus:
        """Describe one job."""
        (status,) = describe_all(self.clients, [job_id])
        return status

    def task_jobs(self, job_id: str) -> list[JobStatus]:
        """List the live task jobs of a workflow job."""
        return task_jobs(self.clients, (TASK_QUEUE, FALLBACK_QUEUE), job_id)

    def why(self, run: DagRun) -> str:
        """Tell what the tasks of a run logged, for a failed assertion."""
        return "\n".join(
            f"{task['task_id']} ({task['state']}):\n" + "\n".join(run.log(task["task_id"])[-60:])
            for task in run.task_instances()
        )


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The DAG runs that go on side by side while the tests ask about them.

    Attributes:
        four_tasks: the example DAG on a generated sample.
        one_operator: the one-operator form on another, which is an unaligned BAM.
        kept: the example workflow without cleanup.
        slow: one task whose calls sleep; for a kill.
        slow_pair: submit and wait, whose calls sleep; for a kill.
        failing: a workflow whose call fails.
        misspelled: an input that the workflow does not have.
        real: the example DAG on real reads; None where there are none.
    """

    four_tasks: DagRun
    one_operator: DagRun
    kept: DagRun
    slow: DagRun
    slow_pair: DagRun
    failing: DagRun
    misspelled: DagRun
    real: DagRun | None
