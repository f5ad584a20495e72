"""Tests of `benchmarks.campaign`: a few kills here, a hundred by ``make campaign``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.campaign import (
    CALLS,
    Arena,
    Plan,
    _ledger_problems,
    _output_problems,
    arena,
    make_plan,
)


@pytest.fixture(scope="module")
def place() -> Iterator[Arena]:
    with arena() as made:
        yield made


@pytest.mark.parametrize(
    "plan",
    [
        Plan(number=1, kills=(2.5, 1.5)),
        Plan(number=2, kills=(3.5,), new_job=True),
        Plan(number=3, kills=(3.0,), gently=True),
    ],
    ids=["killed-twice", "another-job", "reclaimed"],
)
def test_a_run_whose_head_dies_comes_out_as_if_it_had_not(place: Arena, plan: Plan) -> None:
    """The same outputs, no call run to its end twice, nothing left running."""
    verdict = place.run(plan)
    assert verdict.problems == []
    assert verdict.killed == len(plan.kills)


def test_plans_are_those_of_their_seed() -> None:
    """A run that came out wrong can be made again."""
    plans = [make_plan(7, number, 8.0) for number in range(50)]
    assert plans == [make_plan(7, number, 8.0) for number in range(50)]
    assert plans != [make_plan(8, number, 8.0) for number in range(50)]
    assert {plan.new_job for plan in plans} == {plan.gently for plan in plans} == {False, True}
    assert all(0 <= kill <= 8 for plan in plans for kill in plan.kills)


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    """A call that ran twice, one that never did, and missing outputs are told."""
    ledger = tmp_path / "ledger"
    ledger.write_text("".join(f"{call} job\n" for call in (*CALLS[1:], CALLS[1])))
    problems = _ledger_problems(ledger)
    assert problems == [
        f"never run to their end: ['{CALLS[0]}']",
        f"run to their end more than once: {{'{CALLS[1]}': 2}}",
    ]
    assert "there are no outputs" in _output_problems(tmp_path, tmp_path)[0]
    (tmp_path / "letter").write_text("x")
    (tmp_path / "outputs.json").write_text('{"campaign.letter": "/mnt/efs/letter"}')
    assert len(_output_problems(tmp_path, tmp_path)) == 2
