"""What is needed only before miniwdl runs, done in a process that does not outlive it.

The runner waits for as long as the run takes. What it loads to read arguments, 8 MiB, and to reach
AWS, 20 MiB, would stay in its memory for as long.
"""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from miniwdl_aws.errors import MiniwdlAwsError


class ChildEndedError(MiniwdlAwsError):
    """The process that prepares a run ended without an answer: it was killed, as a rule.

    Args:
        exit_code: its exit code; negative for the signal that killed it.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(f"the process that prepares the run ended with exit code {exit_code}")


T = TypeVar("T")


def in_child(call: Callable[[], T]) -> T:
    """Call a function in a fork of this process, which must have one thread only.

    Args:
        call: the function; what it returns or raises must be fit for pickling.

    Raises:
        ChildEndedError: the process ended without an answer.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(call, sender))
    process.start()
    sender.close()
    try:
        succeeded, answer = receiver.recv()
    except EOFError:
        process.join()
        raise ChildEndedError(process.exitcode) from None
    process.join()
    if succeeded:
        return answer  # type: ignore[no-any-return]
    raise answer


def _answer(call: Callable[[], Any], sender: Connection) -> None:
    try:
        answer = True, call()
    except Exception as exc:  # noqa: BLE001  (it is raised again in the other process)
        if not isinstance(exc, MiniwdlAwsError):
            exc.add_note("".join(traceback.format_exception(exc)))
        answer = False, exc
    sender.send(answer)
