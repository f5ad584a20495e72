"""Tests of `miniwdl_aws.outcome`."""

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.outcome import CHUNK, MARK, CallFailure, Outcome, decode, encode, is_mark

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)

OUTCOMES = st.builds(
    Outcome,
    exit_code=st.integers(0, 255),
    run_dir=st.text(),
    outputs=st.none() | st.dictionaries(st.text(), JSON, max_size=4),
    published=st.text(),
    object_count=st.integers(0, 10**6),
    deleted=st.booleans(),
    failure=st.none()
    | st.builds(
        CallFailure,
        run=st.text(),
        exit_code=st.none() | st.integers(0, 255),
        stderr=st.lists(st.text(), max_size=3).map(tuple),
        category=st.sampled_from(["workflow", "command_failed"]),
    ),
)


@given(OUTCOMES, st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_an_outcome_survives_the_log(outcome: Outcome, before: list[str], after: list[str]) -> None:
    """Whatever else is in the log, what was encoded is decoded."""
    others = [line for line in (*before, *after) if not is_mark(line)]
    assert decode([*others, *encode(outcome), *others]) == outcome


def test_no_line_is_longer_than_a_log_event() -> None:
    """A run with very many outputs is cut into several lines of one event each."""
    outcome = Outcome(exit_code=0, outputs={f"wf.out{n}": "s3://b/k" * 20 for n in range(5000)})
    lines = encode(outcome)
    assert len(lines) > 1
    assert max(len(line.encode()) for line in lines) < 256 * 1024 - 26
    assert max(len(line) for line in lines) <= CHUNK + len(MARK) + 20
    assert decode(lines) == outcome


def test_an_incomplete_outcome_is_none() -> None:
    """A runner that is killed while it reports has not reported."""
    lines = encode(Outcome(exit_code=0, outputs={"x": "y" * (2 * CHUNK)}))
    assert decode(lines[:-1]) is None
    assert decode(lines[1:]) is None


def test_the_last_of_several_outcomes_counts() -> None:
    """A retried attempt reports again into the same reader."""
    assert decode([*encode(Outcome(exit_code=1)), *encode(Outcome(exit_code=0))]) == Outcome(
        exit_code=0
    )


def test_a_newer_protocol_is_refused_by_name() -> None:
    """A reader that might misunderstand says so instead."""
    with pytest.raises(ValueError, match="protocol 99"):
        decode([f"{MARK} 99 1/1 {{}}"])


def test_unknown_fields_are_tolerated() -> None:
    """A field that a later version of the same protocol adds does not stop an older reader."""
    assert decode([f'{MARK} 1 1/1 {{"exit_code": 0, "later": 1}}']) == Outcome(exit_code=0)
