"""Differences between a sample and its reference: one spelling, and what was found of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VCF_COLUMNS = 8


class Difference(NamedTuple):
    """A substitution, insertion or deletion, spelled as VCF does.

    Attributes:
        position: where `reference` starts on the reference sequence, counted from 1.
        reference: the bases there; at least one.
        sample: what the sample has instead; at least one base.
    """

    position: int
    reference: str
    sample: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The differences that a sample has against those that were called.

    Attributes:
        expected: what the sample was made with.
        found: expected and called.
        missed: expected, not called.
        false: called, not expected.
    """

    expected: tuple[Difference, ...]
    found: tuple[Difference, ...]
    missed: tuple[Difference, ...]
    false: tuple[Difference, ...]

    @property
    def is_exact(self) -> bool:
        """Whether all that is there was found, and nothing else."""
        return not self.missed and not self.false


def normalised(genome: str, difference: Difference) -> Difference:
    """Give the leftmost and shortest spelling, so that equal changes compare equal.

    Args:
        genome: the whole reference sequence.
        difference: any spelling of a change of it.

    Returns:
        The same change: no base common to both ends, indels as far left as they go.

    Raises:
        ValueError: `difference` changes nothing, or its bases are not what stands there.
    """
    position, old, new = difference
    start = position - 1
    if old == new or genome[start : start + len(old)] != old:
        raise ValueError(f"{difference} is no change of the reference there")
    while old[-1:] == new[-1:]:
        if start == 0 and 1 in {len(old), len(new)}:
            break
        old, new = old[:-1], new[:-1]
        if not old or not new:
            start -= 1
            old, new = genome[start] + old, genome[start] + new
    while old[0] == new[0] and len(old) > 1 and len(new) > 1:
        old, new, start = old[1:], new[1:], start + 1
    return Difference(start + 1, old, new)


def applied(genome: str, differences: Iterable[Difference]) -> str:
    """Change a sequence by differences that do not overlap.

    Args:
        genome: the reference sequence.
        differences: what the sample has instead, in any order.

    Returns:
        The sample's sequence.
    """
    for position, old, new in sorted(differences, reverse=True):
        genome = genome[: position - 1] + new + genome[position - 1 + len(old) :]
    return genome


def compare(
    genome: str, expected: Iterable[Difference], called: Iterable[Difference]
) -> Comparison:
    """Compare two lists of differences from the same reference.

    Args:
        genome: the reference sequence.
        expected: what the sample was made with.
        called: what was found in its reads.

    Returns:
        Both, sorted into found, missed and false.
    """
    truth = {normalised(genome, one) for one in expected}
    calls = {normalised(genome, one) for one in called}
    return Comparison(
        expected=tuple(sorted(truth)),
        found=tuple(sorted(truth & calls)),
        missed=tuple(sorted(truth - calls)),
        false=tuple(sorted(calls - truth)),
    )


def parse_vcf(text: str) -> list[Difference]:
    """Read the differences off a VCF with one alternative a line.

    Args:
        text: the file's text.

    Returns:
        One difference a record, in the file's order.

    Raises:
        ValueError: a line is no VCF record.
    """
    records = [line.split("\t") for line in text.splitlines() if line and line[0] != "#"]
    for record in records:
        if len(record) < VCF_COLUMNS or not record[1].isdigit():
            raise ValueError(f"no VCF record: {record}")
    return [Difference(int(record[1]), record[3], record[4]) for record in records]


def read_fasta(path: Path) -> tuple[str, str]:
    """Read the first sequence of a FASTA file.

    Args:
        path: the file.

    Returns:
        Its name and its bases in upper case.

    Raises:
        ValueError: the file does not start as FASTA does.
    """
    header, *lines = path.read_text(encoding="ascii").partition("\n>")[0].splitlines() or [""]
    if not header.startswith(">"):
        raise ValueError(f"{path} is no FASTA file: it starts with {header[:20]!r}")
    return header[1:].split()[0], "".join(lines).upper()
