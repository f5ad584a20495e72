"""All rules of a local AWS: how they are kept, and that a seed repeats what they do."""

import threading
from collections.abc import Iterable

import pytest

from miniwdl_aws.local.faults import FaultError, FaultRule, Faults, Stage, Subject


def strikes(faults: Faults, jobs: Iterable[str]) -> list[str]:
    """Return the names of the jobs that something strikes."""
    subjects = {name: Subject(f"{name}:1", job=name, attempt=1) for name in jobs}
    return [name for name, each in subjects.items() if faults.strikes(Stage.RUN, each)]


def calls(faults: Faults, count: int) -> list[bool]:
    """Tell which of a number of calls something strikes."""
    subject = Subject("batch:SubmitJob", service="batch", operation="SubmitJob")
    return [bool(faults.strikes(Stage.REQUEST, subject)) for _ in range(count)]


JOBS = [f"job-{number}" for number in range(400)]


def test_a_seed_repeats_what_strikes() -> None:
    """The same calls and jobs, another time; another seed strikes others."""

    def run(seed: int) -> tuple[list[bool], list[str]]:
        faults = Faults(seed)
        faults.add("throttle,probability=0.3", "kill,probability=0.3")
        return calls(faults, 200), strikes(faults, JOBS)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert sum(run(1)[0]) == pytest.approx(60, abs=25)
    assert len(run(1)[1]) == pytest.approx(120, abs=40)


def test_the_order_of_jobs_does_not_matter() -> None:
    """Threads that submit in another order get the same jobs struck."""
    forward, backward = Faults(7), Faults(7)
    for faults in (forward, backward):
        faults.add("kill,probability=0.5")
    assert set(strikes(forward, JOBS)) == set(strikes(backward, reversed(JOBS)))


def test_threads_get_as_many_strikes_as_one() -> None:
    """Which calls are struck depends on their number, whoever makes them."""
    alone, together = Faults(3), Faults(3)
    for faults in (alone, together):
        faults.add("throttle,probability=0.5")
    expected = sum(calls(alone, 400))
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.extend(calls(together, 100))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == expected


def test_attempts_and_equal_rules_have_chances_of_their_own() -> None:
    """A second attempt, and a second rule of the same text, are drawn for anew."""
    faults = Faults(1)
    faults.add("kill,probability=0.5", "kill,probability=0.5")
    subjects = [Subject(f"{name}:1", job=name, attempt=1) for name in JOBS]
    counts = {len(faults.strikes(Stage.RUN, each)) for each in subjects}
    assert counts == {0, 1, 2}
    one = Faults(1)
    one.add("kill,probability=0.5")
    first, second = (strikes(one, JOBS) for _ in range(2))
    assert first != second


def test_some_pass_and_some_are_struck() -> None:
    """``skip`` lets the first pass, ``times`` ends it."""
    faults = Faults()
    faults.add("throttle,skip=2,times=3")
    assert calls(faults, 8) == [False, False, True, True, True, False, False, False]
    assert faults.list()[0] == {
        "id": "1",
        "fault": "throttle,times=3,skip=2",
        "rule": {"kind": "throttle", "times": 3, "skip": 2},
        "matched": 8,
        "struck": 3,
    }
    assert faults.counters() == {"throttle": 3}


def test_reset_begins_anew() -> None:
    """All decisions repeat, and counts are zero; counters alone can be reset, too."""
    faults = Faults(5)
    faults.add("throttle,probability=0.5,times=20")
    first = calls(faults, 100)
    faults.reset()
    assert faults.counters() == {}
    assert calls(faults, 100) == first
    faults.reset_counters()
    assert faults.counters() == {}
    assert faults.list()[0]["struck"] == 20


def test_rules_come_and_go() -> None:
    """Each has an id of its own, which is never given again."""
    faults = Faults()
    told = []
    faults.observe(lambda: told.append(len(faults.list())))
    assert faults.add("throttle,times=1", FaultRule(kind="throttle"), {"kind": "kill"}) == [
        "1",
        "2",
        "3",
    ]
    faults.remove("2")
    with pytest.raises(FaultError, match="no fault '2'; there are: 1, 3"):
        faults.remove("2")
    assert not faults.holds("2")
    assert faults.holds("3")
    faults.clear()
    assert faults.list() == []
    assert calls(faults, 3) == [False] * 3
    assert faults.add("kill") == ["4"]
    assert told == [2, 0]


def test_of_several_rules_none_is_added_if_one_makes_no_sense() -> None:
    """A half-read list would be worse than none."""
    faults = Faults()
    with pytest.raises(FaultError):
        faults.add("kill", "kil")
    assert faults.list() == []
