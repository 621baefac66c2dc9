"""What a look at the canary came to, and the evidence it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence[Any] | Mapping[str, Any] | None
"""A JSON value. Not recursive: the ledger's decoder evaluates it."""


class Outcome(StrEnum):
    """How a probe, or a whole look, came out. Only PASS advances."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a secret
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"


# The worst of several counts. ERROR (we could not look) is worse than INCONCLUSIVE (we looked and saw too
# little) because it does not cure itself by waiting; FAIL beats both because it is knowledge.
WORSE: tuple[Outcome, ...] = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAIL)


@dataclass(frozen=True)
class Verdict:
    """An outcome and, in one sentence with its numbers, why."""

    outcome: Outcome
    reason: str

    @classmethod
    def passed(cls, reason: str) -> Verdict:
        """The probe saw enough and all of it was right."""
        return cls(Outcome.PASS, reason)

    @classmethod
    def failed(cls, reason: str) -> Verdict:
        """The probe saw something wrong that is the canary's."""
        return cls(Outcome.FAIL, reason)

    @classmethod
    def inconclusive(cls, reason: str) -> Verdict:
        """The probe saw too little, or could not tell the versions apart."""
        return cls(Outcome.INCONCLUSIVE, reason)

    @classmethod
    def error(cls, reason: str) -> Verdict:
        """The probe itself did not work."""
        return cls(Outcome.ERROR, reason)


@dataclass(frozen=True)
class Window:
    """The half-open stretch of time that a measurement covers; both ends are aware datetimes."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is; never negative."""
        return max(self.end - self.start, timedelta(0))


@dataclass(frozen=True)
class Evidence:
    """What one probe saw, complete enough to be judged again by a reader of the ledger.

    Attributes:
        probe: health, metrics, logs, security, performance, alarms, flows or compatibility.
        versions: function name to what was compared, such as ``{"token": {"stable": "4", "canary": "5"}}``.
        source: where the numbers came from, such as ``cloudwatch IbOauth by version``.
        samples: how many observations the verdict rests on.
        figures: the numbers themselves, as JSON.
    """

    probe: str
    verdict: Verdict
    versions: Mapping[str, Mapping[str, str]]
    window: Window
    source: str
    samples: int
    figures: Mapping[str, Json] = field(default_factory=dict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts; of equals the first, and where all passed, that they did. No verdict at all is INCONCLUSIVE, never PASS."""
    ranked = list(verdicts)
    if not ranked:
        return Verdict.inconclusive("no probe looked")
    found = max(ranked, key=lambda verdict: WORSE.index(verdict.outcome))
    if found.outcome is Outcome.PASS and len(ranked) > 1:
        return Verdict.passed(f"all {len(ranked)} probes passed")
    return found
