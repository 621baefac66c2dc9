"""Is a check that failed on the canary the canary's fault? It is repeated on both versions, as a sequential test.

One failed response proves nothing: a version that returns 1 % of 5xx fails one of 100 checks, however good the release
is. So checks are sent in *rounds*, which call both versions equally often at the same time. A round has one result: on
which version did more calls fail? Every round is a bet against "no more often on the canary", which
multiplies the capital by

    more on the canary    2a
    more on stable        2(1 - a)
    as many on both       1

This is the likelihood ratio of a stated alternative, "of the rounds that differ, the canary is the worse one in the
share a", and the null's nearest point, 1/2. There are two alternatives: a release that always fails (a = 0.99), and one
that fails often (a = 0.75).

Why a round's factor has mean ≤ 1. The null hypothesis is P(more on the canary) ≤ P(more on stable), whatever happened in
earlier rounds. The mean is 1 + (2a - 1)·(P(more on the canary) - P(more on stable)) ≤ 1. It holds if the versions'
responses may be exchanged without changing their distribution, however they depend on each other within the round: a
burst of errors, a throttled table, a slow minute. It also holds if the versions fail independently of each other, and
the canary's number of failures is stochastically at most stable's. For single calls, that is: its rate is at most
stable's.

An *episode* begins when a check fails on the canary in an evaluation. Only the checks that failed are repeated then. The
failure that began it has selected it; the rounds count from the moment when a burst of `BURST_CALLS` calls that it may
belong to is over. A release may begin to fail at any evaluation, so episode k has a share 1/((k + 1)(k + 2)) of the
capital for itself; the first half is in play from the beginning. The sum of all shares is 1, so the whole capital has
mean ≤ 1 at every round of every evaluation, and reaches 1/alpha with probability at most alpha in a whole
deployment (Ville's
inequality). That allows to ask as long as it is worth while, and to stop as soon as it is not.

What is assumed: a burst of errors of one version alone ends within `BURST_CALLS` calls. A longer one counts as the
release's fault if it lasts for as many rounds as a release that always fails needs (about 15, in 3 s).

Sources: Ville's inequality for test martingales: Shafer, Shen, Vereshchagin, Vovk, *Test martingales, Bayes factors and
p-values*, Statistical Science 2011. The two-sided form with a fixed number of pairs is McNemar's sign test, 1947.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Any

from orchestrator.domain.analysis.odds import odds_in_words, odds_of_log
from orchestrator.domain.analysis.running_tests import RunningTests
from orchestrator.domain.analysis.sequential_testing import Tally, mean_log_evidence, total_of
from orchestrator.domain.analysis.spending import false_alarm_figures
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.verdict import Json, Verdict

SOURCE = "checks"
"""The field of `FalseAlarmShares` that the probes with repeated checks spend."""

PROBES = 3
"""Health, security and flows have equal parts of it."""

ALTERNATIVES = (0.99, 0.75)
"""The share of the differing rounds in which the canary is worse: a release that always fails, one that often does."""

BURST_CALLS = 20
"""The longest burst of errors that is no evidence, in calls of one version of a function."""

CALLS_A_ROUND = 8
"""Calls of each version in a round of an episode. A burst of `BURST_CALLS` that begins later spans three rounds at most,
which are evidence of 1.98³ = 8 to 1."""

QUIET_ROUNDS = 5
"""An episode ends after so many rounds in a row in which the canary was not the worse version. With three, a canary that
returns 5xx to 5 % of its calls would be found within ten evaluations in half of the cases; with five, in nearly all."""

SHARED_ROUNDS = 20
"""So many rounds in a row must fail on both versions before a check is broken on both: longer than a burst on stable."""

MAX_ROUNDS = 60
"""The longest episode. A release that always fails is proved in 15 to 20 rounds."""

BROKEN_SHARE = 0.5
"""A check that still fails so often in the newest rounds goes on being repeated."""

NEVER_RIGHT_SHARE = 0.9
"""A check that the canary fails so often when it is repeated is no PASS, by whichever version's fault. Below it, a failure
that is not proved to be the canary's may come from what both versions depend on, or from a machine that is busy."""

CHECKS_WEIGHT = 0.8
"""The repeated checks' part of a probe's capital. The probe's sequential tests of rates share the rest equally."""

MOST_DESCRIBED = 3
"""The most checks that a reason describes."""


@dataclass(frozen=True)
class CheckAnswers:
    """The responses of both versions to one check.

    Attributes:
        name: the canary's version and the check, such as ``token:5 unknown code``.
        canary: calls of the canary, and those that failed.
        stable: the same of stable; None if stable is no comparison, as after a cutover.
        problem: of the canary's newest failure, such as ``returned 500 instead of 200``; empty if there was none.
    """

    name: str
    canary: Tally
    stable: Tally | None = None
    problem: str = ""

    @property
    def summary(self) -> str:
        """One clause for a reason."""
        compared = "" if self.stable is None else f", stable {self.stable.bad} of {self.stable.trials}"
        return f"{self.name}: {self.problem} in {self.canary.bad} of {self.canary.trials}{compared}"

    @property
    def excess(self) -> int:
        """The number of failures of the canary above stable's."""
        return self.canary.bad - (self.stable.bad if self.stable else 0)

    @property
    def broken(self) -> bool:
        """Whether the check fails on the canary in most calls."""
        return self.canary.share >= BROKEN_SHARE

    @property
    def never_right(self) -> bool:
        """Whether the check fails on the canary in nearly all calls."""
        return self.canary.share >= NEVER_RIGHT_SHARE

    @property
    def broken_on_stable(self) -> bool:
        """Whether it fails on stable in most calls."""
        return self.stable is not None and self.stable.share >= BROKEN_SHARE


Round = Sequence[CheckAnswers]
"""The responses that one round added, by check."""


def difference(answers: Round) -> int:
    """Return a number above 0 if more calls failed on the canary, below 0 if more failed on stable, or else 0.

    Without a stable that could be compared, the canary is compared with a version that fails in half of the rounds: the
    null hypothesis is that most calls of a round fail with probability 1/2 at most.
    """
    if answers and all(one.stable is None for one in answers):
        failed, calls = sum(one.canary.bad for one in answers), sum(one.canary.trials for one in answers)
        return 1 if 2 * failed > calls else -1
    return sum(one.excess for one in answers)


@dataclass(frozen=True)
class RepeatedChecks:
    """The sequential test of one probe's checks in a whole deployment.

    Attributes:
        episodes: episodes so far.
        bets: natural logarithms of the capital in play, one per `ALTERNATIVES`.
    """

    episodes: int = 0
    bets: tuple[float, ...] = tuple(log(0.5 / len(ALTERNATIVES)) for _ in ALTERNATIVES)

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the capital, in play and not yet in play."""
        return log(sum(exp(bet) for bet in self.bets) + 1 / (self.episodes + 2))

    def begin_episode(self) -> RepeatedChecks:
        """Bring the next episode's share of the capital into play."""
        episode = self.episodes + 1
        share = 1 / ((episode + 1) * (episode + 2) * len(ALTERNATIVES))
        return RepeatedChecks(episode, tuple(log(exp(bet) + share) for bet in self.bets))

    def count(self, answers: Round) -> RepeatedChecks:
        """Count one round."""
        worse = difference(answers)
        if not worse:
            return self
        return replace(
            self,
            bets=tuple(
                bet + log(2 * (share if worse > 0 else 1 - share))
                for bet, share in zip(self.bets, ALTERNATIVES, strict=True)
            ),
        )

    def to_json(self) -> Json:
        """Return the form in the ledger."""
        return {"episodes": self.episodes, "bets": list(self.bets)}

    @classmethod
    def from_json(cls, document: Any) -> RepeatedChecks:
        """Read what `to_json` wrote; an empty document is the state before the first round.

        Raises:
            KeyError, TypeError, ValueError: it is another document.
        """
        if not document:
            return cls()
        return cls(int(document["episodes"]), tuple(float(bet) for bet in document["bets"]))


@dataclass(frozen=True)
class ProbeTests:
    """All tests of one probe. The weighted mean of their capitals is a capital, however they depend on each other.

    Attributes:
        checks: the test of its repeated checks.
        rates: its sequential tests of rates by name. A probe's names are always the same.
    """

    checks: RepeatedChecks = field(default_factory=RepeatedChecks)
    rates: Mapping[str, RunningTests] = field(default_factory=dict)

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the capital of all tests."""
        others = [(tests.log_evidence, (1 - CHECKS_WEIGHT) / len(self.rates)) for tests in self.rates.values()]
        return mean_log_evidence([(self.checks.log_evidence, CHECKS_WEIGHT), *others])

    def begin_episode(self) -> ProbeTests:
        """Begin an episode of the repeated checks."""
        return replace(self, checks=self.checks.begin_episode())

    def count(self, answers: Round) -> ProbeTests:
        """Count one round of the checks."""
        return replace(self, checks=self.checks.count(answers))

    def with_rates(self, name: str, tests: RunningTests) -> ProbeTests:
        """Replace one test of rates."""
        return replace(self, rates={**self.rates, name: tests})

    def to_json(self) -> Mapping[str, Json]:
        """Return the form in the ledger."""
        return {"checks": self.checks.to_json(), **{name: tests.to_json() for name, tests in self.rates.items()}}

    @classmethod
    def from_json(cls, document: Any, rates: Sequence[str] = ()) -> ProbeTests:
        """Read what `to_json` wrote; an empty document is the state before the first evaluation.

        Raises:
            KeyError, TypeError, ValueError: it is another document.
        """
        known = document or {}
        return cls(
            RepeatedChecks.from_json(known.get("checks")),
            {name: RunningTests.from_json(known.get(name)) for name in rates},
        )


@dataclass(frozen=True)
class Episode:
    """How far an episode is.

    Attributes:
        calls_a_round: calls of one version of a function in a round.
        rounds: rounds so far.
        quiet: the newest rounds in a row in which the canary was not worse.
        answers: the responses so far, by check.
        newest: the newest `QUIET_ROUNDS` rounds.
    """

    calls_a_round: int = CALLS_A_ROUND
    rounds: int = 0
    quiet: int = 0
    answers: tuple[CheckAnswers, ...] = ()
    newest: tuple[Round, ...] = ()

    @property
    def next_counts(self) -> bool:
        """Whether the next round is evidence: a burst that began the episode is over."""
        return self.rounds * self.calls_a_round >= BURST_CALLS

    @property
    def broken(self) -> bool:
        """Whether a check still fails in most calls of the newest rounds."""
        return any(one.broken for one in add_answers(*self.newest))

    @property
    def over(self) -> bool:
        """Whether another round is not worth while."""
        return self.quiet >= (SHARED_ROUNDS if self.broken else QUIET_ROUNDS) or self.rounds >= MAX_ROUNDS

    def add(self, answers: Round) -> Episode:
        """Add a round, whether it is evidence or not."""
        quiet = 0 if difference(answers) > 0 else self.quiet + 1
        newest = (*self.newest, answers)[-QUIET_ROUNDS:]
        return Episode(self.calls_a_round, self.rounds + 1, quiet, add_answers(self.answers, answers), newest)


def add_answers(*rounds: Round) -> tuple[CheckAnswers, ...]:
    """Return the sums of several rounds, by check."""
    sums: dict[str, CheckAnswers] = {}
    for one in (answers for a_round in rounds for answers in a_round):
        known = sums.get(one.name)
        sums[one.name] = one if known is None else _sum(known, one)
    return tuple(sums.values())


@dataclass(frozen=True)
class EpisodeResult:
    """What the episodes of one evaluation found.

    Attributes:
        repeated: the responses to the checks that failed, repetitions included.
        newest: the responses of the newest rounds of each episode. A burst that began it is not among them.
        log_evidence: natural logarithm of the evidence of the probe's tests.
        log_needed: natural logarithm of the evidence that proves the canary to be worse.
    """

    repeated: tuple[CheckAnswers, ...] = ()
    newest: tuple[CheckAnswers, ...] = ()
    log_evidence: float = 0.0
    log_needed: float = field(default=log(1e9))

    @property
    def proved(self) -> bool:
        """Whether the canary is worse, with at most the allowed false alarm probability."""
        return self.log_evidence >= self.log_needed

    @property
    def note(self) -> str:
        """What was repeated without being proved, for the reason of a decision; empty if nothing was."""
        failed = [answers for answers in _worst_first(self.repeated) if answers.canary.bad]
        return f"not proved: {_describe(failed)}" if failed else ""

    def verdict(self, *, before_traffic: bool) -> Verdict:
        """Return FAIL, INCONCLUSIVE, or PASS with a reason that may be empty.

        Args:
            before_traffic: nothing short of a broken check or a proof keeps a release from its first step, where its
                checks are repeated at every evaluation. Later, evidence of half of what is needed extends the bake.
        """
        if self.proved:
            failed = _describe(_worst_first(self.repeated)) or "the canary fails more often than stable"
            return Verdict.failed(
                f"{failed}; evidence {odds_in_words(odds_of_log(self.log_evidence))} to 1 against chance"
            )
        newest = {answers.name: answers for answers in self.newest}
        broken = [answers for answers in _worst_first(self.repeated) if newest.get(answers.name, answers).never_right]
        shared = [answers for answers in broken if newest.get(answers.name, answers).broken_on_stable]
        if shared and not any(answers.name in newest for answers in broken if answers not in shared):
            return Verdict.inconclusive(f"stable fails in the same way: {_describe(shared)}")
        if broken or (self.note and not before_traffic and self.log_evidence >= self.log_needed / 2):
            return Verdict.inconclusive(self.note)
        return Verdict.passed(self.note)


def needed_evidence(thresholds: Thresholds) -> float:
    """Return the odds that fail a release, by any test of one of the `PROBES`."""
    return PROBES / thresholds.false_alarm_probability(SOURCE)


def spent_by_probe(thresholds: Thresholds, log_evidence: float) -> Mapping[str, Json]:
    """Return what one of the `PROBES` spends of the tolerated false alarms, for the ledger."""
    return false_alarm_figures(1 / needed_evidence(thresholds), log_evidence)


def _sum(one: CheckAnswers, other: CheckAnswers) -> CheckAnswers:
    stable = None if one.stable is None or other.stable is None else total_of([one.stable, other.stable])
    return CheckAnswers(one.name, total_of([one.canary, other.canary]), stable, other.problem or one.problem)


def _worst_first(answers: Iterable[CheckAnswers]) -> list[CheckAnswers]:
    return sorted(answers, key=lambda one: (-one.excess, -one.canary.share))


def _describe(answers: Sequence[CheckAnswers]) -> str:
    others = [f"{len(answers) - MOST_DESCRIBED} more failed"] if len(answers) > MOST_DESCRIBED else []
    return "; ".join([*(one.summary for one in answers[:MOST_DESCRIBED]), *others])
