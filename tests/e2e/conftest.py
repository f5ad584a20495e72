"""The local AWS and Airflow's own services, once for all end-to-end tests."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from demo.airflow_services import AirflowServices, AirflowSettings
from demo.aws import local_clients, submitter_environment
from demo.dag_runs import wait_parsed
from demo.samples import Recipe, make_samples
from miniwdl_aws.local import LocalAws, LocalAwsSettings
from tests.e2e.stage import EBOLA, HERE, ROOT, Runs, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.dag_runs import DagRun

DAGS = (
    "viral_assembly",
    "viral_assembly_one_operator",
    "run_any_workflow",
    "submit_any_workflow",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the demonstration first, which starts an Airflow of its own: two at a time are slow."""
    items.sort(key=lambda item: item.path != HERE / "test_demo.py")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The local AWS, Airflow, and samples on the shared file system."""
    directory = tmp_path_factory.mktemp("e2e")
    with LocalAws(LocalAwsSettings(root=directory / "aws", stop_timeout_seconds=20)) as aws:
        samples = make_samples(aws.efs_dir / "samples", Recipe(genome_length=6_000, seed=7))
        settings = AirflowSettings(
            home=directory / "airflow",
            dags=(ROOT / "example_dags", HERE / "dags"),
            environ=os.environ,
            extra=submitter_environment(aws.environment),
            parallelism=6,
        )
        with AirflowServices(settings) as airflow:
            clients = local_clients(aws.environment)
            pool = {"name": "e2e_run", "slots": 8, "include_deferred": False}
            airflow.rest("POST", "/pools", json=pool)
            wait_parsed(airflow, DAGS)
            yield Stage(aws=aws, clients=clients, airflow=airflow, samples=samples)


@pytest.fixture(scope="session")
def runs(stage: Stage) -> Runs:
    """All DAG runs of the tests, triggered at once: they share two cores and five minutes."""
    any_workflow = partial(stage.trigger, "run_any_workflow")
    assembly = stage.assembly(1)
    publish_to = assembly.pop("publish_to")
    wdl, failing = HERE / "wdl", str(HERE / "wdl" / "failing.wdl")
    slow = {"wdl": str(wdl / "slow.wdl"), "inputs": {"seconds": 3600, "sleepers": 2}}
    return Runs(
        slow=any_workflow("e2e-slow", **slow),
        slow_pair=stage.trigger("submit_any_workflow", "e2e-pair", **slow),
        misspelled=any_workflow("e2e-misspelled", wdl=failing, inputs={"complain": "no"}),
        failing=any_workflow("e2e-failing", wdl=failing, inputs={"complaint": "the disk is full"}),
        four_tasks=stage.trigger("viral_assembly", "e2e-four", **stage.assembly(0)),
        kept=any_workflow(
            "e2e-kept",
            wdl=str(ROOT / "example_dags" / "wdl" / "assemble_viral.wdl"),
            inputs=assembly,
            publish_to=publish_to,
        ),
        one_operator=stage.trigger("viral_assembly_one_operator", "e2e-one", **stage.assembly(2)),
        real=_real(stage),
    )


def _real(stage: Stage) -> DagRun | None:
    if not EBOLA.is_dir():
        return None
    here = stage.aws.efs_dir / "ebola"
    here.mkdir()
    for name in ("G5012.3.testreads.bam", "ebov-makona.fasta"):
        shutil.copyfile(EBOLA / name, here / name)
    return stage.trigger(
        "viral_assembly",
        "e2e-real",
        sample="G5012.3",
        reads=[stage.seen_by_jobs(here / "G5012.3.testreads.bam")],
        reference=stage.seen_by_jobs(here / "ebov-makona.fasta"),
        publish_to=f"s3://{stage.aws.bucket}/e2e/",
    )
