"""The example workflow's tasks, each run by itself on the local AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.aws import submitter_environment
from demo.differences import Difference, parse_vcf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miniwdl_aws.local import LocalAws

WDL = Path(__file__).parent.parent.parent / "example_dags" / "wdl"
PROGRAMS = Path(sys.executable).parent
CONTAINER = "python:3.12-bookworm"
COLUMNS = "sequence position reference depth A C G T deleted inserted insertion".replace(" ", "\t")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a run of one task ended.

    Attributes:
        code: the exit code.
        log: what the command line said.
        outputs: the task's outputs, files as paths here; empty if it failed.
    """

    code: int
    log: str
    outputs: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs single tasks on the local AWS.

    Attributes:
        aws: the local AWS.
        files: a directory of this test's own on the shared file system.
    """

    aws: LocalAws
    files: Path

    def seen_by_jobs(self, name: str) -> str:
        """Name a file of this test as jobs see it."""
        path = (self.files / name).relative_to(self.aws.efs_dir)
        return f"{self.aws.settings.mount_path}/{path}"

    def run(self, wdl: str, task: str, **inputs: Any) -> Finished:
        """Run one task of a file of tasks."""
        command = [
            str(PROGRAMS / "miniwdl-aws-submit"),
            str(WDL / "tasks" / wdl),
            *("--task", task, "--follow", "--input"),
            json.dumps({"container": CONTAINER, **inputs}),
        ]
        environment = {**os.environ, **submitter_environment(self.aws.environment)}
        environment["MINIWDL__AWS__RETRY_WAIT"] = "1"  # seconds; a call is retried once
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            return Finished(code=done.returncode, log=done.stderr, outputs={})
        (run_dir,) = re.findall(r"^run directory (/.*)$", done.stderr, re.MULTILINE)
        here = self._seen_here(run_dir)
        outputs = json.loads((here / "outputs.json").read_text())
        return Finished(code=0, log=done.stderr, outputs=self._localised(outputs))

    def _seen_here(self, path: str) -> Path:
        return self.aws.efs_dir / Path(path).relative_to(self.aws.settings.mount_path)

    def _localised(self, outputs: dict[str, Any]) -> dict[str, Any]:
        return {
            name.rpartition(".")[2]: (
                self._seen_here(value)
                if str(value).startswith(self.aws.settings.mount_path)
                else value
            )
            for name, value in outputs.items()
        }


@pytest.fixture
def bench(local_aws: LocalAws) -> Bench:
    """A place to run single tasks."""
    files = local_aws.efs_dir / f"test-{uuid.uuid4()}"
    files.mkdir()
    return Bench(aws=local_aws, files=files)


def depth_table(path: Path, reference: str, rows: dict[int, Sequence[object]]) -> None:
    """Write a depth table: 20 reads agree with the reference, apart from the given rows."""
    lines = [COLUMNS]
    for position, base in enumerate(reference, start=1):
        counts = [20 if base == letter else 0 for letter in "ACGT"]
        row = rows.get(position, [20, *counts, 0, 0, "."])
        lines.append("\t".join(map(str, ["ref", position, base, *row])))
    path.write_text("\n".join([*lines, ""]), encoding="ascii")


@pytest.mark.parametrize(
    "wdl", ["assemble_viral.wdl", "tasks/alignment.wdl", "tasks/consensus.wdl"]
)
def test_the_wdl_passes_the_strict_check(wdl: str) -> None:
    """No type error and no lint warning; the shell's own linter may be missing."""
    command = [str(PROGRAMS / "miniwdl"), "check", "--strict", str(WDL / wdl)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_consensus_is_the_majority_and_n_where_reads_are_few(bench: Bench) -> None:
    """Substitution, insertion, deletions at both ends and within, a tie, and a thin place."""
    #                      12345678901234567890
    reference = "ACGTACGTACGTACGTACGT"
    depth_table(
        bench.files / "in.tsv",
        reference,
        {
            1: [20, 3, 0, 0, 0, 17, 0, "."],  # the first base is deleted
            4: [20, 0, 0, 19, 1, 0, 0, "."],  # T>G
            6: [20, 0, 20, 0, 0, 0, 15, "AA"],  # AA after C
            8: [20, 0, 0, 0, 20, 0, 10, "G"],  # half of the reads are no majority
            10: [20, 0, 2, 0, 0, 18, 0, "."],  # CG deleted
            11: [20, 0, 0, 3, 0, 17, 0, "."],
            13: [4, 0, 4, 0, 0, 0, 0, "."],  # too few
            15: [20, 10, 0, 10, 0, 0, 0, "."],  # a tie: the reference's base
            20: [20, 0, 0, 0, 5, 15, 0, "."],  # the last base is deleted
        },
    )
    done = bench.run(
        "consensus.wdl",
        "call_consensus",
        sample="one",
        depth_table=bench.seen_by_jobs("in.tsv"),
        min_depth=5,
    )
    assert done.code == 0, done.log
    name, sequence = done.outputs["consensus_fasta"].read_text().split()
    assert name == ">one"
    #                     2-6   ins   7-9    12  13   14-19
    assert sequence == "CGGACAAGTATNCGTACG"
    assert parse_vcf(done.outputs["variants_vcf"].read_text()) == [
        Difference(1, "AC", "C"),
        Difference(4, "T", "G"),
        Difference(6, "C", "CAA"),
        Difference(9, "ACG", "A"),
        Difference(19, "GT", "G"),
    ]


def test_mates_out_of_order_end_the_task_with_a_sentence(bench: Bench) -> None:
    """The read and the file are named."""
    for mate, names in (("1", ("a", "b")), ("2", ("a", "c"))):
        records = "".join(f"@{name}/{mate}\nACGT\n+\nFFFF\n" for name in names)
        (bench.files / f"{mate}.fastq").write_text(records)
    reads = [bench.seen_by_jobs("1.fastq"), bench.seen_by_jobs("2.fastq")]
    done = bench.run("alignment.wdl", "split_reads", reads=reads, chunks=2)
    assert done.code != 0
    assert "the mate of read b is not where it should be" in done.log


def test_pairs_are_dealt_into_chunks_without_loss(bench: Bench) -> None:
    """Fewer pairs than chunks make fewer chunks; every read is in one of them."""
    for mate in "12":
        records = "".join(f"@read{n}/{mate}\nACGT\n+\nFFFF\n" for n in range(3))
        (bench.files / f"{mate}.fastq").write_text(records)
    reads = [bench.seen_by_jobs("1.fastq"), bench.seen_by_jobs("2.fastq")]
    done = bench.run("alignment.wdl", "split_reads", reads=reads, chunks=8)
    assert done.code == 0, done.log
    assert done.outputs["reads_total"] == 6
    assert len(done.outputs["chunk_reads"]) == 3
