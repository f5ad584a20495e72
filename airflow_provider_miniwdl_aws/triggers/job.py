"""The trigger that waits for a job in the triggerer, and copies its log into the task's."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_miniwdl_aws.links.aws import MiniwdlLogLink
from airflow_provider_miniwdl_aws.triggers.own_xcoms import LOG_CURSOR, OwnXComs
from airflow_provider_miniwdl_aws.triggers.watcher import (
    PROCESS_WATCHERS,
    ConnectionKey,
    LogLines,
    News,
    StatusChanged,
    Subscription,
    Watchers,
)
from miniwdl_aws import console
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.logs import LogLine
from miniwdl_aws.status import JobStatus
from miniwdl_aws.tail import OVERLAP_SECONDS

MIN_SECONDS = 10.0
"""No event sooner: the scheduler may not have written down the deferral, and fail the task."""

KILL_SECONDS = 25.0
"""How long a kill is waited for; Airflow's bound is 30 s (``[triggerer] on_kill_timeout``)."""

RESTART_OVERLAP_SECONDS = 120.0
"""How far back a trigger goes on after another triggerer's, if no cursor tells where that was."""

CURSOR_SECONDS = 60.0
"""Between two notes of how far the log was copied; so many seconds of it may be copied twice."""

LINES_AT_ONCE = 100
"""Log lines written before other triggers get their turn on the event loop."""


class MiniwdlJobTrigger(BaseTrigger):
    """Waits until a job has ended.

    It yields one event, ``{"job_id", "status", "reason"}``; how the job ended is for the task to
    read. All triggers of a process share one DescribeJobs watcher and one log reader.

    Its serialized arguments are kept by Airflow over restarts and upgrades: arguments are only
    ever added, each with a default, and those that this version does not know are ignored.

    Args:
        job_id: the job.
        miniwdl_conn_id: the connection of type ``miniwdl_aws``.
        aws_conn_id: amazon's connection with the credentials.
        region_name: the region of the job.
        stream_log: whether its log is copied into the task's.
        cancel_on_kill: whether the job and its task jobs end when somebody kills the task.
        owner: the task instance, for the reason that the ended jobs show.
        deferred_at: when the task was deferred, in seconds since the epoch.
        watchers: what triggers share; not serialized.
        sleep: what waits, in seconds; not serialized.
        unknown: arguments of other versions.
    """

    def __init__(  # noqa: PLR0913  (a trigger's arguments are its wire format)
        self,
        *,
        job_id: str,
        miniwdl_conn_id: str | None = None,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
        stream_log: bool = True,
        cancel_on_kill: bool = True,
        owner: str = "",
        deferred_at: float | None = None,
        watchers: Watchers = PROCESS_WATCHERS,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job_id = job_id
        self.miniwdl_conn_id = miniwdl_conn_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.stream_log = stream_log
        self.cancel_on_kill = cancel_on_kill
        self.owner = owner
        self.deferred_at = deferred_at
        self._watchers = watchers
        self._sleep = sleep
        self._unknown = unknown
        self._shown: tuple[str, str] | None = None
        self._linked = ""
        self._xcoms = OwnXComs(None)
        self._noted_at = float("-inf")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class path and the arguments, for another process to go on."""
        arguments = {
            "job_id": self.job_id,
            "miniwdl_conn_id": self.miniwdl_conn_id,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "stream_log": self.stream_log,
            "cancel_on_kill": self.cancel_on_kill,
            "owner": self.owner,
            "deferred_at": self.deferred_at,
        }
        return "airflow_provider_miniwdl_aws.triggers.job.MiniwdlJobTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the job, and say once that it has ended."""
        loop = asyncio.get_running_loop()
        earliest = loop.time() + MIN_SECONDS
        news: asyncio.Queue[News] = asyncio.Queue()

        def deliver(item: News) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(news.put_nowait, item)

        self._xcoms = OwnXComs(self.task_instance)
        wanted = Subscription(
            job_id=self.job_id, stream_log=self.stream_log, since=await self._log_since()
        )
        with self._watchers.subscribed(self._key, wanted, deliver):
            status = await self._follow(news)
        await self._sleep(max(0.0, earliest - loop.time()))
        told = {"job_id": self.job_id, "status": status.status, "reason": status.reason}
        yield TriggerEvent(told)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """End the job and its task jobs; Airflow 3.3 calls this when somebody kills the task.

        The work is done by threads of the triggerer's, and goes on whatever becomes of this
        coroutine: Airflow allows it 30 s, but 3.3.2 cancels it again with every round of its
        loop, so about one second after it has begun.
        """
        if not self.cancel_on_kill:
            return
        reason = f"{self.owner or 'the Airflow task'} was killed while deferred"
        killing = asyncio.wrap_future(self._watchers.kill(self._key, self.job_id, reason))
        if not await _has_come(killing, KILL_SECONDS):
            self.log.warning("job %s was told to end, and is watched no more", self.job_id)
            return
        try:
            ended = killing.result()
        except MiniwdlAwsError as exc:
            self.log.error("job %s could not be ended: %s", self.job_id, exc)  # noqa: TRY400
            return
        self.log.info("ended job %s and %d task jobs", self.job_id, len(ended.terminated))
        if ended.alive:
            self.log.warning("still ending: %s", ", ".join(ended.alive))

    @property
    def _key(self) -> ConnectionKey:
        return ConnectionKey(self.miniwdl_conn_id, self.aws_conn_id, self.region_name)

    async def _log_since(self) -> int | None:
        """Tell from when on the log is copied: all of it, or what another triggerer has not.

        A trigger that starts after its triggerer's restart goes on a minute before where the cursor
        was noted last. Without one, if the task was deferred long ago, it goes on with the lines
        of the last two minutes, of which some may be there already.
        """
        if not self.stream_log:
            return None
        cursor = await self._xcoms.find(LOG_CURSOR)
        if isinstance(cursor, int):
            # A line that was shown late may be older than the last one that was copied.
            since = cursor - round(OVERLAP_SECONDS * 1000)
        else:
            start = time.time() - RESTART_OVERLAP_SECONDS
            if self.deferred_at is None or self.deferred_at >= start:
                return None
            since = int(start * 1000)
        told = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="seconds")
        self.log.info("going on with the log from %s", told)
        return since

    async def _follow(self, news: "asyncio.Queue[News]") -> JobStatus:
        status: JobStatus | None = None
        while True:
            item = await news.get()
            if isinstance(item, StatusChanged):
                status = item.status
                await self._show(status)
            elif isinstance(item, LogLines):
                await self._copy(item.lines)
            elif status is not None:
                return status

    async def _show(self, status: JobStatus) -> None:
        if (status.status, status.reason) != self._shown:
            self._shown = (status.status, status.reason)
            self.log.info("job %s %s %s", self.job_id, status.status, status.reason)
        if self.region_name and status.log_stream and status.log_stream != self._linked:
            self._linked = status.log_stream
            url = console.log_url(self.region_name, status.log_stream)
            self.log.info("log: %s", url)
            await self._xcoms.store(MiniwdlLogLink().xcom_key, url)

    async def _copy(self, lines: list[LogLine]) -> None:
        for start in range(0, len(lines), LINES_AT_ONCE):
            for line in lines[start : start + LINES_AT_ONCE]:
                self.log.info("%s", line.message)
            await asyncio.sleep(0)
        now = time.monotonic()
        if lines and now - self._noted_at >= CURSOR_SECONDS:
            self._noted_at = now
            await self._xcoms.store(LOG_CURSOR, lines[-1].timestamp)


async def _has_come(future: "asyncio.Future[Any]", seconds: float) -> bool:
    """Wait for a future for so long, however often this coroutine is cancelled meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not future.done() and loop.time() < deadline:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future], timeout=deadline - loop.time())
    return future.done()
