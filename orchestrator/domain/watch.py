"""The running tests of a deployment, carried from look to look in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import log
from typing import Any

from orchestrator.domain.sequential import Null, Stream, Tally, mean_log_evidence
from orchestrator.domain.verdict import Json


@dataclass(frozen=True)
class Measure:
    """One thing that may be worse on canary, as totals since the window's start.

    Attributes:
        name: unique within a look, such as ``token/server_errors``.
        says: what a bad trial is, for a reader, such as ``token answers 5xx``.
        null: what canary may do; None where there is nothing to hold it against, now.
    """

    name: str
    says: str
    canary: Tally
    stable: Tally
    null: Null | None


@dataclass(frozen=True)
class Watch:
    """One measure's test, and how much of the window's totals it has counted already."""

    stream: Stream = field(default_factory=Stream)
    canary: Tally = field(default_factory=Tally)
    stable: Tally = field(default_factory=Tally)

    def look(self, measure: Measure) -> Watch:
        """Count what is new. Totals, not increments, are compared, so that what arrived late is counted once, later."""
        if measure.null is None:
            return self
        stream = self.stream.look(measure.canary.since(self.canary), measure.stable.since(self.stable), measure.null)
        return Watch(stream, _most(self.canary, measure.canary), _most(self.stable, measure.stable))


@dataclass(frozen=True)
class Watches:
    """All tests of one probe. They share one probability of a false alarm by the mean of their evidence.

    Attributes:
        since: the start of the window whose totals were counted; another window starts at 0.
    """

    since: str = ""
    watches: Mapping[str, Watch] = field(default_factory=dict)

    def look(self, window_start: datetime, measures: tuple[Measure, ...]) -> Watches:
        """Count what is new in every measure. The same measures must be given at every look of a deployment."""
        since = window_start.isoformat()
        known = self.watches
        if since != self.since:
            known = {name: Watch(watch.stream) for name, watch in known.items()}
        return Watches(since, {measure.name: known.get(measure.name, Watch()).look(measure) for measure in measures})

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the evidence that canary is worse in something."""
        return mean_log_evidence(watch.stream for watch in self.watches.values())

    def proves(self, false_alarm_probability: float) -> bool:
        """Whether canary is worse, wrongly so with at most this probability over the whole deployment."""
        return self.log_evidence >= -log(false_alarm_probability)

    def worst(self, measures: tuple[Measure, ...]) -> Measure:
        """The measure with the most evidence against canary."""
        return max(measures, key=lambda measure: self.watches[measure.name].stream.log_evidence)

    def to_json(self) -> Mapping[str, Json]:
        """As the ledger keeps it."""
        return {"since": self.since, "watches": {name: asdict(watch) for name, watch in self.watches.items()}}

    @classmethod
    def from_json(cls, kept: Any) -> Watches:
        """Read what `to_json` wrote; nothing kept is no look yet.

        Raises:
            KeyError, TypeError: it is something else.
        """
        if not kept:
            return cls()
        return cls(str(kept["since"]), {name: _watch(entry) for name, entry in kept["watches"].items()})


def _watch(kept: Any) -> Watch:
    stream = kept["stream"]
    return Watch(
        Stream(
            looks=int(stream["looks"]),
            bets=tuple(float(bet) for bet in stream["bets"]),
            stable_bad=float(stream["stable_bad"]),
            stable_trials=float(stream["stable_trials"]),
        ),
        Tally(int(kept["canary"]["trials"]), int(kept["canary"]["bad"])),
        Tally(int(kept["stable"]["trials"]), int(kept["stable"]["bad"])),
    )


def _most(before: Tally, now: Tally) -> Tally:
    """A total never shrinks: data that CloudWatch gave once and not again are not counted twice."""
    return Tally(max(before.trials, now.trials), max(before.bad, now.bad))
