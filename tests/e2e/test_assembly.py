"""The example DAGs, from a REST request to files on S3."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import mappy
import pytest
from moto.backends import get_backend

from demo.differences import read_fasta
from demo.results import read_object, read_result
from miniwdl_aws.local.settings import ACCOUNT_ID
from tests.e2e.stage import EBOLA

if TYPE_CHECKING:
    from pathlib import Path

    from demo.dag_runs import DagRun
    from tests.e2e.stage import Runs, Stage

pytestmark = pytest.mark.e2e

OUTPUT_FILES = {
    "consensus_fasta",
    "variants_vcf",
    "aligned_bam",
    "aligned_bai",
    "depth_table",
    "report_json",
}


def listed(stage: Stage, folder: str) -> dict[str, Any]:
    """Give the objects below an S3 folder by their name below it, as the server holds them."""
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    # The server's own records: ListObjects cuts times to seconds.
    keys = get_backend("s3")[ACCOUNT_ID]["aws"].buckets[bucket].keys
    return {key.removeprefix(prefix): keys[key] for key in list(keys) if key.startswith(prefix)}


def published(stage: Stage, run: DagRun, task_id: str) -> tuple[str, dict[str, Any]]:
    """Give the folder where a run was published, and its outputs.json."""
    assert stage.finished(run) == "success", stage.why(run)
    folder = run.xcom(task_id, "published")
    return folder, json.loads(read_object(stage.clients.s3, folder + "outputs.json"))


def differences(assembly: Path, consensus: str) -> list[str]:
    """List the differences between a consensus and an assembly, where the consensus has bases."""
    aligner = mappy.Aligner(str(assembly), preset="asm5")
    (hit,) = aligner.map(consensus, cs=True)
    return [each for each in re.findall(r"\*[a-z]{2}|[+-][a-z]+", hit.cs) if "n" not in each[1:]]


def test_the_dag_finds_every_difference_and_nothing_else(stage: Stage, runs: Runs) -> None:
    """Four tasks assemble a sample from its read pairs; the published calls are the truth."""
    folder, _ = published(stage, runs.four_tasks, "upload")
    sample = stage.samples.samples[0]
    _, genome = read_fasta(stage.samples.reference)
    result = read_result(stage.clients.s3, folder, sample, genome)
    assert len(result.comparison.expected) == 13
    assert result.comparison.is_exact, result.comparison
    assert result.report["covered_fraction"] > 0.98
    assert {task["state"] for task in runs.four_tasks.task_instances()} == {"success"}


def test_the_consensus_is_the_samples_genome(stage: Stage, runs: Runs) -> None:
    """Base for base, apart from the ends that too few reads cover."""
    _, outputs = published(stage, runs.four_tasks, "upload")
    text = read_object(stage.clients.s3, outputs["assemble_viral.consensus_fasta"]).decode()
    consensus = "".join(text.splitlines()[1:])
    _, genome = read_fasta(stage.samples.samples[0].genome)
    assert len(consensus) == len(genome)
    unlike = [pair for pair in zip(consensus, genome, strict=True) if pair[0] != pair[1]]
    assert {called for called, _ in unlike} <= {"N"}
    assert len(unlike) < 120


def test_one_operator_does_the_same(stage: Stage, runs: Runs) -> None:
    """The task's return value is the outputs on S3, and the run directory is gone."""
    run = runs.one_operator
    _, outputs = published(stage, run, "assemble")
    assert run.xcom("assemble") == outputs
    assert outputs["assemble_viral.substitutions"] == 9
    assert outputs["assemble_viral.indels"] == 4
    assert not stage.seen_here(run.xcom("assemble", "run_dir")).exists()


def test_what_lies_on_s3_is_what_lay_on_the_shared_file_system(stage: Stage, runs: Runs) -> None:
    """Every output file has the same bytes in both places, and nothing is missing."""
    run = runs.kept
    _, outputs = published(stage, run, "run")
    kept = stage.seen_here(run.xcom("run", "run_dir"))
    local = json.loads((kept / "outputs.json").read_text())
    files = {name for name, value in outputs.items() if str(value).startswith("s3://")}
    assert {name.partition(".")[2] for name in files} == OUTPUT_FILES
    for name in files:
        here = stage.seen_here(local[name]).read_bytes()
        there = read_object(stage.clients.s3, outputs[name])
        assert hashlib.sha256(there).digest() == hashlib.sha256(here).digest(), name


def test_outputs_json_is_written_last(stage: Stage, runs: Runs) -> None:
    """Where it is, everything else is: it commits the publication."""
    for run, task_id in ((runs.four_tasks, "upload"), (runs.kept, "run")):
        folder, _ = published(stage, run, task_id)
        objects = listed(stage, folder)
        last = max(objects, key=lambda name: objects[name].last_modified)
        assert last == "outputs.json"
        assert "workflow.log" in objects


def test_each_task_hands_on_what_the_next_needs(stage: Stage, runs: Runs) -> None:
    """Job id, run directory, published folder and deletion travel as XComs."""
    run = runs.four_tasks
    folder, outputs = published(stage, run, "upload")
    job_id = run.xcom("submit")
    waited = run.xcom("wait")
    assert stage.job(job_id).succeeded
    assert waited["job_id"] == job_id
    assert waited["run_dir"].startswith("/mnt/efs/miniwdl_run/")
    assert waited["outputs"]["assemble_viral.consensus_fasta"].startswith(waited["run_dir"])
    uploaded = run.xcom("upload")
    assert uploaded["published"] == folder
    assert folder.startswith(f"s3://{stage.aws.bucket}/e2e/patient-01/")
    assert uploaded["outputs"] == outputs
    assert uploaded["object_count"] == len(listed(stage, folder))
    assert run.xcom("cleanup")["deleted"] is True


def test_the_run_directory_is_gone_after_cleanup(stage: Stage, runs: Runs) -> None:
    """Only what was published is deleted; other runs are left alone."""
    published(stage, runs.four_tasks, "upload")
    published(stage, runs.kept, "run")
    assert not stage.seen_here(runs.four_tasks.xcom("wait")["run_dir"]).exists()
    assert stage.seen_here(runs.kept.xcom("run", "run_dir")).is_dir()


def test_links_lead_to_job_log_and_outputs(stage: Stage, runs: Runs) -> None:
    """The task's page has the addresses of its own job, log stream and folder."""
    run = runs.four_tasks
    folder, _ = published(stage, run, "upload")
    job_id = run.xcom("submit")
    assert job_id in str(run.links("submit")["AWS Batch job"])
    waiting = run.links("wait")
    assert job_id in str(waiting["AWS Batch job"])
    stream = stage.job(job_id).log_stream
    assert stream.split("/")[-1] in str(waiting["CloudWatch log"])
    prefix = folder.removeprefix(f"s3://{stage.aws.bucket}/")
    assert prefix.rstrip("/").split("/")[-1] in str(run.links("upload")["Published outputs"])


def test_the_task_log_has_the_workflows_log_in_it(stage: Stage, runs: Runs) -> None:
    """Each call's start and end can be read in Airflow."""
    published(stage, runs.four_tasks, "upload")
    log = "\n".join(runs.four_tasks.log("wait"))
    for call in ("split_reads", "align_chunk-3", "merge_alignments", "report_assembly"):
        assert re.search(rf"call-{call}\b.*", log), log
    assert "workflow start" in log


@pytest.mark.skipif(not EBOLA.is_dir(), reason=f"the real sample is not there: {EBOLA}")
def test_real_reads_give_the_assembly_that_is_kept_beside_them(stage: Stage, runs: Runs) -> None:
    """Over the covered part at most 2 differences, where the reference itself has 15."""
    assert runs.real is not None
    _, outputs = published(stage, runs.real, "upload")
    kept = EBOLA / "G5012.3.fasta"
    _, reference = read_fasta(EBOLA / "ebov-makona.fasta")
    assert len(differences(kept, reference)) == 15
    text = read_object(stage.clients.s3, outputs["assemble_viral.consensus_fasta"]).decode()
    consensus = "".join(text.splitlines()[1:])
    assert consensus.count("N") < 0.01 * len(consensus)
    assert len(differences(kept, consensus)) <= 2
    assert outputs["assemble_viral.covered_fraction"] > 0.99
    assert outputs["assemble_viral.reads_total"] == 18_710
