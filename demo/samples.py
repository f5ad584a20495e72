"""Make a small sample set with known differences: `python -m demo.samples OUTDIR`.

The same seed gives the same genomes and the same reads: a reference, and for each sample a genome
that differs from it in known places and read pairs of that genome with sequencing errors.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pysam

from demo.differences import Difference, applied, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REFERENCE_NAME = "demo-virus"
SAMPLE_NAMES = ("patient-01", "patient-02", "patient-03")
_BASES = "ACGT"
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_GOOD_QUALITY, _POOR_QUALITY = "F", "#"  # Phred 37 and 2, the two ends of a binned instrument
_LINE = 70


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a sample set is made of.

    Attributes:
        seed: the same seed gives the same set.
        genome_length: of the reference, in bases.
        substitutions: differences of one base, a sample.
        insertions: of one to three bases, a sample.
        deletions: of one to three bases, a sample.
        depth: reads over a base of the genome, on average.
        read_length: in bases.
        fragment_length: mean distance from the start of a read to the end of its mate, in bases.
        fragment_deviation: standard deviation of that, in bases.
        error_rate: chance that a base is read wrong.
        margin: bases from the genome's ends to a difference; half of it between two.
    """

    seed: int = 2014
    genome_length: int = 9_000
    substitutions: int = 9
    insertions: int = 2
    deletions: int = 2
    depth: int = 40
    read_length: int = 101
    fragment_length: int = 300
    fragment_deviation: int = 40
    error_rate: float = 0.005
    margin: int = 200


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample of the set, as files.

    Attributes:
        name: names the sample.
        reads: one unaligned paired BAM, or the two FASTQ files of the pairs.
        genome: FASTA of the sample's true genome.
        truth: JSON of its differences from the reference.
        differences: the same differences.
    """

    name: str
    reads: tuple[Path, ...]
    genome: Path
    truth: Path
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class SampleSet:
    """A reference and the samples that differ from it.

    Attributes:
        reference: FASTA of the reference.
        samples: in the order of their names.
    """

    reference: Path
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class _Pair:
    name: str
    mates: tuple[tuple[str, str], tuple[str, str]]  # (sequence, quality) of each


def make_samples(
    directory: Path, recipe: Recipe | None = None, names: Sequence[str] = SAMPLE_NAMES
) -> SampleSet:
    """Write a reference and one set of reads a sample.

    Args:
        directory: where to; made when it is not there.
        recipe: what the set is made of; the default takes seconds to make and to assemble.
        names: one sample each; every third gets an unaligned BAM, the others two FASTQ files.

    Returns:
        The set, whose files are written.
    """
    recipe = recipe or Recipe()
    directory.mkdir(parents=True, exist_ok=True)
    reference = "".join(random.Random(recipe.seed).choices(_BASES, k=recipe.genome_length))  # noqa: S311 - reproducible, not secret
    path = directory / "reference.fasta"
    _write_fasta(path, REFERENCE_NAME, reference)
    samples = [
        _make_sample(directory, name, reference, recipe, as_bam=number % 3 == 2)  # noqa: PLR2004 - the third of three
        for number, name in enumerate(names)
    ]
    return SampleSet(reference=path, samples=tuple(samples))


def _make_sample(
    directory: Path, name: str, reference: str, recipe: Recipe, *, as_bam: bool
) -> Sample:
    dice = random.Random(f"{recipe.seed}/{name}")  # noqa: S311 - reproducible, not secret
    differences = _differences(dice, reference, recipe)
    genome = applied(reference, differences)
    pairs = list(_read_pairs(dice, genome, name, recipe))
    write_reads = _write_bam if as_bam else _write_fastq
    sample = Sample(
        name=name,
        reads=write_reads(directory, name, pairs),
        genome=directory / f"{name}.truth.fasta",
        truth=directory / f"{name}.truth.json",
        differences=differences,
    )
    _write_fasta(sample.genome, name, genome)
    truth = {"sample": name, "differences": [one._asdict() for one in differences]}
    sample.truth.write_text(json.dumps(truth, indent=2) + "\n", encoding="ascii")
    return sample


def _differences(dice: random.Random, reference: str, recipe: Recipe) -> tuple[Difference, ...]:
    """Draw differences at distinct places, far enough apart for reads to tell them apart."""
    kinds = ["substitution"] * recipe.substitutions
    kinds += ["insertion"] * recipe.insertions + ["deletion"] * recipe.deletions
    places = range(recipe.margin, len(reference) - 2 * recipe.margin, recipe.margin)
    if len(kinds) > len(places):
        raise ValueError(
            f"{len(kinds)} differences {recipe.margin} bases apart do not fit on a genome of "
            f"{len(reference)} bases: at most {len(places)} do"
        )
    dice.shuffle(kinds)
    positions = [
        place + dice.randrange(recipe.margin // 2)
        for place in sorted(dice.sample(places, len(kinds)))
    ]
    return tuple(
        normalised(reference, _draw(dice, reference, kind, position))
        for kind, position in zip(kinds, positions, strict=True)
    )


def _draw(dice: random.Random, reference: str, kind: str, position: int) -> Difference:
    here = reference[position - 1]
    if kind == "substitution":
        return Difference(position, here, dice.choice(_BASES.replace(here, "")))
    length = dice.randint(1, 3)
    if kind == "insertion":
        return Difference(position, here, here + "".join(dice.choices(_BASES, k=length)))
    return Difference(position, reference[position - 1 : position + length], here)


def _read_pairs(dice: random.Random, genome: str, name: str, recipe: Recipe) -> Iterator[_Pair]:
    count = recipe.depth * len(genome) // (2 * recipe.read_length)
    for number in range(count):
        length = round(dice.gauss(recipe.fragment_length, recipe.fragment_deviation))
        length = min(max(length, recipe.read_length), len(genome))
        start = dice.randrange(len(genome) - length + 1)
        fragment = genome[start : start + length]
        strands = [fragment, fragment.translate(_COMPLEMENT)[::-1]]
        dice.shuffle(strands)
        first, second = (_read(dice, strand, recipe) for strand in strands)
        yield _Pair(f"{name}:{number + 1}", (first, second))


def _read(dice: random.Random, strand: str, recipe: Recipe) -> tuple[str, str]:
    """Read the start of a strand: a wrong base has a poor quality in two cases of three."""
    sequence, quality = list(strand[: recipe.read_length]), [_GOOD_QUALITY] * recipe.read_length
    for at, base in enumerate(sequence):
        if dice.random() < recipe.error_rate:
            sequence[at] = dice.choice(_BASES.replace(base, ""))
            quality[at] = dice.choice((_POOR_QUALITY, _POOR_QUALITY, _GOOD_QUALITY))
    return "".join(sequence), "".join(quality)


def _write_fasta(path: Path, name: str, sequence: str) -> None:
    lines = [sequence[at : at + _LINE] for at in range(0, len(sequence), _LINE)]
    path.write_text("\n".join([f">{name}", *lines, ""]), encoding="ascii")


def _write_fastq(directory: Path, name: str, pairs: Sequence[_Pair]) -> tuple[Path, ...]:
    paths = (directory / f"{name}_1.fastq.gz", directory / f"{name}_2.fastq.gz")
    for mate, path in enumerate(paths):
        # A fixed time and no file name in the header: the same reads give the same bytes.
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="ascii") as out,
        ):
            for pair in pairs:
                sequence, quality = pair.mates[mate]
                out.write(f"@{pair.name}/{mate + 1}\n{sequence}\n+\n{quality}\n")
    return paths


def _write_bam(directory: Path, name: str, pairs: Sequence[_Pair]) -> tuple[Path, ...]:
    path = directory / f"{name}.bam"
    group = {"ID": name, "SM": name, "PL": "ILLUMINA"}
    header = pysam.AlignmentHeader.from_dict(
        {"HD": {"VN": "1.6", "SO": "unsorted", "GO": "query"}, "RG": [group]}
    )
    flags = (
        pysam.FPAIRED | pysam.FUNMAP | pysam.FMUNMAP | pysam.FREAD1,
        pysam.FPAIRED | pysam.FUNMAP | pysam.FMUNMAP | pysam.FREAD2,
    )
    with pysam.AlignmentFile(str(path), "wb", header=header) as bam:
        for pair in pairs:
            for flag, (sequence, quality) in zip(flags, pair.mates, strict=True):
                read = pysam.AlignedSegment(header)
                read.query_name, read.flag = pair.name, flag
                read.query_sequence = sequence
                read.query_qualities = pysam.qualitystring_to_array(quality)
                read.set_tag("RG", name)
                bam.write(read)
    return (path,)


def main(argv: Sequence[str] | None = None) -> int:
    """Write a sample set and print what was written, as JSON.

    Args:
        argv: the arguments; the process's own by default.

    Returns:
        The exit code.
    """
    default = Recipe()
    parser = argparse.ArgumentParser(prog="python -m demo.samples", description=__doc__)
    parser.add_argument("outdir", type=Path, help="directory to write to")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--genome-length", type=int, default=default.genome_length, metavar="BASES")
    parser.add_argument("--depth", type=int, default=default.depth, metavar="READS")
    args = parser.parse_args(argv)
    recipe = Recipe(seed=args.seed, genome_length=args.genome_length, depth=args.depth)
    print(json.dumps(asdict(make_samples(args.outdir, recipe)), indent=2, default=str))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
