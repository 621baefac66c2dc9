"""The running tests of a deployment, carried from evaluation to evaluation in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from math import log
from typing import Any, NamedTuple

from orchestrator.domain.analysis.dispersion import NO_PERIODS, UNKNOWN, Dispersion, Periods
from orchestrator.domain.analysis.sequential_testing import NO_TRIALS, Null, SequentialTest, Tally, mean_log_evidence
from orchestrator.domain.verdict import Json, Verdict


class ComparedRate(NamedTuple):
    """One rate that may be worse on canary, as totals since the start of the window.

    A tuple, because `RunningTests.update` compares what the rates of an evaluation count.

    Attributes:
        name: unique within an evaluation, such as ``token/server_errors``.
        description: a bad trial in words, such as ``token returns 5xx``.
        null: the null hypothesis; None if there is currently nothing to compare with.
        canary_periods, stable_periods: the same totals period by period, which show how bad trials cluster; empty if
            they were not read.
        before_periods: stable before the deployment; empty if it was not read.
        clusters: how bad trials cluster in the window, if that is known without the periods.
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
    clusters: Dispersion | None = None

    @property
    def counts(self) -> tuple[object, ...]:
        """What the test of the rate depends on: all but its name and its description."""
        return self[2:]


_NOTHING_SEEN = SequentialTest()

_Update = tuple[SequentialTest, Tally, Tally, Tally, Tally, Null]
"""A test, the totals of canary and stable before and now, and the null: what the updated test depends on."""


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
        return self.stream.log_evidence_at(1.0 if self.dispersion is UNKNOWN else self.dispersion.value)

    def update(self, rate: ComparedRate, updated: dict[_Update, SequentialTest] | None = None) -> RunningTest:
        """Count the new trials. It compares totals, not increments, so that late data are counted once, later.

        Args:
            rate: the totals.
            updated: the updates of this evaluation so far: most rates count the same requests without a bad one.
        """
        if rate.clusters is None:
            dispersion = self.dispersion.update(rate.canary_periods, rate.stable_periods, rate.before_periods)
        else:
            dispersion = self.dispersion.in_window(rate.clusters)
        if rate.null is None:
            return RunningTest(self.stream, self.canary, self.stable, dispersion, rate.weight)
        known = self.stream.know_before(rate.before_periods.total)
        update = known, self.canary, self.stable, rate.canary, rate.stable, rate.null
        done = {} if updated is None else updated
        stream = done.get(update)
        if stream is None:
            canary, stable = rate.canary.since(self.canary), rate.stable.since(self.stable)
            stream = done[update] = known.update(canary, stable, rate.null)
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
            # By identity, so that rates that had one test still have one.
            shared = {id(test): test for test in known.values()}
            moved = {key: test.next_window() for key, test in shared.items()}
            known = {name: moved[id(test)] for name, test in known.items()}
        streams: dict[_Update, SequentialTest] = {}
        tests: dict[str, RunningTest] = {}
        counted: tuple[object, ...] = ()
        last = test = _NOT_BEGUN
        for rate in rates:
            before, counts = known.get(rate.name, _NOT_BEGUN), rate.counts
            # Most refusals of grants never occur: such rates have one test, as long as they count the same.
            if before is not last or counts != counted:
                last, counted, test = before, counts, before.update(rate, streams)
            tests[rate.name] = test
        return RunningTests(since, tests)

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
        "canary": test.canary._asdict(),
        "stable": test.stable._asdict(),
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
