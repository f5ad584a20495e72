"""Tests of `miniwdl_aws.backend.retries`."""

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.backend.retries import MAX_WAIT_SECONDS, Budgets, Escalation, Retries
from miniwdl_aws.failures import RULES, Budget, Rule

BY_NAME = {rule.name: rule for rule in RULES}


@given(
    failures=st.lists(st.sampled_from(RULES), max_size=30),
    preemptible=st.integers(0, 3),
    infrastructure=st.integers(0, 3),
    memory=st.integers(0, 3),
    fallback=st.integers(0, 1),
)
def test_no_failure_is_paid_by_the_budget_of_another(
    failures: list[Rule], preemptible: int, infrastructure: int, memory: int, fallback: int
) -> None:
    """Of each kind as many failures are forgiven as its budget has, in whatever order they come."""
    budgets = Budgets(
        preemptible=preemptible, infrastructure=infrastructure, memory=memory, fallback=fallback
    )
    retries = Retries(budgets, 20.0)
    forgiven = [rule.budget for rule in failures if retries.after(rule).again]
    for budget in Budget:
        met = sum(rule.budget is budget for rule in failures)
        assert forgiven.count(budget) == min(met, getattr(budgets, budget.value, 0))
    assert len(forgiven) <= budgets.interruptions


def test_what_would_end_alike_is_final() -> None:
    """A missing image, a cancelled job, and what no queue can run are not tried again."""
    for name in ("no such image", "ended", "not started"):
        verdict = Retries(Budgets(preemptible=9, infrastructure=9), 20.0).after(BY_NAME[name])
        assert verdict.final
        assert verdict.wait_seconds == 0
    assert not Retries(Budgets(), 20.0).after(BY_NAME["command"]).final


def test_the_fallback_queue_is_tried_once() -> None:
    """What the first queue could not start goes to the fallback queue, and no further."""
    retries = Retries(Budgets(fallback=1), 20.0)
    assert retries.after(BY_NAME["not started"]).again
    assert retries.after(BY_NAME["not started"]).final


def test_waits_double_where_aws_fails() -> None:
    """A broken host or registry gets time; a reclaimed host costs the usual pause."""
    retries = Retries(Budgets(infrastructure=99), 20.0)
    waits = [retries.after(BY_NAME["host"]).wait_seconds for _ in range(8)]
    assert waits == [20, 40, 80, 160, 320, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]
    spot = [retries.after(BY_NAME["Fargate spot"]).wait_seconds for _ in range(3)]
    assert spot == [20, 20, 20]


@given(
    first=st.integers(2**20, 2**40),
    cap=st.integers(2**20, 2**40),
    factor=st.floats(1.0, 10.0),
    kills=st.integers(0, 50),
)
def test_memory_grows_to_its_cap_and_no_further(
    first: int, cap: int, factor: float, kills: int
) -> None:
    """Each step gives more memory, and the last one the cap; a task above it keeps what it has."""
    escalation = Escalation(factor=max(factor, 1.1), cap_bytes=cap)
    memory = escalation.memory_bytes(first, kills)
    assert first <= memory <= max(first, cap)
    steps = escalation.steps(first)
    assert escalation.memory_bytes(first, steps) == max(first, cap)
    assert escalation.memory_bytes(first, max(0, steps - 1)) < max(first, cap) or steps == 0


def test_memory_does_not_grow_unless_asked() -> None:
    """Without a factor a task keeps its memory."""
    assert Escalation(cap_bytes=2**40).memory_bytes(2**30, 5) == 2**30
    assert Escalation(cap_bytes=2**40).steps(2**30) == 0


@pytest.mark.parametrize(("factor", "cap"), [(1.0, 2**40), (2.0, 0), (2.0, 2**30)])
def test_no_step_where_nothing_can_grow(factor: float, cap: int) -> None:
    """No attempt is given away to a memory that stays the same."""
    assert Escalation(factor=factor, cap_bytes=cap).steps(2**30) == 0
