"""The verdict of an evaluation, and its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence[Any] | Mapping[str, Any] | None
"""A JSON value. The type is not recursive, because the ledger's decoder evaluates it."""


class Outcome(StrEnum):
    """The outcome of a probe, or of a whole evaluation. Only PASS advances."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a secret
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"


# The worst outcome of several decides. ERROR (the probe failed) is worse than INCONCLUSIVE (too little evidence),
# because waiting does not resolve it. FAIL is worse than both, because it is established.
WORSE: tuple[Outcome, ...] = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAIL)


@dataclass(frozen=True)
class Verdict:
    """An outcome, and its reason in one sentence with numbers."""

    outcome: Outcome
    reason: str

    @classmethod
    def passed(cls, reason: str) -> Verdict:
        """Return PASS: the evidence is sufficient and shows no fault."""
        return cls(Outcome.PASS, reason)

    @classmethod
    def failed(cls, reason: str) -> Verdict:
        """Return FAIL: the canary is at fault."""
        return cls(Outcome.FAIL, reason)

    @classmethod
    def inconclusive(cls, reason: str) -> Verdict:
        """Return INCONCLUSIVE: too little evidence, or the versions cannot be distinguished."""
        return cls(Outcome.INCONCLUSIVE, reason)

    @classmethod
    def error(cls, reason: str) -> Verdict:
        """Return ERROR: the probe itself failed."""
        return cls(Outcome.ERROR, reason)


@dataclass(frozen=True)
class Window:
    """The half-open interval of a measurement; both ends are aware datetimes."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """The length of the interval; never negative."""
        return max(self.end - self.start, timedelta(0))


@dataclass(frozen=True)
class Evidence:
    """The evidence of one probe, complete enough for a reader of the ledger to judge it again.

    Attributes:
        probe: health, metrics, logs, security, performance, alarms, flows or compatibility.
        versions: function name to the compared versions, such as ``{"token": {"stable": "4", "canary": "5"}}``.
        source: source of the numbers, such as ``cloudwatch IbOauth by version``.
        samples: number of observations behind the verdict.
        figures: the numbers, as JSON.
    """

    probe: str
    verdict: Verdict
    versions: Mapping[str, Mapping[str, str]]
    window: Window
    source: str
    samples: int
    figures: Mapping[str, Json] = field(default_factory=dict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict, the first of equals; if all passed, PASS. No verdict at all is INCONCLUSIVE, never PASS."""
    ranked = list(verdicts)
    if not ranked:
        return Verdict.inconclusive("no probe reported")
    worst_verdict = max(ranked, key=lambda verdict: WORSE.index(verdict.outcome))
    if worst_verdict.outcome is Outcome.PASS and len(ranked) > 1:
        return Verdict.passed("; ".join(verdict.reason for verdict in ranked))
    return worst_verdict


def verdict_of(evidence: Sequence[Evidence], not_judged: Sequence[str] = ()) -> Verdict:
    """Return the verdict of an evaluation: the worst of its probes. PASS also names what was not judged.

    Args:
        evidence: of every probe that ran.
        not_judged: what this evaluation cannot judge, such as ``client traffic``.
    """
    verdict = worst(one.verdict for one in evidence)
    if verdict.outcome is not Outcome.PASS:
        return verdict
    passed = verdict.reason if len(evidence) == 1 else f"{in_words([one.probe for one in evidence])} passed"
    return Verdict.passed(f"{passed}; not judged: {in_words(not_judged)}" if not_judged else passed)


def in_words(names: Sequence[str]) -> str:
    """Return names as a list in words: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
