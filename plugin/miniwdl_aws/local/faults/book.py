"""All rules for faults of a local AWS: added, removed, counted, and decided on."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.local.draws import digest, draw
from miniwdl_aws.local.faults.kinds import KINDS, Stage
from miniwdl_aws.local.faults.rules import FaultError, FaultRule, Subject, rules_of


@dataclass(frozen=True)
class Strike:
    """A fault that happens now.

    Attributes:
        rule_id: the rule that says so.
        rule: the same.
        noise: bytes to make names of, the same for the same seed.
    """

    rule_id: str
    rule: FaultRule
    noise: bytes

    @property
    def kind(self) -> str:
        """The kind of the fault."""
        return self.rule.kind

    @property
    def delay_seconds(self) -> float:
        """The rule's delay; 0 without one."""
        return self.rule.delay or 0.0


@dataclass
class _Entry:
    """A rule, and how often what it struck."""

    rule_id: str
    rule: FaultRule
    name: str
    matched: int = 0
    struck: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def decide(self, subject: Subject, seed: int) -> Strike | None:
        self.matched += 1
        self.seen[subject.key] += 1
        rule = self.rule
        if self.matched <= rule.skip or (rule.times is not None and self.struck >= rule.times):
            return None
        what = (self.name, subject.key, self.seen[subject.key])
        if draw(seed, *what) >= rule.probability:
            return None
        self.struck += 1
        return Strike(self.rule_id, rule, digest(seed, "noise", *what))

    def forget(self) -> None:
        self.matched = self.struck = 0
        self.seen.clear()

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.rule_id,
            "fault": self.rule.text,
            "rule": self.rule.members(),
            "matched": self.matched,
            "struck": self.struck,
        }


class Faults:
    """The rules for faults of a local AWS.

    Whether a rule strikes depends on the seed, on the rule, and on what it is held against: the
    number of the call among those of its operation, or a job's name, its attempt and how many
    there were before of the same. So it does not depend on which thread comes first, except which
    of several callers makes the call of a number, and which jobs come first where a rule says
    ``times`` or ``skip``.

    Args:
        seed: repeats all decisions of another run with the same seed.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._entries: dict[str, _Entry] = {}
        self._by_stage: dict[Stage, tuple[_Entry, ...]] = {}
        self._struck: Counter[str] = Counter()
        self._observers: list[Callable[[], object]] = []

    def add(self, *rules: FaultRule | str | Mapping[str, Any]) -> list[str]:
        """Add rules; they hold from now on, after those that are there.

        Args:
            rules: each a rule, its text as ``--fault`` takes it, or its members.

        Returns:
            Their ids.

        Raises:
            FaultError: one makes no sense; then none is added.
        """
        read = [
            rule
            for each in rules
            for rule in ([each] if isinstance(each, FaultRule) else rules_of(each))
        ]
        with self._lock:
            return [self._add(rule) for rule in read]

    def remove(self, rule_id: str) -> None:
        """Take a rule away.

        Raises:
            FaultError: there is no such rule.
        """
        with self._lock:
            if rule_id not in self._entries:
                known = ", ".join(self._entries) or "none"
                raise FaultError(f"there is no fault {rule_id!r}; there are: {known}")
            del self._entries[rule_id]
            self._sort()
        self._tell()

    def clear(self) -> None:
        """Take all rules away."""
        with self._lock:
            self._entries.clear()
            self._sort()
        self._tell()

    def reset(self) -> None:
        """Begin all rules anew, as if each had just been added, and count from zero."""
        with self._lock:
            self._struck.clear()
            for entry in self._entries.values():
                entry.forget()

    def list(self) -> list[dict[str, Any]]:
        """Return the rules with ``id``, ``fault`` (text), ``rule``, ``matched`` and ``struck``."""
        with self._lock:
            return [entry.describe() for entry in self._entries.values()]

    def counters(self) -> dict[str, int]:
        """Return how often each kind has struck since the start or the last reset."""
        with self._lock:
            return dict(self._struck)

    def reset_counters(self) -> None:
        """Count from zero; the rules go on as they are."""
        with self._lock:
            self._struck.clear()

    def strikes(self, stage: Stage, subject: Subject) -> tuple[Strike, ...]:
        """Decide what strikes something, in the order of the rules, and count it.

        What strikes an attempt that runs is counted as it happens.
        """
        if stage not in self._by_stage:
            return ()
        with self._lock:
            found = tuple(
                strike
                for entry in self._by_stage.get(stage, ())
                if entry.rule.matches(subject)
                if (strike := entry.decide(subject, self.seed)) is not None
            )
            if stage is not Stage.RUN:
                self._struck.update(strike.kind for strike in found)
            return found

    def happened(self, strike: Strike) -> None:
        """Count a fault of the stage ``RUN``: an attempt may end before it is struck."""
        with self._lock:
            self._struck[strike.kind] += 1

    def about(self, stage: Stage) -> bool:
        """Tell whether there are rules of a stage."""
        return stage in self._by_stage

    def holds(self, rule_id: str) -> bool:
        """Tell whether a rule is there."""
        return rule_id in self._entries

    def observe(self, observer: Callable[[], object]) -> None:
        """Call a function whenever rules were taken away."""
        self._observers.append(observer)

    def _add(self, rule: FaultRule) -> str:
        rule_id = str(next(self._ids))
        # Equal rules strike each by its own chance.
        equal = sum(entry.rule == rule for entry in self._entries.values())
        self._entries[rule_id] = _Entry(rule_id, rule, f"{rule.text}#{equal}")
        self._sort()
        return rule_id

    def _sort(self) -> None:
        self._by_stage = {
            stage: found
            for stage in Stage
            if (found := tuple(e for e in self._entries.values() if _stage(e.rule) is stage))
        }

    def _tell(self) -> None:
        for observer in self._observers:
            observer()


def _stage(rule: FaultRule) -> Stage:
    return KINDS[rule.kind].stage
