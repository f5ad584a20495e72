"""What all triggers of a triggerer process share: clients, one describer, one log reader.

Nothing here runs on the triggerer's event loop but `Watchers.subscribe` and its end, which ask
nobody anything: connections are read and AWS is asked in threads of our own. (Amazon's hooks take
a lock while they ask the event loop for a connection; on the loop itself that is a deadlock.)
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import MiniwdlAwsHook
from miniwdl_aws.cancel import Cancellation, cancel_run
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.describer import Cadence, Describer, batch_describe_jobs
from miniwdl_aws.errors import AwsCredentialsError, AwsError, AwsUnavailableError
from miniwdl_aws.jobs import terminate
from miniwdl_aws.logs import LogLine, LogReader, log_pacer
from miniwdl_aws.status import JobStatus
from miniwdl_aws.tail import LogTail, LogTails

CADENCE = Cadence(period_seconds=3.0, calls_per_second=0.9)
"""A round each 3 s for up to 270 jobs, each 11 s for 1,000: at most 54 DescribeJobs a minute."""

KILLERS = 16
"""Runs that are ended at a time, when many tasks are killed at once."""

KILL_WATCH_SECONDS = 15.0
"""How long a killed run's jobs are watched as they end."""


class ConnectionKey(NamedTuple):
    """What decides which AWS account and region a job is in."""

    miniwdl_conn_id: str | None
    aws_conn_id: str | None
    region_name: str | None


class StatusChanged(NamedTuple):
    """A job has another status, or the same for another reason."""

    status: JobStatus


class LogLines(NamedTuple):
    """A job has written lines."""

    lines: list[LogLine]


class LogEnded(NamedTuple):
    """All lines of an ended job have been read."""


News = StatusChanged | LogLines | LogEnded
"""What a subscriber is told."""

Deliver = Callable[[News], object]


def connect(key: ConnectionKey) -> AwsClients:
    """Make the clients of a connection; in threads only."""
    hook = MiniwdlAwsHook(
        key.miniwdl_conn_id, aws_conn_id=key.aws_conn_id, region_name=key.region_name
    )
    return hook.clients


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What a trigger wants to know.

    Attributes:
        job_id: the job.
        stream_log: whether its log is wanted.
        since: milliseconds since the epoch; earlier lines are not.
    """

    job_id: str
    stream_log: bool = True
    since: int | None = None


class Watcher:
    """Watches the jobs of one connection.

    Args:
        make_clients: makes the clients; called in threads, again after AWS refused credentials.
        cadence: how often DescribeJobs is asked.
    """

    def __init__(self, make_clients: Callable[[], AwsClients], cadence: Cadence = CADENCE) -> None:
        self.subscribers = 0
        self._make_clients = make_clients
        self._lock = threading.Lock()
        self._clients: AwsClients | None = None
        self._pacer = log_pacer()
        self._describer = Describer(self._describe, cadence)
        self._tails = LogTails(self._reader, self._pacer)

    def clients(self) -> AwsClients:
        """Give the clients; in threads only.

        Raises:
            AwsError: they cannot be made, for whatever reason.
        """
        with self._lock:
            if self._clients is None:
                try:
                    self._clients = self._make_clients()
                except AwsError:
                    raise
                except Exception as exc:
                    # Whatever a connection or its secrets backend raises, the describer must
                    # count it and ask again, not end.
                    raise AwsUnavailableError("connect", type(exc).__name__, str(exc)) from exc
            return self._clients

    @contextlib.contextmanager
    def watching(self, wanted: Subscription, deliver: Deliver) -> Iterator[None]:
        """Deliver news of a job for the length of the block.

        After a job has ended, its status is delivered first, then the rest of its log, then
        `LogEnded`; the last also where no log is wanted or the job has none.
        """
        tail = LogTail(
            deliver=lambda lines: deliver(LogLines(lines)),
            done=lambda: deliver(LogEnded()),
            since=wanted.since,
        )
        observer = functools.partial(self._observe, wanted, tail, deliver)
        try:
            with self._describer.watching(wanted.job_id, observer):
                yield
        finally:
            self._tails.stop(tail)

    def _observe(
        self, wanted: Subscription, tail: LogTail, deliver: Deliver, status: JobStatus
    ) -> None:
        deliver(StatusChanged(status))
        if wanted.stream_log and status.log_stream:
            self._tails.start(tail, status.log_stream, begun=status.created_at)
        if status.is_terminal:
            self._tails.finish(tail)

    def _describe(self, job_ids: list[str], /) -> list[JobStatus]:
        try:
            return batch_describe_jobs(self.clients())(job_ids)
        except AwsCredentialsError:
            # The connection may have been given new ones since.
            with self._lock:
                self._clients = None
            raise

    def _reader(self) -> LogReader:
        return LogReader(self.clients(), self._pacer)


class Watchers:
    """All watchers of a process, by connection; each lives while somebody subscribes to it.

    Args:
        connect: makes the clients of a connection.
        cadence: how often DescribeJobs is asked.
    """

    def __init__(
        self,
        connect: Callable[[ConnectionKey], AwsClients] = connect,
        cadence: Cadence = CADENCE,
    ) -> None:
        self._connect = connect
        self._cadence = cadence
        self._lock = threading.Lock()
        self._watchers: dict[ConnectionKey, Watcher] = {}
        # Two pools: however many runs are watched as they end, none waits to be told to.
        self._terminators = ThreadPoolExecutor(KILLERS, thread_name_prefix="miniwdl-aws-terminate")
        self._finishers = ThreadPoolExecutor(KILLERS, thread_name_prefix="miniwdl-aws-kill")

    @contextlib.contextmanager
    def subscribed(
        self, key: ConnectionKey, wanted: Subscription, deliver: Deliver
    ) -> Iterator[None]:
        """Deliver news of a job for the length of the block, from other threads."""
        with self._held(key) as watcher, watcher.watching(wanted, deliver):
            yield

    def kill(self, key: ConnectionKey, job_id: str, reason: str) -> "Future[Cancellation]":
        """Begin to end a run: its workflow job at once, then its task jobs.

        Returns:
            What it came to, later; the work goes on if nobody waits for it.
        """
        begun = self._terminators.submit(self._terminate, key, job_id, reason)
        return self._finishers.submit(self._finish_off, begun, key, job_id, reason)

    @contextlib.contextmanager
    def _held(self, key: ConnectionKey) -> Iterator[Watcher]:
        with self._lock:
            watcher = self._watchers.get(key)
            if watcher is None:
                watcher = Watcher(functools.partial(self._connect, key), self._cadence)
                self._watchers[key] = watcher
            watcher.subscribers += 1
        try:
            yield watcher
        finally:
            with self._lock:
                watcher.subscribers -= 1
                if watcher.subscribers == 0:
                    del self._watchers[key]

    def _terminate(self, key: ConnectionKey, job_id: str, reason: str) -> None:
        with self._held(key) as watcher:
            terminate(watcher.clients(), job_id, reason)

    def _finish_off(
        self, begun: "Future[None]", key: ConnectionKey, job_id: str, reason: str
    ) -> Cancellation:
        with self._held(key) as watcher:
            begun.exception()
            return cancel_run(watcher.clients(), job_id, reason, wait_seconds=KILL_WATCH_SECONDS)


PROCESS_WATCHERS = Watchers()
"""The watchers of this process: Airflow gives triggers nothing else that they could share."""
