"""The running tests of a deployment, carried from evaluation to evaluation in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from math import log
from typing import Any

from orchestrator.domain.analysis.dispersion import NO_PERIODS, UNKNOWN, Dispersion, Periods
from orchestrator.domain.analysis.sequential_testing import NO_TRIALS, Null, SequentialTest, Tally, mean_log_evidence
from orchestrator.domain.verdict import Json, Verdict


@dataclass(frozen=True)
class ComparedRate:
    """One rate that may be worse on canary, as totals since the start of the window.

    Attributes:
        name: unique within an evaluation, such as ``token/server_errors``.
        description: a bad trial in words, such as ``token returns 5xx``.
        null: the null hypothesis; None if there is currently nothing to compare with.
        canary_periods, stable_periods: the same totals period by period, which show how bad trials cluster; empty if
            they were not read.
        before_periods: stable before the deployment; empty if it was not read.
        weight: the rate's share of the capital, relative to the other rates' weights. It depends on nothing measured.
    """

    name: str
    description: str
    canary: Tally
    stable: Tally
    null: Null | None
    canary_periods: Periods = NO_PERIODS
    stable_periods: Periods = NO_PERIODS
    before_periods: Periods = NO_PERIODS
    weight: float = 1.0


_NOTHING_SEEN = SequentialTest()

_Update = tuple[SequentialTest, Tally, Tally, Null]
"""A test, the new trials of canary and stable, and the null: what the updated test depends on."""


@dataclass(frozen=True)
class RunningTest:
    """The test of one rate, its dispersion, and the totals of the window that it has already counted."""

    stream: SequentialTest = _NOTHING_SEEN
    canary: Tally = NO_TRIALS
    stable: Tally = NO_TRIALS
    dispersion: Dispersion = UNKNOWN
    weight: float = 1.0

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the evidence that canary is worse, with the dispersion known now. The stream keeps it."""
        return self.stream.log_evidence_at(self.dispersion.value)

    def update(self, rate: ComparedRate, updated: dict[_Update, SequentialTest] | None = None) -> RunningTest:
        """Count the new trials. It compares totals, not increments, so that late data are counted once, later.

        Args:
            rate: the totals.
            updated: the updates of this evaluation so far: most rates count the same requests without a bad one.
        """
        dispersion = self.dispersion.update(rate.canary_periods, rate.stable_periods, rate.before_periods)
        if rate.null is None:
            return RunningTest(self.stream, self.canary, self.stable, dispersion, rate.weight)
        known = self.stream.know_before(rate.before_periods.total)
        update = known, rate.canary.since(self.canary), rate.stable.since(self.stable), rate.null
        done = {} if updated is None else updated
        stream = done.get(update)
        if stream is None:
            stream = done[update] = known.update(*update[1:])
        canary, stable = _larger(self.canary, rate.canary), _larger(self.stable, rate.stable)
        return RunningTest(stream, canary, stable, dispersion, rate.weight)

    def next_window(self) -> RunningTest:
        """Return the test at the start of another window, whose totals start at 0."""
        return RunningTest(self.stream, dispersion=self.dispersion.next_window(), weight=self.weight)

    def with_dispersion(self, dispersion: Dispersion) -> RunningTest:
        """Return the test with another dispersion."""
        if dispersion is self.dispersion:
            return self
        return RunningTest(self.stream, self.canary, self.stable, dispersion, self.weight)


_NOT_BEGUN = RunningTest()


@dataclass(frozen=True)
class RunningTests:
    """All tests of one probe. They share one false alarm probability through the weighted mean of their evidence.

    Attributes:
        since: start of the window whose totals were counted; the totals of another window start at 0.
    """

    since: str = ""
    tests: Mapping[str, RunningTest] = field(default_factory=dict)

    def update(self, window_start: datetime, rates: tuple[ComparedRate, ...]) -> RunningTests:
        """Count the new trials of every rate. Every evaluation of a deployment must give the same rates."""
        since = window_start.isoformat()
        known = self.tests
        if since != self.since:
            known = {name: test.next_window() for name, test in known.items()}
        updated: dict[_Update, SequentialTest] = {}
        return RunningTests(
            since, {rate.name: known.get(rate.name, _NOT_BEGUN).update(rate, updated) for rate in rates}
        )

    @cached_property
    def log_evidence(self) -> float:
        """Natural logarithm of the evidence that canary is worse in some rate."""
        return mean_log_evidence((test.log_evidence, test.weight) for test in self.tests.values())

    def proves_worse(self, false_alarm_probability: float) -> bool:
        """Return whether canary is worse, with at most this false alarm probability over the whole deployment."""
        return self.log_evidence >= -log(false_alarm_probability)

    def worst_rate(self, rates: tuple[ComparedRate, ...]) -> ComparedRate:
        """Return the rate with the most evidence against canary."""
        return max(rates, key=lambda rate: self.tests[rate.name].log_evidence)

    def carried(self) -> RunningTests:
        """Return the tests as the ledger carries them: `from_json` of `to_json`, which rounds the dispersion."""
        return RunningTests(
            self.since, {name: test.with_dispersion(test.dispersion.carried()) for name, test in self.tests.items()}
        )

    def to_json(self) -> Mapping[str, Json]:
        """Return the form in the ledger."""
        return {
            "since": self.since,
            "watches": {name: _running_test_to_json(test) for name, test in self.tests.items()},
        }

    @classmethod
    def from_json(cls, document: Any) -> RunningTests:
        """Read what `to_json` wrote; an empty document is the state before the first evaluation.

        Raises:
            KeyError, TypeError: it is another document.
        """
        if not document:
            return cls()
        return cls(
            str(document["since"]),
            {name: _running_test_from_json(entry) for name, entry in document["watches"].items()},
        )


def no_metrics_since(start: datetime) -> Verdict:
    """Return the verdict for a window that ends before the first data can have arrived."""
    return Verdict.inconclusive(f"no metrics have arrived yet since {start.isoformat(timespec='seconds')}")


def _running_test_to_json(test: RunningTest) -> Mapping[str, Json]:
    return {
        "stream": asdict(test.stream),
        "canary": asdict(test.canary),
        "stable": asdict(test.stable),
        "dispersion": test.dispersion.to_json(),
        "weight": test.weight,
    }


def _running_test_from_json(document: Any) -> RunningTest:
    stream = document["stream"]
    return RunningTest(
        SequentialTest(
            evaluations=int(stream["evaluations"]),
            bets=tuple(tuple(float(bet) for bet in since_start) for since_start in stream["bets"]),
            stable_bad=float(stream["stable_bad"]),
            stable_trials=float(stream["stable_trials"]),
        ),
        Tally(int(document["canary"]["trials"]), int(document["canary"]["bad"])),
        Tally(int(document["stable"]["trials"]), int(document["stable"]["bad"])),
        Dispersion.from_json(document["dispersion"]),
        float(document["weight"]),
    )


def _larger(before: Tally, now: Tally) -> Tally:
    """Return the larger totals: data that CloudWatch returned once and not again are not counted twice."""
    if now.trials >= before.trials and now.bad >= before.bad:
        return now
    return Tally(max(before.trials, now.trials), max(before.bad, now.bad))
