"""The demonstration: samples, the local AWS, Airflow, the DAG, and what came of it."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.airflow_services import AirflowServices, AirflowSettings, RestError
from demo.aws import local_clients, submitter_environment
from demo.dag_runs import FINISHED, DagRun, trigger, wait_parsed
from demo.differences import read_fasta
from demo.progress import Board, SampleRun, show_jobs, show_tasks
from demo.results import read_result, save_files, table
from demo.samples import Sample, SampleSet, make_samples
from demo.workspace import workspace
from miniwdl_aws.local import LocalAws, LocalAwsSettings
from miniwdl_aws.local.settings import FALLBACK_QUEUE, TASK_QUEUE, WORKFLOW_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from demo.results import SampleResult
    from miniwdl_aws.clients import AwsClients

DAG_ID = "viral_assembly"
DAGS = Path(__file__).parent.parent / "example_dags"
QUEUES = (WORKFLOW_QUEUE, TASK_QUEUE, FALLBACK_QUEUE)
RUN_SECONDS = 240.0
LOOK_SECONDS = 1.0
LOG_LINES = 40


class DemoFailedError(Exception):
    """A run failed, took too long, or did not find the truth."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """How the demonstration runs.

    Attributes:
        directory: where everything lies; emptied first.
        environ: the caller's environment.
        port: of the Airflow UI; 0 for a free one.
        keep: whether Airflow stays up until Ctrl-C.
        run_seconds: how long the DAG runs may take, all together.
    """

    directory: Path
    environ: Mapping[str, str]
    port: int = 0
    keep: bool = False
    run_seconds: float = RUN_SECONDS


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """What runs during a demonstration.

    Attributes:
        aws: the local AWS.
        clients: its clients.
        airflow: Airflow's services.
        say: prints a line.
    """

    aws: LocalAws
    clients: AwsClients
    airflow: AirflowServices
    say: Callable[[str], None]


def run_demo(settings: DemoSettings, say: Callable[[str], None]) -> None:
    """Run the demonstration from beginning to end; stop all that it started.

    Args:
        settings: how.
        say: prints a line.

    Raises:
        ServiceError: a service did not start, ended, or the directory is in use.
        DemoFailedError: a run failed, took too long, or did not find the truth.
    """
    with workspace(settings.directory) as directory:
        say("Starting the local AWS ...")
        with LocalAws(LocalAwsSettings(root=directory / "aws")) as aws:
            say(f"  endpoint {aws.endpoint_url}; isolation of jobs: {aws.isolation}")
            samples = make_samples(aws.efs_dir / "samples")
            say(f"  {len(samples.samples)} samples on the shared file system, {aws.efs_dir}")
            say("Starting Airflow ...")
            with AirflowServices(_airflow_settings(settings, directory, aws)) as airflow:
                say(f"  UI at {airflow.url}, the services' logs in {airflow.logs}")
                clients = local_clients(aws.environment)
                stage = _Stage(aws=aws, clients=clients, airflow=airflow, say=say)
                try:
                    results = _assemble(stage, samples, settings.run_seconds)
                    _tell(stage, results, directory / "results")
                except (DemoFailedError, RestError) as exc:
                    say(f"\n{exc}")
                    _keep_up(stage, keep=settings.keep)
                    raise DemoFailedError("not all went well, see above") from exc
                _keep_up(stage, keep=settings.keep)


def _airflow_settings(settings: DemoSettings, directory: Path, aws: LocalAws) -> AirflowSettings:
    return AirflowSettings(
        home=directory / "airflow",
        dags=(DAGS,),
        environ=settings.environ,
        extra=submitter_environment(aws.environment),
        port=settings.port,
    )


def _assemble(stage: _Stage, samples: SampleSet, seconds: float) -> list[SampleResult]:
    wait_parsed(stage.airflow, [DAG_ID])
    stage.say(f"\nAssembling with the DAG {DAG_ID}:")
    runs = []
    for sample in samples.samples:
        conf = _conf(stage.aws, samples, sample)
        run = trigger(stage.airflow, DAG_ID, f"demo-{sample.name}", conf)
        runs.append(SampleRun(sample=sample.name, run=run))
    states = _follow(stage, runs, seconds)
    failed = [each.run for each in runs if states[each.sample] != "success"]
    if failed:
        raise DemoFailedError("\n\n".join(_explain(run) for run in failed))
    _, genome = read_fasta(samples.reference)
    return [
        read_result(stage.clients.s3, each.run.xcom("upload")["published"], sample, genome)
        for each, sample in zip(runs, samples.samples, strict=True)
    ]


def _conf(aws: LocalAws, samples: SampleSet, sample: Sample) -> dict[str, object]:
    """Name the files as jobs see them: the directory on this machine is their /mnt/efs."""

    def seen_by_jobs(path: Path) -> str:
        return str(Path(aws.settings.mount_path) / path.relative_to(aws.efs_dir))

    return {
        "sample": sample.name,
        "reads": [seen_by_jobs(path) for path in sample.reads],
        "reference": seen_by_jobs(samples.reference),
        "publish_to": f"s3://{aws.bucket}/viral-assembly",
    }


def _follow(stage: _Stage, runs: Sequence[SampleRun], seconds: float) -> dict[str, str]:
    """Show every change until all DAG runs have ended."""
    board = Board(say=stage.say)
    deadline = time.monotonic() + seconds
    while True:
        states = show_tasks(board, runs)
        show_jobs(board, stage.clients, QUEUES, runs)
        if FINISHED.issuperset(states.values()):
            return states
        stage.airflow.check()
        if time.monotonic() > deadline:
            waiting = [each.run for each in runs if states[each.sample] not in FINISHED]
            explained = "\n\n".join(_explain(run) for run in waiting)
            raise DemoFailedError(f"not finished after {seconds:g} s:\n{explained}")
        time.sleep(LOOK_SECONDS)


def _explain(run: DagRun) -> str:
    """Tell which task a run failed in, or stands at, with the end of its log."""
    blocks = [f"DAG run {run.run_id} is {run.state()}: {run.page}"]
    for task in run.task_instances():
        if task["state"] in {None, "success", "upstream_failed", "skipped", "removed"}:
            continue
        log = run.log(task["task_id"], max(task["try_number"], 1))
        lines = [line for line in log if not line.startswith("::")]  # marks that the UI folds by
        blocks.append(f"task {task['task_id']} is {task['state']}; the end of its log:")
        blocks.extend(f"  {line}" for line in lines[-LOG_LINES:])
    return "\n".join(blocks)


def _tell(stage: _Stage, results: Sequence[SampleResult], directory: Path) -> None:
    """Print where the outputs lie and what was found of the truth.

    Raises:
        DemoFailedError: something was missed, or made up.
    """
    stage.say("\nOutputs:")
    for result in results:
        for name, value in sorted(result.outputs.items()):
            stage.say(f"  {result.sample}  {name.rpartition('.')[2]:<16}  {value}")
        save_files(stage.clients.s3, result, directory / result.sample)
    stage.say(f"Copies of the files are in {directory}.")
    stage.say("\nDifferences from the reference, against the truth:")
    for line in table(results):
        stage.say(f"  {line}")
    wrong = [result for result in results if not result.comparison.is_exact]
    if wrong:
        raise DemoFailedError(
            "\n".join(
                f"{result.sample}: missed {list(result.comparison.missed)}, "
                f"false {list(result.comparison.false)}"
                for result in wrong
            )
        )


def _keep_up(stage: _Stage, *, keep: bool) -> None:
    """Leave Airflow up for people to look at, after a failure too, if asked to."""
    url = stage.airflow.url
    if not keep:
        stage.say(f"\nThe Airflow UI was at {url}; `make demo KEEP=1` keeps it up.")
        return
    stage.say(f"\nThe Airflow UI is at {url}, until Ctrl-C.")
    with suppress(KeyboardInterrupt):
        signal.pause()
    stage.say("Stopping ...")
