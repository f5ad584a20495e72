"""The generated sample set."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pysam
import pytest

from demo.differences import Difference, applied, read_fasta
from demo.samples import Recipe, main, make_samples

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Recipe(genome_length=3_000, substitutions=4, insertions=1, deletions=1, depth=5)


def files(directory: Path) -> dict[str, bytes]:
    """Give every file's bytes by its name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    """Sets of one recipe are identical, file for file; another seed makes another set."""
    for name, recipe in {"a": SMALL, "b": SMALL, "c": replace(SMALL, seed=1)}.items():
        make_samples(tmp_path / name, recipe)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_the_truth_explains_the_genome(tmp_path: Path) -> None:
    """The reference changed by the listed differences is the sample's genome, base for base."""
    made = make_samples(tmp_path, SMALL)
    _, reference = read_fasta(made.reference)
    for sample in made.samples:
        truth = json.loads(sample.truth.read_text())["differences"]
        differences = [Difference(**one) for one in truth]
        assert tuple(differences) == sample.differences
        assert len(set(differences)) == 6
        assert applied(reference, differences) == read_fasta(sample.genome)[1]


def test_reads_are_pairs_with_few_errors(tmp_path: Path) -> None:
    """Mates carry one name and the recipe's length; the third sample is an unaligned paired BAM."""
    made = make_samples(tmp_path, SMALL)
    pairs = SMALL.depth * 3_000 // (2 * SMALL.read_length)
    for sample in made.samples[:2]:
        names = []
        for path in sample.reads:
            lines = gzip.decompress(path.read_bytes()).decode().splitlines()
            names.append([line[1:-2] for line in lines[::4]])
            assert {len(line) for line in lines[1::4]} == {SMALL.read_length}
        assert names[0] == names[1]
        assert len(names[0]) == pytest.approx(pairs, abs=1)
    with pysam.AlignmentFile(str(made.samples[2].reads[0]), check_sq=False) as bam:
        reads = list(bam)
    assert all(read.is_paired and read.is_unmapped and read.mate_is_unmapped for read in reads)
    assert [read.query_name for read in reads[::2]] == [read.query_name for read in reads[1::2]]


def test_a_recipe_whose_differences_do_not_fit_is_refused(tmp_path: Path) -> None:
    """More differences than places is an error that says how many fit."""
    with pytest.raises(ValueError, match="do not fit on a genome of 1000 bases: at most 2"):
        make_samples(tmp_path, replace(SMALL, genome_length=1_000))


def test_the_command_line_prints_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is JSON that names the files."""
    assert main([str(tmp_path), "--genome-length", "9000", "--depth", "3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["reference"] == str(tmp_path / "reference.fasta")
    assert [sample["name"] for sample in printed["samples"]] == [
        "patient-01",
        "patient-02",
        "patient-03",
    ]
