"""Rules for faults, from text, members and files."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.local.faults import (
    KINDS,
    FaultError,
    FaultRule,
    Subject,
    parse_fault,
    read_faults,
    rules_of,
)

RULES = [
    FaultRule(kind="throttle", operation="Describe*", probability=0.25),
    FaultRule(kind="spot-reclaim", job="align*", attempt=1, times=2, skip=1, delay=0.5),
    FaultRule(kind="server-error", service="logs", code=503),
    FaultRule(kind="event-loss", status="FAILED"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_a_rule_says_itself_as_text_and_as_members(rule: FaultRule) -> None:
    """Both ways back give the same rule."""
    assert parse_fault(rule.text) == rule
    assert rules_of(json.loads(json.dumps(rule.members()))) == [rule]


@given(
    job=st.text("abc*?-", min_size=1),
    times=st.integers(1, 1000),
    probability=st.floats(0, 1, exclude_min=True),
)
def test_any_rule_survives_its_text(job: str, times: int, probability: float) -> None:
    """No value that a rule takes is lost on the way."""
    rule = FaultRule(kind="kill", job=job, times=times, probability=probability)
    assert parse_fault(rule.text) == rule


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("thrott", "'thrott' is no kind .did you mean 'throttle'"),
        ("", "'' is no kind"),
        ("throttle,probability=2", "probability must be above 0 and at most 1, got 2.0"),
        ("throttle,probability=0", "probability must be above 0"),
        ("throttle,probability=often", "probability must be a number, got 'often'"),
        ("throttle,probability=nan", "probability must be above 0"),
        ("throttle,times=0", "times must be at least 1, got 0"),
        ("throttle,times=1.5", "times must be a number, got '1.5'"),
        ("throttle,skip=-1", "skip must be at least 0"),
        ("kill,attempt=0", "attempt must be at least 1"),
        ("kill,delay=-1", "delay must be from 0 to"),
        ("kill,delay=inf", "delay must be from 0 to"),
        ("server-error,code=404", "code must be 500 or 503, got 404"),
        ("throttle,times", "'times' is not KEY=VALUE"),
        ("throttle,times=1,times=2", "gives 'times' twice"),
        ("throttle,attempt=1", "'attempt' means nothing here"),
        ("throttle,operation=SubmitJobs", "'SubmitJobs' is no operation of batch, logs"),
        ("throttle,operation=SubmitJobs", r"did you mean 'SubmitJob'\?"),
        ("latency,service=log,delay=1", r"'log' is no service \(did you mean 'logs'\?"),
        ("slow-down,operation=SubmitJob", "'SubmitJob' is no operation of s3"),
        ("event-delay,delay=1,status=RUNING", "status must be one of SUBMITTED, .* got RUNING"),
        ("kill,operaton=SubmitJob", "'operaton' means nothing here"),
        ("latency", "latency needs delay, as in latency,delay=2"),
    ],
)
def test_rules_that_make_no_sense_are_refused(text: str, says: str) -> None:
    """The message quotes the value and says what to give instead."""
    with pytest.raises(FaultError, match=says) as caught:
        parse_fault(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "needs a kind"),
        ({"kind": "throttle", "times": "3"}, "times must be a number, got '3'"),
        ({"kind": "throttle", "times": True}, "times must be a number, got True"),
        ({"kind": "throttle", "operation": 3}, "operation must be text, got 3"),
        (3, "its text or its members, got 3"),
    ],
)
def test_members_of_a_wrong_sort_are_refused(members: Any, says: str) -> None:
    """What JSON can hold and a rule cannot is named."""
    with pytest.raises(FaultError, match=says):
        rules_of(members)


def test_files_hold_rules_as_text_or_members(tmp_path: Path) -> None:
    """JSON has a list, TOML a table of the same."""
    as_json = tmp_path / "faults.json"
    as_json.write_text(json.dumps([RULES[0].text, RULES[1].members()]))
    as_toml = tmp_path / "faults.toml"
    as_toml.write_text(
        '[[fault]]\nkind = "throttle"\noperation = "Describe*"\nprobability = 0.25\n'
        '[[fault]]\nkind = "spot-reclaim"\njob = "align*"\nattempt = 1\ntimes = 2\n'
        "skip = 1\ndelay = 0.5\n"
    )
    assert read_faults(as_json) == read_faults(as_toml) == RULES[:2]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, broken or with a rule that makes no sense: one sentence with the file's name."""
    missing, broken, wrong = (tmp_path / name for name in ("missing.json", "b.toml", "w.json"))
    broken.write_text("[")
    wrong.write_text('["thrott"]')
    for path, says in (
        (missing, "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (broken, "is no JSON or TOML"),
        (wrong, "'thrott' is no kind"),
    ):
        with pytest.raises(FaultError, match=says) as caught:
            read_faults(path)
        assert str(path) in str(caught.value)


def test_a_rule_strikes_only_what_it_names() -> None:
    """Patterns are shell's; what a subject does not have matches no pattern."""
    submit = Subject("k", service="batch", operation="SubmitJob", job="align-1", queue="q")
    assert FaultRule(kind="throttle", operation="Submit*", job="align-?").matches(submit)
    assert not FaultRule(kind="throttle", operation="Describe*").matches(submit)
    assert not FaultRule(kind="throttle", service="logs").matches(submit)
    assert not FaultRule(kind="slow-down").matches(submit)
    describe = Subject("k", service="batch", operation="DescribeJobs")
    assert FaultRule(kind="throttle").matches(describe)
    assert not FaultRule(kind="throttle", job="*").matches(describe)
    on_ec2 = Subject("k", job="a", queue="q", fargate=False, attempt=2)
    assert FaultRule(kind="spot-reclaim", attempt=2).matches(on_ec2)
    assert not FaultRule(kind="spot-reclaim", attempt=1).matches(on_ec2)
    assert not FaultRule(kind="fargate-spot").matches(on_ec2)


def test_every_kind_can_be_made_of_its_required_keys() -> None:
    """And says what happens."""
    for name, kind in KINDS.items():
        rule = parse_fault(",".join([name, *(f"{key}=1" for key in sorted(kind.required))]))
        assert rule.kind == name
        assert kind.summary
        assert kind.required <= kind.keys
