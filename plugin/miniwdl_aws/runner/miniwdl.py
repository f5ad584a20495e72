"""``miniwdl`` as a workflow job runs it.

What it looks up for every task is looked up once: for each task miniwdl asks which plugins there
are, and Python then reads a file of every installed distribution. Each file read hands the
interpreter to another thread; with 1,000 tasks at once that kept the first job from being submitted
for 5 to 8 s, and took a third of the process's CPU time. Nothing is installed while a workflow
runs, so the first answer holds.

What it says of a failed download has the reason, which it else keeps to its log. And once all is
said and written the process ends at once: Python else takes apart what a wide scatter has left, and
closes each connection, for a second or two.
"""

import atexit
import functools
import gc
import importlib.metadata
import logging
import os
import sys
from collections.abc import Callable

NEW_OBJECTS = 50_000
"""So many objects are made before Python looks for garbage among them, instead of 700: those of a
thousand tasks stay, and were looked at again and again, a tenth of the process's CPU time."""


def remember_entry_points() -> None:
    """Let `importlib.metadata.entry_points` look at what is installed once for each question."""
    known = functools.cache(importlib.metadata.entry_points)
    importlib.metadata.entry_points = known  # type: ignore[assignment]


def tell_why_downloads_fail() -> None:
    """Let miniwdl's `DownloadFailed`, which names the URI alone, end with what caused it."""
    from WDL.runtime.error import DownloadFailed  # noqa: PLC0415  (it imports miniwdl)

    plain = DownloadFailed.__str__

    def with_reason(error: DownloadFailed) -> str:
        reason = str(error.__cause__ or "")
        return f"{plain(error)}: {reason}" if reason else plain(error)

    DownloadFailed.__str__ = with_reason  # type: ignore[method-assign,assignment]


def spare_garbage_collection() -> None:
    """Look for garbage more seldom, and never among what has been loaded by now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


def spare_log_records() -> None:
    """Find out for no line of the log what none says: who wrote it, in which thread and process.

    Seven lines a task are a tenth of its CPU time (Python's logging how-to, "Optimization").
    """
    logging._srcfile = None  # noqa: SLF001  (the how-to's own way)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def main() -> None:
    """Run miniwdl's command line."""
    remember_entry_points()
    from WDL import CLI  # noqa: PLC0415  (it may look for plugins as it is imported)

    from miniwdl_aws.runner.tuning.dockerless import leave_docker_alone  # noqa: PLC0415  (as below)
    from miniwdl_aws.runner.tuning.substitutes import tune  # noqa: PLC0415  (it imports miniwdl)

    tune()
    leave_docker_alone()
    tell_why_downloads_fail()
    spare_garbage_collection()
    spare_log_records()
    CLI.main()  # type: ignore[no-untyped-call]


class AtOnce:
    """Ends the process without taking it apart, once every other handler of its exit has run."""

    def __init__(self) -> None:
        self._exit_code: int | None = None
        atexit.register(self._end)  # what is registered first runs last

    def after(self, act: Callable[[], object]) -> None:
        """Act, and end as Python would; how it ends after an error is left to Python."""
        try:
            act()
        except SystemExit as exc:
            if exc.code is None or isinstance(exc.code, int):
                self._exit_code = exc.code or 0
            raise
        self._exit_code = 0

    def _end(self) -> None:
        if self._exit_code is None:
            return
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self._exit_code)


if __name__ == "__main__":
    AtOnce().after(main)
