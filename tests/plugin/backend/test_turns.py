"""Tests of `miniwdl_aws.backend.turns`."""

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from miniwdl_aws.backend.turns import Turns

Eventually = Callable[[Callable[[], object]], None]

LONG = 30.0
"""Seconds after which a test fails; none waits for it."""


@contextmanager
def holding(turns: Turns) -> Iterator[Callable[[], None]]:
    """Have another thread hold a turn; gives what has it give the turn back."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.taken():
            held.set()
            assert over.wait(LONG)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(LONG)

    def end() -> None:
        over.set()
        thread.join(LONG)

    try:
        yield end
    finally:
        end()


def test_no_more_threads_work_than_there_are_turns() -> None:
    """However many want to, and however they set their turns aside."""
    turns, lock, at_work, most = Turns(3, 3, LONG), threading.Lock(), set[int](), list[int]()

    def work(number: int) -> None:
        with turns.taken():
            for _ in range(3):
                with lock:
                    at_work.add(number)
                    most.append(len(at_work))
                with lock:
                    at_work.remove(number)
                with turns.aside():
                    assert not turns.is_mine
                assert turns.is_mine

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(40)))
    assert len(most) == 120
    assert max(most) <= 3
    with turns.taken():
        assert turns._held == 1


def test_turns_are_given_in_the_order_in_which_they_are_asked_for(eventually: Eventually) -> None:
    """The first task of a scatter is submitted first."""
    turns, order = Turns(1, 1, LONG), list[int]()

    def work(number: int) -> None:
        with turns.taken():
            order.append(number)

    with ThreadPoolExecutor(5) as pool, holding(turns) as end:
        for number in range(5):
            asked = turns._waiting
            pool.submit(work, number)
            eventually(functools.partial(lambda before: turns._waiting > before, asked))
        end()
    assert order == [0, 1, 2, 3, 4]


def test_what_was_begun_goes_on_before_more_is_begun(eventually: Eventually) -> None:
    """Else the first task of a scatter were submitted once all of them are half prepared."""
    turns, order, answered = Turns(1, 1, LONG), list[str](), threading.Event()

    def begun() -> None:
        with turns.taken():
            with turns.aside():
                assert answered.wait(LONG)
            order.append("begun")

    def new() -> None:
        with turns.taken():
            order.append("new")

    with ThreadPoolExecutor(2) as pool:
        pool.submit(begun)
        eventually(lambda: turns._held == 0 and turns._changed_at > turns._counted_at)
        with holding(turns) as end:
            pool.submit(new)
            eventually(lambda: turns._waiting == 1)
            answered.set()
            eventually(lambda: turns._waiting == 2)
            end()
    assert order == ["begun", "new"]


def test_a_thread_that_has_a_turn_needs_no_other() -> None:
    """A task may run within the thread of another: miniwdl downloads inputs so."""
    turns = Turns(1, 1, LONG)
    with turns.taken():
        with turns.taken():
            assert turns.is_mine
        assert turns.is_mine
    assert not turns.is_mine


def test_a_thread_that_never_took_a_turn_is_not_held_up() -> None:
    """Setting aside what one has not is nothing."""
    turns = Turns(1, 1, LONG)
    with holding(turns), turns.aside():
        assert not turns.is_mine
    assert turns._held == 0


def test_threads_go_ahead_if_turns_do_not_change_hands() -> None:
    """A file system that hangs under all who have turns holds up nobody else for long."""
    turns = Turns(1, 1, 0.01)
    with holding(turns) as end:
        with turns.taken():
            assert turns._held == 2
        assert turns._held == 1
        end()
    assert turns._held == 0


def test_there_are_more_turns_while_they_leave_the_interpreter_idle(
    eventually: Eventually,
) -> None:
    """Where each thread waits for the file system; there are fewer again once it is busy."""
    now, worked, inside, over = [0.0], [0.0], threading.Semaphore(0), threading.Event()
    turns = Turns(1, 4, 1.0, clock=lambda: now[0], work=lambda: worked[0])

    def work() -> None:
        with turns.taken():
            inside.release()
            assert over.wait(LONG)

    def pass_second(work_seconds: float) -> None:
        now[0] += 1.0
        worked[0] += work_seconds

    with ThreadPoolExecutor(2) as pool, holding(turns) as end:
        for _ in range(2):
            pool.submit(work)
        eventually(lambda: turns._waiting == 2)
        pass_second(0.1)
        end()
        assert inside.acquire(timeout=LONG)
        assert inside.acquire(timeout=LONG)
        pass_second(0.9)
        over.set()
    assert turns._count == 1


def test_time_in_which_nobody_has_a_turn_does_not_count(eventually: Eventually) -> None:
    """A process that did nothing for a minute is busy all the same once it has something to do."""
    now, worked, ran = [0.0], [0.0], threading.Event()
    turns = Turns(1, 4, 1.0, clock=lambda: now[0], work=lambda: worked[0])

    def work() -> None:
        with turns.taken():
            ran.set()

    now[0] += 60.0
    with ThreadPoolExecutor(1) as pool, holding(turns) as end:
        pool.submit(work)
        eventually(lambda: turns._waiting == 1)
        now[0] += 1.0
        worked[0] += 0.6
        end()
        assert ran.wait(LONG)
    assert turns._count == 1


def test_a_turn_comes_back_after_an_error() -> None:
    """A task that fails keeps none."""
    turns = Turns(1, 1, LONG)
    with pytest.raises(ValueError, match="its own"), turns.taken(), turns.aside():
        raise ValueError("its own")
    assert turns._held == 0
    assert not turns.is_mine
