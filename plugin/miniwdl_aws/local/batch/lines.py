"""In which order a queue's jobs wait."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from miniwdl_aws.local.batch.scheduling_policies import SchedulingPolicy

if TYPE_CHECKING:
    from miniwdl_aws.local.batch.jobs import Job


_NOTHING_VCPUS = 1e-3


class Line(Protocol):
    """The RUNNABLE jobs of a queue.

    1. ``push`` takes a job that became RUNNABLE.
    2. ``head`` is the job to start next, of those that are still RUNNABLE; it stays in the line.
    3. ``placed`` is told that the head was started; it leaves the line.
    4. ``released`` is told that a job which was placed has given its resources back.
    """

    def push(self, job: "Job") -> None:
        """Take a job that became RUNNABLE."""

    def head(self, total_vcpus: float) -> "Job | None":
        """Return the job to start next; ``total_vcpus`` is what the queue's environments have."""

    def placed(self, job: "Job") -> None:
        """Let the head go, which was started."""

    def released(self, job: "Job") -> None:
        """Note that a job which was placed gave its resources back."""


class FifoLine:
    """First in, first out."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def push(self, job: "Job") -> None:
        """Append a job."""
        self._jobs.append(job)

    def head(self, total_vcpus: float) -> "Job | None":  # noqa: ARG002 - for lines that reserve some
        """Return the job that has waited longest."""
        while self._jobs and self._jobs[0].status != "RUNNABLE":  # cancelled while it waited
            self._jobs.popleft()
        return self._jobs[0] if self._jobs else None

    def placed(self, job: "Job") -> None:  # noqa: ARG002 - it is the first
        """Remove the head."""
        self._jobs.popleft()

    def released(self, job: "Job") -> None:
        """Do nothing: past use does not count."""


@dataclass
class _Share:
    waiting: list[tuple[int, int, "Job"]] = field(default_factory=list)
    held: float = 0.0
    mean: float = 0.0
    at: float = 0.0

    def hold(self, vcpus: float, now: float, decay_seconds: float) -> None:
        self.mean = self.recent(now, decay_seconds)
        self.at = now
        self.held += vcpus

    def recent(self, now: float, decay_seconds: float) -> float:
        """Return the mean of the vCPUs held, in which what lies further back counts less."""
        kept = math.exp(-(now - self.at) / decay_seconds)
        return self.mean * kept + self.held * (1 - kept)

    def first(self) -> "Job | None":
        while self.waiting and self.waiting[0][2].status != "RUNNABLE":
            heapq.heappop(self.waiting)
        return self.waiting[0][2] if self.waiting else None


class FairLine:
    """Fair shares: the share identifier with the least weighted use goes first.

    AWS does not publish its formula. Here the use is the vCPUs that a share holds now, and the
    mean of those it held, in which the past decays exponentially with ``shareDecaySeconds``; its
    sum is multiplied by the weight factor. In a share, the higher scheduling priority goes first,
    then the older job.

    Args:
        policy: the queue's scheduling policy now.
        clock: the time in milliseconds since 1970.
    """

    def __init__(self, policy: Callable[[], SchedulingPolicy], clock: Callable[[], int]) -> None:
        self._policy = policy
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._numbers = itertools.count()

    @property
    def active(self) -> set[str]:
        """The share identifiers that have jobs which wait or run."""
        return {name for name, share in self._shares.items() if share.held or share.first()}

    def push(self, job: "Job") -> None:
        """Let a job wait in its share."""
        if job.share not in self._shares:
            self._forget_idle()
        share = self._shares.setdefault(job.share, _Share(at=self._now))
        heapq.heappush(share.waiting, (-job.priority, next(self._numbers), job))

    def head(self, total_vcpus: float) -> "Job | None":
        """Return the first job of the share that used least, leaving what is reserved alone."""
        held = sum(share.held for share in self._shares.values())
        free = total_vcpus * (1 - self._policy().reserved(len(self.active))) - held
        for _, _, share in sorted(self._order()):
            job = self._shares[share].first()
            if job and (not self._shares[share].held or job.needs.vcpus <= free):
                return job
        return None

    def placed(self, job: "Job") -> None:
        """Remove the head, and count its vCPUs."""
        heapq.heappop(self._shares[job.share].waiting)
        self._hold(job, job.needs.vcpus)

    def released(self, job: "Job") -> None:
        """Count its vCPUs no more."""
        self._hold(job, -job.needs.vcpus)

    def _forget_idle(self) -> None:
        """Forget the shares that have no jobs, and whose use lies so far back that it is none."""
        now, decay_seconds = self._now, self._policy().decay_seconds
        active = self.active
        self._shares = {
            name: share
            for name, share in self._shares.items()
            if name in active or share.recent(now, decay_seconds) > _NOTHING_VCPUS
        }

    @property
    def _now(self) -> float:
        return self._clock() / 1000

    def _hold(self, job: "Job", vcpus: float) -> None:
        self._shares[job.share].hold(vcpus, self._now, self._policy().decay_seconds)

    def _order(self) -> Iterator[tuple[float, int, str]]:
        policy, now = self._policy(), self._now
        for name, share in self._shares.items():
            if share.first() is not None:
                use = share.held + share.recent(now, policy.decay_seconds)
                yield use * policy.weight(name), share.waiting[0][1], name
