"""Tests of `miniwdl_aws.self_test`."""

import pytest

from miniwdl_aws.outcome import Outcome
from miniwdl_aws.self_test import check_self_test

GOOD = {
    "self_test.jobs": ["t1", "t2"],
    "self_test.greetings": ["s3://b/r/greetings/0/g.txt", "s3://b/r/greetings/1/g.txt"],
    "self_test.gathered": 2,
    "self_test.tries": 2,
}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"self_test.jobs": ["t1", "t1"]}, ["a job of its own"]),
        ({"self_test.jobs": ["t1", "w"]}, ["a job of its own"]),
        ({"self_test.jobs": ["", "t2"]}, ["a job of its own"]),
        ({"self_test.gathered": 1}, ["files of 1 others"]),
        ({"self_test.tries": 1}, ["1 tries"]),
        ({"self_test.greetings": ["/mnt/efs/g.txt"]}, ["were published"]),
    ],
)
def test_what_does_not_work_is_said(changes: dict[str, object], broken: list[str]) -> None:
    """A check fails when its part of the outcome is not what it must be, and no other does."""
    outcome = Outcome(exit_code=0, outputs={**GOOD, **changes}, published="s3://b/r/")
    checks = check_self_test("w", outcome, "s3://b")
    wrong = [check.sentence for check in checks if not check.works]
    assert len(wrong) == len(broken)
    assert all(part in sentence for part, sentence in zip(broken, wrong, strict=True))


def test_publication_is_checked_only_where_it_was_asked_for() -> None:
    """Without --s3upload nothing is published."""
    outcome = Outcome(exit_code=0, outputs=GOOD)
    assert all(check.works for check in check_self_test("w", outcome, None))
