"""Tests of `miniwdl_aws.backend.sentinel`."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from miniwdl_aws.backend.sentinel import Ending, Mailbox, Pace, SignWatcher, read_ending

QUICK = Pace(shortest_seconds=0.01, longest_seconds=0.01)

Eventually = Callable[[Callable[[], object]], None]
"""Waits for a condition. What a look finds may be told by another one: the watcher's thread looks
once as it starts."""


def box(folder: Path, name: str = "job") -> Mailbox:
    return Mailbox(folder=folder, name=name)


def test_an_ending_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Seconds become milliseconds; what is missing has a default."""
    path = tmp_path / "exit.json"
    path.write_text('{"jobId": "j", "exitCode": 3, "signalled": 1, "startedAt": 5, "stoppedAt": 6}')
    assert read_ending(path) == Ending(
        job_id="j", exit_code=3, started_at=5000, stopped_at=6000, signalled=True
    )
    path.write_text('{"jobId": "j", "exitCode": 0}')
    assert read_ending(path) == Ending(job_id="j", exit_code=0)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"jobId": "j"}', '{"jobId": "j", "exitCode": "x"}', "\xff"]
)
def test_an_unreadable_ending_is_none(tmp_path: Path, text: str) -> None:
    """Unknown is not success: whatever cannot be read leaves the answer to Batch."""
    path = tmp_path / "exit.json"
    path.write_bytes(text.encode("latin-1"))
    assert read_ending(path) is None
    assert read_ending(tmp_path / "nowhere.json") is None


def test_success_needs_code_zero_and_no_signal() -> None:
    """A command that returns 0 since it was asked to end has not done its work."""
    assert Ending(job_id="j", exit_code=0).is_success
    assert not Ending(job_id="j", exit_code=0, signalled=True).is_success
    assert not Ending(job_id="j", exit_code=1).is_success


def test_each_sign_is_told_once(tmp_path: Path, eventually: Eventually) -> None:
    """Looking again at a sign that stays is no news."""
    watcher, told = SignWatcher(Pace(shortest_seconds=3600)), list[str]()
    mailbox = box(tmp_path)
    with watcher.watching(
        mailbox, began=lambda: told.append("began"), ended=lambda: told.append("ended")
    ):
        for path in (mailbox.began, mailbox.ended):
            path.touch()
            watcher.look()
            eventually(lambda sign=path.suffix[1:]: sign in told)  # type: ignore[misc]
            watcher.look()
    assert told == ["began", "ended"]
    mailbox.clear()
    assert not list(tmp_path.iterdir())
    mailbox.clear()


def test_a_look_costs_one_listing_whatever_the_number_of_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """A thousand jobs of a run share a folder and a thread."""
    from miniwdl_aws.backend import sentinel  # noqa: PLC0415  (its listing is counted)

    listed: list[Path] = []

    def names(folder: Path) -> set[str]:
        found = {entry.name for entry in folder.iterdir()}
        listed.append(folder)
        return found

    monkeypatch.setattr(sentinel, "_names", names)
    watcher, ended = SignWatcher(Pace(shortest_seconds=3600)), list[str]()
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        for number in range(1000):
            name = f"job-{number}"
            stack.enter_context(
                watcher.watching(
                    box(tmp_path, name),
                    began=lambda: None,
                    ended=lambda name=name: ended.append(name),  # type: ignore[misc]
                )
            )
        assert threading.active_count() <= before + 1
        eventually(lambda: listed)
        for number in (7, 700):
            box(tmp_path, f"job-{number}").ended.touch()
        (tmp_path / "somebody-else.ended").touch()
        listed.clear()
        watcher.look()
        assert listed == [tmp_path]
    assert sorted(ended) == ["job-7", "job-700"]


def test_a_sign_that_was_there_before_is_told(tmp_path: Path, eventually: Eventually) -> None:
    """A head that adopts a job looks for what its shell told an earlier one, or nobody yet."""
    watcher, told = SignWatcher(Pace(shortest_seconds=3600)), list[str]()
    early, late = box(tmp_path, "early"), box(tmp_path, "late")
    late.began.touch()
    late.ended.touch()
    with watcher.watching(early, began=lambda: None, ended=lambda: None):
        watcher.look()
        watcher.look()
        with watcher.watching(
            late, began=lambda: told.append("began"), ended=lambda: told.append("ended")
        ):
            watcher.look()
            watcher.look()
            eventually(lambda: "ended" in told)
    assert told == ["began", "ended"]


def test_the_thread_sees_signs_in_every_folder(tmp_path: Path, eventually: Eventually) -> None:
    """Jobs of one process may have mailboxes apart; a missing one harms nobody."""
    watcher, told = SignWatcher(QUICK), list[str]()
    boxes = [box(tmp_path / name, name) for name in ("a", "b", "missing")]
    with contextlib.ExitStack() as stack:
        for mailbox in boxes:
            stack.enter_context(
                watcher.watching(
                    mailbox,
                    began=lambda: None,
                    ended=lambda name=mailbox.name: told.append(name),  # type: ignore[misc]
                )
            )
        for mailbox in boxes[:2]:
            mailbox.folder.mkdir()
            mailbox.ended.touch()
        eventually(lambda: sorted(told) == ["a", "b"])
    eventually(lambda: watcher._thread is None)


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path, eventually: Eventually) -> None:
    """One thread serves all."""
    watcher, told = SignWatcher(Pace(shortest_seconds=3600)), list[str]()

    def broken() -> None:
        raise RuntimeError("mine")

    with (
        watcher.watching(box(tmp_path, "a"), began=broken, ended=broken),
        watcher.watching(box(tmp_path, "b"), began=lambda: None, ended=lambda: told.append("b")),
    ):
        box(tmp_path, "a").ended.touch()
        box(tmp_path, "b").ended.touch()
        watcher.look()
        eventually(lambda: told == ["b"])


def test_looks_are_rare_when_nothing_happens_or_looking_is_slow() -> None:
    """A run of hours costs a look every two seconds; a slow file system a tenth of the time.

    A look that took long may have been kept waiting by the process's other threads: it does not
    put the next one off for long.
    """
    pace = Pace()
    assert pace.pause(0, 0.001) == 0.25
    assert pace.pause(40, 0.001) == 1
    assert pace.pause(7200, 0.001) == 2
    assert pace.pause(0, 0.04) == pytest.approx(0.4)
    assert pace.pause(0, 1.8) == 0.5
    assert pace.pause(7200, 1.8) == 2
