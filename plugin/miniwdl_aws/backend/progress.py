"""Telling miniwdl's log, status bar and the run directory how a task job gets on."""

import contextlib
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from WDL._util import StructuredLogMessage

from miniwdl_aws.backend.details import keep_detail
from miniwdl_aws.status import JobStatus

NOTABLE = ("RUNNING", "SUCCEEDED", "FAILED", "LOST")


class JobProgress:
    """Takes what is said of one job, from any thread, for the length of the block.

    The last status is the last thing that it logs: what another thread says after that is left out.

    Args:
        logger: the task's logger.
        task_dir: where the job's description is kept once it has ended.
        running: opened while the job runs; it counts the task as running.
    """

    def __init__(
        self,
        logger: logging.Logger,
        task_dir: Path,
        running: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._logger = logger
        self._task_dir = task_dir
        self._running = running
        self._lock = threading.Lock()
        self._has_ended = False
        self._seen: set[str] = set()
        self._streams: set[str] = set()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._has_ended = True
        self._stack.close()

    @property
    def has_started(self) -> bool:
        """Whether the job was seen with a container."""
        return bool(self._seen & {"STARTING", "RUNNING"})

    def note(self, status: JobStatus) -> None:
        """Log a status when it is first seen, and keep the last one in a file.

        A job that runs is logged again once the name of its log stream is known.
        """
        with self._lock:
            if not self._has_ended:
                self._has_ended = status.is_terminal
                self._note(status)

    def _note(self, status: JobStatus) -> None:
        news = status.status not in self._seen
        self._seen.add(status.status)
        named = bool(status.log_stream) and status.log_stream not in self._streams
        if status.log_stream:
            self._streams.add(status.log_stream)
        if not (news or named):
            return
        self._log(status)
        if not news:
            return
        if status.status == "RUNNING":
            self._stack.enter_context(self._running())
        if status.is_terminal:
            keep_detail(self._task_dir, status)

    def _log(self, status: JobStatus) -> None:
        fields: dict[str, Any] = {"status": status.status, "jobId": status.job_id}
        if status.log_stream:
            fields["logStreamName"] = status.log_stream
        if status.reason and not status.succeeded:
            fields["reason"] = status.reason
        log = (
            self._logger.notice  # type: ignore[attr-defined]
            if status.status in NOTABLE
            else self._logger.info
        )
        log(StructuredLogMessage("AWS Batch job change", **fields))
