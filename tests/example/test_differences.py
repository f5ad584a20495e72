"""The spelling of differences, and their comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from demo.differences import Difference, applied, compare, normalised, parse_vcf, read_fasta

if TYPE_CHECKING:
    from pathlib import Path


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Difference]:
    """Draw a genome and any spelling of a change of it."""
    genome = draw(st.text("AC", min_size=1, max_size=30))
    start = draw(st.integers(0, len(genome) - 1))
    end = draw(st.integers(start + 1, len(genome)))
    new = draw(st.text("AC", min_size=1, max_size=5).filter(lambda new: new != genome[start:end]))
    return genome, Difference(start + 1, genome[start:end], new)


@given(changes())
def test_a_normalised_difference_changes_the_genome_in_the_same_way(
    change: tuple[str, Difference],
) -> None:
    """Normalising respells a change, it never alters it."""
    genome, difference = change
    assert applied(genome, [normalised(genome, difference)]) == applied(genome, [difference])


@given(changes())
def test_normalising_twice_is_normalising_once(change: tuple[str, Difference]) -> None:
    """A normalised spelling is a fixed point."""
    genome, difference = change
    once = normalised(genome, difference)
    assert normalised(genome, once) == once


def test_every_spelling_of_a_deletion_in_a_repeat_is_one_difference() -> None:
    """Which of four equal bases is gone cannot be told: all spellings are the leftmost."""
    genome = "GCAAAATG"
    spellings = [Difference(2, "CA", "C"), Difference(4, "AA", "A"), Difference(3, "AAAA", "AAA")]
    assert {normalised(genome, one) for one in spellings} == {Difference(2, "CA", "C")}


def test_a_difference_that_is_not_one_is_refused() -> None:
    """The reference bases must be the reference's, and something must change."""
    with pytest.raises(ValueError, match="no change of the reference"):
        normalised("ACGT", Difference(1, "C", "T"))
    with pytest.raises(ValueError, match="no change of the reference"):
        normalised("ACGT", Difference(1, "A", "A"))


def test_a_comparison_names_what_was_found_missed_and_made_up() -> None:
    """Found, missed and false are told apart after normalising."""
    genome = "GCAAAATGCC"
    comparison = compare(
        genome,
        [Difference(5, "AA", "A"), Difference(8, "G", "C")],
        [Difference(2, "CA", "C"), Difference(7, "T", "G")],
    )
    assert comparison.found == (Difference(2, "CA", "C"),)
    assert comparison.missed == (Difference(8, "G", "C"),)
    assert comparison.false == (Difference(7, "T", "G"),)
    assert not comparison.is_exact


def test_vcf_records_are_read_and_anything_else_refused() -> None:
    """One record, one difference; a line of another shape is named."""
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\nchr\t7\t.\tA\tAT\t.\tPASS\tDP=9\n"
    assert parse_vcf(text) == [Difference(7, "A", "AT")]
    with pytest.raises(ValueError, match="no VCF record"):
        parse_vcf("chr 7 A T\n")


def test_the_first_sequence_of_a_fasta_file_is_read(tmp_path: Path) -> None:
    """Lines are joined, case is folded, further sequences are left alone."""
    path = tmp_path / "two.fasta"
    path.write_text(">one with words\nacgt\nACGT\n>two\nTTTT\n", encoding="ascii")
    assert read_fasta(path) == ("one", "ACGTACGT")
    path.write_text("ACGT\n", encoding="ascii")
    with pytest.raises(ValueError, match="no FASTA file"):
        read_fasta(path)
