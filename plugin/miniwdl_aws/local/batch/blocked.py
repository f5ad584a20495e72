"""Jobs that block the head of their queue, and for how long they may."""

from collections.abc import Callable
from dataclasses import dataclass

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.queues import JobQueue
from miniwdl_aws.local.execution.runs import TaskRunner, Timer


@dataclass
class _Block:
    job: Job
    reason: str
    since: int
    seconds: float | None = None
    timer: Timer | None = None


class BlockedHeads:
    """Knows which job blocks which queue, and ends it as ``jobStateTimeLimitActions`` say.

    Args:
        runner: counts the time.
        clock: the time in milliseconds since 1970.
        cancel: ends a job that has blocked its queue for too long, for a reason.
    """

    def __init__(
        self, runner: TaskRunner, clock: Callable[[], int], cancel: Callable[[Job, str], None]
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._cancel = cancel
        self._blocks: dict[JobQueue, _Block] = {}

    def note(self, queue: JobQueue, job: Job | None, reason: str | None) -> None:
        """Note which job is at a queue's head now, and why it can never start, if it cannot."""
        block = self._blocks.get(queue)
        if block and (block.job is not job or block.reason != reason):
            self._forget(queue)
            block = None
        if job is None or reason is None:
            return
        if block is None:
            block = self._blocks[queue] = _Block(job, reason, self._clock())
        self._limit(queue, block)

    def _limit(self, queue: JobQueue, block: _Block) -> None:
        """Count the time that the queue allows, from when the job began to block it."""
        seconds = queue.time_limit(block.reason)
        if seconds == block.seconds:
            return
        if block.timer is not None:
            block.timer.cancel()
        block.seconds, block.timer = seconds, None
        if seconds is not None:
            passed = (self._clock() - block.since) / 1000
            block.timer = self._runner.call_later(
                max(0.0, seconds - passed), self._end, queue, block
            )

    def _end(self, queue: JobQueue, block: _Block) -> None:
        if self._blocks.get(queue) is block:
            self._forget(queue)
            self._cancel(block.job, block.reason)

    def _forget(self, queue: JobQueue) -> None:
        block = self._blocks.pop(queue)
        if block.timer is not None:
            block.timer.cancel()
