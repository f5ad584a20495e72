"""Runs a command and writes down what its processes used: ``head.py FOLDER COMMAND ...``.

It runs inside the workflow job, around the program that submits and awaits the task jobs (the
head). Task jobs are other jobs' processes, so nothing of them is counted. It writes ``head.log``,
what the command printed, and at the end ``usage.json``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

PERIOD_SECONDS = 0.5
"""How often memory and threads are looked at."""

LOG = "head.log"
USAGE = "usage.json"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a command's processes used.

    Attributes:
        exit_code: the command's exit code.
        started_at: when it was started, in seconds since 1970.
        seconds: how long it ran.
        cpu_seconds: user and system time of all its processes.
        peak_rss_mib: the most resident memory of all its processes together, at one time.
        peak_threads: the most threads of all its processes together, at one time.
    """

    exit_code: int
    started_at: float
    seconds: float
    cpu_seconds: float
    peak_rss_mib: float
    peak_threads: int


@dataclass
class Peak:
    """The most memory and threads seen so far."""

    rss_bytes: int = 0
    threads: int = 0

    def look(self, process: psutil.Process) -> None:
        """Look once at a process and all that it started."""
        rss_bytes, threads = 0, 0
        try:
            for each in (process, *process.children(recursive=True)):
                with each.oneshot():
                    rss_bytes += each.memory_info().rss
                    threads += each.num_threads()
        except psutil.NoSuchProcess:  # one has just ended: the next look counts
            return
        self.rss_bytes = max(self.rss_bytes, rss_bytes)
        self.threads = max(self.threads, threads)

    def watch(self, process: psutil.Process, ended: threading.Event) -> None:
        """Look again and again until the process has ended."""
        while not ended.wait(PERIOD_SECONDS):
            self.look(process)


def run(command: Sequence[str], log: Path) -> Usage:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        log: takes its output.
    """
    peak, ended = Peak(), threading.Event()
    started_at, begun = time.time(), time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        watcher = threading.Thread(target=peak.watch, args=(psutil.Process(process.pid), ended))
        watcher.start()
        try:
            exit_code = process.wait()
        finally:
            ended.set()
            watcher.join()
    seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Usage(
        exit_code=exit_code,
        started_at=started_at,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_rss_mib=peak.rss_bytes / 2**20,
        peak_threads=peak.threads,
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command line; gives the command's exit code."""
    folder, command = Path(arguments[0]), arguments[1:]
    usage = run(command, folder / LOG)
    written = folder / f"{USAGE}.new"
    written.write_text(json.dumps(asdict(usage)))
    written.replace(folder / USAGE)
    return usage.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
