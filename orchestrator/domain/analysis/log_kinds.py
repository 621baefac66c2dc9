"""Does canary log kinds of errors of its own? A running test, carried from evaluation to evaluation.

A rare kind of both versions appears on one of them first, by chance, and with a thousand rare kinds some appear on
canary first in every deployment. So that a kind is new is no evidence; what follows is. If an error is as frequent in
the requests of both versions, it falls on canary with probability w, canary's share of the requests. This is a bet on
a coin of known bias, and w can be another one in every look. Two things are bet on, for each function:

*Kinds.* A kind that was never seen before gets a number when it appears on canary, and keeps it. That first time is no
evidence. From then on each time that it appears is a toss: on canary, the bet wins; on stable, it loses. Kind number k
has the share 1/(k·(k+1)) of the capital; the sum of all shares is 1, however many kinds there are.

*Discoveries.* A version whose errors all have different messages repeats none of them. But the first appearances
themselves fall on canary with probability w, too: what has not been seen yet is as frequent in the requests of both
versions (the unseen mass of Good, *The population frequencies of species*, 1953). Every period in which something is
seen for the first time is a toss. A part 1/(t·(t+1)) of this capital comes into play at look t, so that a release may
begin to fail late.

A toss is won by the odds ratio r that was bet on: canary then has the share q = w·r / (w·r + 1 - w), and the capital is
multiplied by q/w or by (1 - q)/(1 - w). Both have the mean 1 under the null, so the whole is a capital with mean 1, and
reaches 1/alpha with probability at most alpha (Ville's inequality), however often one looks.

Errors come in bursts: a client repeats its request, an environment fails for seconds. So appearances are counted by
period, not by line: a period in which stable has the error counts for stable, and for canary only if stable does not
have it. If errors (or bursts of them) arrive at rates that are proportional to the requests, the odds of this are
(1 - exp(-w·m)) · exp(-(1-w)·m) / (1 - exp(-(1-w)·m)) for m expected ones, which is at most w/(1 - w) for every m. So
many errors make the test cautious, never rash.

What is assumed: bursts of one version do not outlast a period, and the share w of a period is that of its look. What is
not judged: kinds that stable had before; while canary has all traffic (w = 1), anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from math import inf, log
from typing import Any

from orchestrator.domain.analysis.log_errors import LoggedError
from orchestrator.domain.analysis.odds import log_sum
from orchestrator.domain.verdict import Json

ODDS_RATIOS = (5.0, 1000.0)
"""How much more frequent an error may be on canary: one bet for each, with equal capital. The last one is the error that
stable never has."""

TRACKED_KINDS = 30
"""How many kinds a function's test keeps, so that the record stays small. Of more kinds, the one whose bet has lost
most is forgotten; the oldest, if several have. To lose capital is always valid."""

REMEMBERED_KINDS = 500
"""How many kinds of stable are remembered, by digest; of more, the oldest are forgotten. A forgotten kind that appears
again is a new one, whose toss is as fair as any other."""

_DIGEST_BYTES = 5
_EVEN = (-log(len(ODDS_RATIOS)),) * len(ODDS_RATIOS)

Bets = tuple[float, ...]
"""Natural logarithms of the capital by `ODDS_RATIOS`."""


@dataclass(frozen=True)
class Look:
    """The errors of one function since the previous look.

    Attributes:
        errors: the errors of all its versions.
        canary_share: canary's share of the requests, from 0 to 1.
        period: errors within one period of this length count once.
    """

    errors: Sequence[LoggedError]
    stable_version: str
    canary_version: str
    canary_share: float
    period: timedelta


@dataclass(frozen=True)
class Kind:
    """A kind that appeared on canary before it did on stable.

    Attributes:
        number: its place in the order of first appearances on canary, from 1.
        text: the kind.
        canary, stable: periods in which it appeared.
    """

    number: int
    text: str
    canary: int = 1
    stable: int = 0
    bets: Bets = _EVEN

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of its capital, within its share."""
        return log_sum(self.bets) - log(self.number * (self.number + 1))

    def toss(self, *, on_canary: bool, canary_share: float) -> Kind:
        """Return the kind after it appeared again."""
        bets = _toss(self.bets, on_canary=on_canary, canary_share=canary_share)
        return replace(self, canary=self.canary + on_canary, stable=self.stable + (not on_canary), bets=bets)


@dataclass(frozen=True)
class Discoveries:
    """The test of first appearances.

    Attributes:
        looks: looks so far.
        canary, stable: periods with a first appearance.
    """

    looks: int = 0
    canary: int = 0
    stable: int = 0
    bets: Bets = (-inf,) * len(ODDS_RATIOS)

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the capital, in play and not yet in play."""
        return log_sum((*self.bets, -log(self.looks + 1)))

    def begin_look(self) -> Discoveries:
        """Return the test with the part of the capital that comes into play at its next look."""
        look = self.looks + 1
        added = -log(look * (look + 1)) - log(len(ODDS_RATIOS))
        return replace(self, looks=look, bets=tuple(log_sum((bet, added)) for bet in self.bets))

    def toss(self, *, on_canary: bool, canary_share: float) -> Discoveries:
        """Return the test after a period with a first appearance."""
        bets = _toss(self.bets, on_canary=on_canary, canary_share=canary_share)
        return replace(self, canary=self.canary + on_canary, stable=self.stable + (not on_canary), bets=bets)


@dataclass(frozen=True)
class KindsTest:
    """The test of one function.

    Attributes:
        numbered: kinds that have got a number so far.
        kinds: those that are still tracked, by number.
        remembered: digests of the kinds that appeared on stable, before the deployment or since, oldest first.
        background_read: whether stable's kinds before the deployment are among them.
    """

    numbered: int = 0
    kinds: tuple[Kind, ...] = ()
    discoveries: Discoveries = field(default_factory=Discoveries)
    remembered: tuple[str, ...] = ()
    background_read: bool = False

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the capital: one half is on kinds, one half on discoveries."""
        kinds = log_sum((*(kind.log_evidence for kind in self.kinds), -log(self.numbered + 1)))
        return log_sum((kinds, self.discoveries.log_evidence)) - log(2)

    def remember(self, kinds: Iterable[str]) -> KindsTest:
        """Return the test with kinds that are known, because stable has them."""
        remembered = dict.fromkeys([*self.remembered, *(_digest(kind) for kind in kinds)])
        return replace(self, remembered=tuple(remembered)[-REMEMBERED_KINDS:])

    def update(self, look: Look) -> KindsTest:
        """Count the errors of a look."""
        test = replace(self, discoveries=self.discoveries.begin_look())
        for stable, canary in _by_period(look):
            test = test.count_period(stable, [kind for kind in canary if kind not in stable], look.canary_share)
        return test

    def count_period(self, stable: Sequence[str], canary_only: Sequence[str], canary_share: float) -> KindsTest:
        """Count the kinds of one period: those of stable, and those that canary alone has."""
        tracked = {kind.text: kind for kind in self.kinds}
        known = set(self.remembered)
        new_on_stable = [kind for kind in stable if kind not in tracked and _digest(kind) not in known]
        new_on_canary = [kind for kind in canary_only if kind not in tracked and _digest(kind) not in known]
        discoveries = self.discoveries
        if new_on_stable or new_on_canary:
            discoveries = discoveries.toss(on_canary=not new_on_stable, canary_share=canary_share)
        for texts, on_canary in ((stable, False), (canary_only, True)):
            for text in texts:
                if text in tracked:
                    tracked[text] = tracked[text].toss(on_canary=on_canary, canary_share=canary_share)
        first = [Kind(self.numbered + place, text) for place, text in enumerate(new_on_canary, start=1)]
        kinds = _most_promising([*tracked.values(), *first])
        counted = replace(self, numbered=self.numbered + len(first), kinds=kinds, discoveries=discoveries)
        return counted.remember(new_on_stable)

    def to_json(self) -> Mapping[str, Json]:
        """Return the form in the ledger."""
        return {
            "numbered": self.numbered,
            "kinds": [_counted_to_json(kind) | {"number": kind.number, "text": kind.text} for kind in self.kinds],
            "discoveries": _counted_to_json(self.discoveries) | {"looks": self.discoveries.looks},
            "remembered": list(self.remembered),
            "background_read": self.background_read,
        }

    @classmethod
    def from_json(cls, document: Any) -> KindsTest:
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is another document.
        """
        discoveries = document["discoveries"]
        return cls(
            numbered=int(document["numbered"]),
            kinds=tuple(
                Kind(int(kind["number"]), str(kind["text"]), **_counted_from_json(kind)) for kind in document["kinds"]
            ),
            discoveries=Discoveries(int(discoveries["looks"]), **_counted_from_json(discoveries)),
            remembered=tuple(str(digest) for digest in document["remembered"]),
            background_read=bool(document["background_read"]),
        )


@dataclass(frozen=True)
class LogTests:
    """The tests of all functions. They share one false alarm probability through the mean of their capital.

    Attributes:
        read_until: lines before it were counted; None before the first evaluation.
        functions: function name to its test. Every evaluation of a deployment has the same functions.
    """

    read_until: datetime | None = None
    functions: Mapping[str, KindsTest] = field(default_factory=dict)

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the evidence that canary logs errors of its own."""
        if not self.functions:
            return 0.0
        return log_sum([test.log_evidence for test in self.functions.values()]) - log(len(self.functions))

    def to_json(self) -> Mapping[str, Json]:
        """Return the form in the ledger."""
        return {
            "read_until": self.read_until.isoformat() if self.read_until else None,
            "functions": {name: test.to_json() for name, test in self.functions.items()},
        }

    @classmethod
    def from_json(cls, document: Any) -> LogTests:
        """Read what `to_json` wrote; an empty document is the state before the first evaluation.

        Raises:
            KeyError, TypeError, ValueError: it is another document.
        """
        if not document:
            return cls()
        read_until = document["read_until"]
        return cls(
            datetime.fromisoformat(read_until) if read_until else None,
            {name: KindsTest.from_json(entry) for name, entry in document["functions"].items()},
        )


def canary_share(weight_percent: int, canary_requests: int, stable_requests: int) -> float:
    """Return canary's share of the requests of a look, from 0 to 1: the observed one, and at least its weight.

    A version whose requests fail before they are counted has the share that it was given. A larger share is weaker
    evidence.
    """
    both = canary_requests + stable_requests
    return max(weight_percent / 100, canary_requests / both if both else 0.0)


def _by_period(look: Look) -> Iterable[tuple[list[str], list[str]]]:
    """Return the kinds of stable and of canary, each once, period by period."""
    periods: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
    for error in sorted(look.errors, key=lambda one: one.at):
        if error.version not in {look.stable_version, look.canary_version}:
            continue
        number = int(error.at.timestamp() // look.period.total_seconds())
        stable, canary = periods.setdefault(number, ({}, {}))
        (canary if error.version == look.canary_version else stable)[error.kind] = None
    return ((list(stable), list(canary)) for stable, canary in periods.values())


def _most_promising(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """Return the tracked kinds by number. A kind that is forgotten is new when it appears again."""
    ranked = sorted(kinds, key=lambda kind: (log_sum(kind.bets), kind.number), reverse=True)
    return tuple(sorted(ranked[:TRACKED_KINDS], key=lambda kind: kind.number))


def _toss(bets: Bets, *, on_canary: bool, canary_share: float) -> Bets:
    """Return the capital after a toss. With all traffic on one version, nothing can be won or lost."""
    if not 0 < canary_share < 1:
        return bets
    return tuple(
        bet + _log_factor(ratio, on_canary=on_canary, canary_share=canary_share)
        for bet, ratio in zip(bets, ODDS_RATIOS, strict=True)
    )


def _log_factor(ratio: float, *, on_canary: bool, canary_share: float) -> float:
    """Return ln(q/w), or ln((1 - q)/(1 - w)), where q = w·r / (w·r + 1 - w)."""
    return (log(ratio) if on_canary else 0.0) - log(canary_share * ratio + 1 - canary_share)


def _digest(kind: str) -> str:
    return blake2b(kind.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _counted_to_json(counted: Kind | Discoveries) -> dict[str, Json]:
    bets = [None if bet == -inf else bet for bet in counted.bets]
    return {"canary": counted.canary, "stable": counted.stable, "bets": bets}


def _counted_from_json(document: Any) -> dict[str, Any]:
    bets = tuple(-inf if bet is None else float(bet) for bet in document["bets"])
    return {"canary": int(document["canary"]), "stable": int(document["stable"]), "bets": bets}
