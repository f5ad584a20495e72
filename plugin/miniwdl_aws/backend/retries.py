"""Whether a task is tried again after a failure, on which queue, with how much memory, and when.

miniwdl counts: it tries again after `Interrupted` as often as ``preemptible`` says, and after any
error as often as ``maxRetries`` says. It knows one budget where the table of `failures` has
several. So it is given their sum, and `Interrupted` only while the failure's own one lasts.
"""

import math
from dataclasses import dataclass

from miniwdl_aws.failures import Budget, Rule

MAX_WAIT_SECONDS = 600.0
"""The longest wait between two attempts, however often it was doubled."""


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """How often a task is tried again, by what failed it; ``maxRetries`` comes on top.

    Attributes:
        preemptible: after its host was reclaimed.
        infrastructure: after AWS failed it.
        memory: after a kill for memory use; each time with more memory.
        fallback: 1 if there is a queue for what the first one cannot run.
    """

    preemptible: int = 0
    infrastructure: int = 0
    memory: int = 0
    fallback: int = 0

    @property
    def interruptions(self) -> int:
        """What miniwdl is told as ``preemptible``."""
        return self.preemptible + self.infrastructure + self.memory + self.fallback


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """How a task's memory grows after it was killed for memory use.

    Attributes:
        factor: it is multiplied by it each time; 1 for never.
        cap_bytes: up to which it grows.
    """

    factor: float = 1.0
    cap_bytes: int = 0

    def memory_bytes(self, first_bytes: int, kills: int) -> int:
        """Give the memory after so many kills.

        >>> Escalation(factor=2, cap_bytes=7 * 2**30).memory_bytes(2 * 2**30, 2) / 2**30
        7.0
        """
        if self.factor <= 1 or first_bytes >= self.cap_bytes:
            return first_bytes
        return min(self.cap_bytes, math.ceil(first_bytes * self.factor**kills))

    def steps(self, first_bytes: int) -> int:
        """Tell how often the memory can grow.

        >>> Escalation(factor=2, cap_bytes=7 * 2**30).steps(2 * 2**30)
        2
        """
        if self.factor <= 1 or first_bytes >= self.cap_bytes:
            return 0
        return math.ceil(math.log(self.cap_bytes / first_bytes, self.factor) - 1e-9)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What follows from a failure.

    Attributes:
        again: whether its own budget pays another attempt.
        final: whether no other attempt is made, whatever ``maxRetries`` says.
        wait_seconds: the pause before another attempt.
    """

    again: bool
    final: bool
    wait_seconds: float


class Retries:
    """Counts the failures of one task against its budgets.

    Args:
        budgets: its budgets.
        wait_seconds: the pause before another attempt.
    """

    def __init__(self, budgets: Budgets, wait_seconds: float) -> None:
        self._budgets = budgets
        self._wait_seconds = wait_seconds
        self._spent: dict[Budget, int] = {}

    def spent(self, budget: Budget) -> int:
        """Tell how many failures counted against a budget."""
        return self._spent.get(budget, 0)

    def after(self, rule: Rule) -> Verdict:
        """Count a failure, and say what follows from it."""
        earlier = self.spent(rule.budget)
        self._spent[rule.budget] = earlier + 1
        allowed: int = getattr(self._budgets, rule.budget.value, 0)
        again = earlier < allowed
        final = rule.budget is Budget.NONE or (rule.budget is Budget.FALLBACK and not again)
        wait = (
            self._wait_seconds * 2.0 ** min(earlier, 16) if rule.backs_off else self._wait_seconds
        )
        return Verdict(
            again=again,
            final=final,
            wait_seconds=0.0 if final else min(wait, max(MAX_WAIT_SECONDS, self._wait_seconds)),
        )
