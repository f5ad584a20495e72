"""The trigger that waits for a job in the triggerer, and copies its log into the task's."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_miniwdl_aws.links.aws import MiniwdlLogLink
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
from miniwdl_aws.status import JobStatus

MIN_SECONDS = 10.0
"""No event sooner: the scheduler may not have written down the deferral, and fail the task."""

KILL_SECONDS = 25.0
"""How long a kill is waited for; Airflow's bound is 30 s (``[triggerer] on_kill_timeout``)."""

RESTART_OVERLAP_SECONDS = 120.0
"""How far before its start a trigger that another triggerer has run copies the log."""

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

        wanted = Subscription(
            job_id=self.job_id, stream_log=self.stream_log, since=self._log_since(time.time())
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

    def _log_since(self, now: float) -> int | None:
        """Tell from when on the log is copied: all of it, or what another triggerer has not.

        A trigger that starts long after its task was deferred goes on for another process. Where
        that one stopped is nowhere written down, so the lines of the last two minutes are copied,
        of which some may be there already.
        """
        since = now - RESTART_OVERLAP_SECONDS
        if self.deferred_at is None or self.deferred_at >= since or not self.stream_log:
            return None
        self.log.info(
            "going on with the log from %s; earlier lines are above, or in CloudWatch",
            datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds"),
        )
        return int(since * 1000)

    async def _follow(self, news: "asyncio.Queue[News]") -> JobStatus:
        status: JobStatus | None = None
        while True:
            item = await news.get()
            if isinstance(item, StatusChanged):
                status = item.status
                await self._show(status)
            elif isinstance(item, LogLines):
                await self._copy(item)
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
            await self._link_log(url)

    async def _link_log(self, url: str) -> None:
        """Store the log's address for the task's page, which shows it while deferred too."""
        ti = self.task_instance
        if ti is None or not hasattr(XCom, "aset"):  # the latter before Airflow 3.2
            return
        try:
            await XCom.aset(
                key=MiniwdlLogLink().xcom_key,
                value=url,
                dag_id=ti.dag_id,
                task_id=ti.task_id,
                run_id=ti.run_id,
                map_index=ti.map_index,
            )
        except Exception as exc:  # noqa: BLE001  (a button that is missing fails no run)
            self.log.warning("the link to the log is not shown yet: %s", exc)

    async def _copy(self, item: LogLines) -> None:
        for start in range(0, len(item.lines), LINES_AT_ONCE):
            for line in item.lines[start : start + LINES_AT_ONCE]:
                self.log.info("%s", line.message)
            await asyncio.sleep(0)


async def _has_come(future: "asyncio.Future[Any]", seconds: float) -> bool:
    """Wait for a future for so long, however often this coroutine is cancelled meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not future.done() and loop.time() < deadline:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future], timeout=deadline - loop.time())
    return future.done()
