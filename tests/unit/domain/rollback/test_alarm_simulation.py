"""Equal versions are not rolled back by alarms that chance fires, and faulty ones are: simulated deployments with their window.

One function whose alarm is prod's (infrastructure/service/alarms.py): more than 5 % of at least ten requests in ten
seconds, in two of eleven periods; locally in one of one. Ten minutes at 10 %, ten at 50 %, then the promotion and an hour
of rollback window. Every alarm is evaluated when it fires, and each minute while it stays in ALARM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, sqrt
from random import Random

import pytest

from orchestrator.domain.analysis.dispersion import Periods, measure_clustering
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.rollback.alarm_evaluation import (
    AlarmOutcome,
    AlarmRate,
    drift_dispersion,
    evaluate_promoted,
    evaluate_split,
)
from orchestrator.probes.alarm_evidence import DRIFT_BLOCKS
from tests.samples import policy

THRESHOLDS = replace(policy().limits.thresholds, tolerated_increase_percent=0.5)
RATES = 11
"""As many as `orchestrator.probes.alarm_evidence` compares for three functions."""
PERIOD = 10
SPLIT, PROMOTED, END = 600, 1200, 1200 + 180 + 3600
PROD, LOCAL = (2, 11), (1, 1)


@dataclass(frozen=True)
class Counts:
    """The requests and failures of both versions in a period."""

    canary: Tally
    stable: Tally


@dataclass(frozen=True)
class Ended:
    """How a simulated deployment ended: when its alarm first fired and when it was rolled back, in seconds."""

    fired: int | None = None
    rolled_back: int | None = None
    outcome: AlarmOutcome = AlarmOutcome.NOT_TO_BLAME


def poisson(random: Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(random.gauss(mean, sqrt(mean))))
    count, product, limit = 0, random.random(), exp(-mean)
    while product > limit:
        count, product = count + 1, product * random.random()
    return count


def failures(random: Random, per_second: float, share: float, burst: int, length: int, seconds: int) -> list[int]:
    """Failures of a version by block: of each burst, as many requests in succession fail."""
    blocks = [0] * (length // seconds)
    if not per_second or not share:
        return blocks
    lasts = burst / per_second
    if burst == 1 or lasts <= seconds / 50:  # none reaches into another block
        return [burst * poisson(random, per_second * share / burst * seconds) for _ in blocks]
    for _ in range(poisson(random, per_second * share / burst * (length + lasts))):
        start = random.uniform(-lasts, length)
        for number in range(burst):
            block = int((start + number / per_second) // seconds)
            if 0 <= block < len(blocks):
                blocks[block] += 1
    return blocks


def tallies(random: Random, per_second: float, share: float, burst: int, length: int, seconds: int) -> list[Tally]:
    failed = failures(random, per_second, share, burst, length, seconds)
    return [Tally(max(bad, poisson(random, per_second * seconds)), bad) for bad in failed]


def total(listed: Sequence[Tally]) -> Tally:
    return Tally(sum(one.trials for one in listed), sum(one.bad for one in listed))


def measured_before(before: Sequence[Tally], day: Sequence[Tally]) -> tuple[AlarmRate, AlarmRate]:
    """The rate while traffic is split, and after the promotion."""
    dispersion = max(
        measure_clustering(Periods(seconds, tuple(counted))).dispersion
        for seconds, counted in ((60.0, before), (300.0, day))
    )
    split = AlarmRate("token:2 returns 5xx", (), before=before, otherwise=0.05, dispersion=dispersion)
    return split, replace(split, dispersion=max(dispersion, drift_dispersion(day, DRIFT_BLOCKS)))


def deploy(
    seed: int, per_second: float, share: float, burst: int = 1, alarm=PROD, faulty: float | None = None, since: int = 0
) -> Ended:
    """Simulate one deployment. faulty: the canary's share of failures from `since` on, instead of `share`."""
    random = Random(seed)
    before = tallies(random, per_second, share, burst, 3600, 60)
    day = tallies(random, per_second, share, burst, 24 * 3600, 300)
    rate = measured_before(before, day)
    periods: list[Counts] = []
    for start, end, weight in ((0, SPLIT, 0.1), (SPLIT, PROMOTED, 0.5), (PROMOTED, END, 1.0)):
        broken = faulty if faulty is not None and start >= since else None
        canary = tallies(
            random,
            per_second * weight,
            share if broken is None else broken,
            burst if broken is None else 1,
            end - start,
            PERIOD,
        )
        stable = tallies(random, per_second * (1 - weight), share, burst, end - start, PERIOD)
        periods += [Counts(*both) for both in zip(canary, stable, strict=True)]
    return watch(periods, rate, alarm)


def drifting(seed: int, per_second: float, share: float, alarm=PROD) -> Ended:
    """Simulate equal versions whose common rate drifts: AR(1) with 0.9 from minute to minute, of 50 % each way."""
    random = Random(seed)
    state, minutes = random.gauss(0, 1), []
    for _ in range(24 * 60 + END // 60):
        minutes.append(min(1.0, share * exp(0.5 * state - 0.125)))
        state = 0.9 * state + sqrt(1 - 0.81) * random.gauss(0, 1)

    def drawn(requests_per_second: float, seconds: int, minute: int) -> Tally:
        requests = poisson(random, requests_per_second * seconds)
        return Tally(requests, min(requests, poisson(random, requests * minutes[minute])))

    history = [drawn(per_second, 60, minute) for minute in range(24 * 60)]
    rate = measured_before(history[-60:], [total(history[at : at + 5]) for at in range(0, len(history), 5)])
    periods = []
    for at in range(0, END, PERIOD):
        weight = 0.1 if at < SPLIT else 0.5 if at < PROMOTED else 1.0
        minute = 24 * 60 + at // 60
        split = drawn(per_second * (1 - weight), PERIOD, minute) if weight < 1 else Tally()
        periods.append(Counts(drawn(per_second * weight, PERIOD, minute), split))
    return watch(periods, rate, alarm)


def watch(periods: Sequence[Counts], rate: tuple[AlarmRate, AlarmRate], alarm: tuple[int, int]) -> Ended:
    datapoints, evaluated = alarm
    breaching: list[bool] = []
    fired: int | None = None
    looked: int | None = None
    for number, period in enumerate(periods):
        both = total((period.canary, period.stable))
        breaching.append(both.trials >= 10 and both.share > 0.05)
        now = (number + 1) * PERIOD
        if sum(breaching[-evaluated:]) < datapoints:
            looked = None
            continue
        fired = fired or now
        if looked is not None and now - looked < 60:
            continue
        looked = now
        outcome = evaluate(periods[: number + 1], rate, now)
        if outcome is not AlarmOutcome.NOT_TO_BLAME:
            return Ended(fired, now, outcome)
    return Ended(fired)


def evaluate(periods: Sequence[Counts], rate: tuple[AlarmRate, AlarmRate], now: int) -> AlarmOutcome:
    promoted = now > PROMOTED
    chosen = periods[PROMOTED // PERIOD :] if promoted else periods
    minutes = [chosen[at : at + 6] for at in range(0, len(chosen), 6)]
    newest = periods[-6:]
    measured = replace(
        rate[promoted],
        canary=[total([one.canary for one in minute]) for minute in minutes],
        stable=() if promoted else [total([one.stable for one in minute]) for minute in minutes],
        newest_canary=total([one.canary for one in newest]),
        newest_stable=total([one.stable for one in newest]),
    )
    idle = AlarmRate("another rate", (), (), (Tally(3600),), otherwise=0.05)
    return (evaluate_promoted if promoted else evaluate_split)([measured, *[idle] * (RATES - 1)], THRESHOLDS).outcome


RUNS = 4


@pytest.mark.parametrize("burst", [1, 5, 20])
@pytest.mark.parametrize("share", [0.005, 0.02])
@pytest.mark.parametrize("per_second", [1, 10, 100])
def test_equal_versions_are_not_rolled_back(per_second, share, burst):
    runs = [deploy(seed, per_second, share, burst) for seed in range(RUNS)]
    assert [run for run in runs if run.rolled_back] == []


@pytest.mark.parametrize("share", [0.005, 0.02])
@pytest.mark.parametrize("per_second", [1, 10, 100])
def test_equal_versions_whose_rate_drifts_are_not_rolled_back(per_second, share):
    runs = [drifting(seed, per_second, share) for seed in range(RUNS)]
    assert [run for run in runs if run.rolled_back] == []


def test_the_alarms_fired_in_most_of_these_deployments():
    """Each of them was a rollback when an alarm was obeyed without an evaluation."""
    runs = [deploy(seed, 1, 0.005, alarm=LOCAL) for seed in range(25)]
    assert sum(run.fired is not None for run in runs) / len(runs) > 0.6
    assert [run for run in runs if run.rolled_back] == []


@pytest.mark.parametrize("alarm", [PROD, LOCAL], ids=["prod", "local"])
@pytest.mark.parametrize(("per_second", "since"), [(10, 0), (30, 0), (1, PROMOTED), (30, PROMOTED)])
def test_a_canary_that_fails_always_is_rolled_back_at_the_first_event(per_second, since, alarm):
    for seed in range(RUNS):
        run = deploy(seed, per_second, 0.0, alarm=alarm, faulty=1.0, since=since)
        assert run.fired is not None
        assert run.rolled_back == run.fired, run


@pytest.mark.parametrize(("per_second", "within"), [(1, 3600), (10, 600), (100, 240)])
def test_a_canary_that_fails_in_five_percent_is_rolled_back(per_second, within):
    for seed in range(RUNS):
        run = deploy(seed, per_second, 0.001, faulty=0.05, since=PROMOTED)
        assert run.rolled_back is not None
        assert run.rolled_back - PROMOTED <= within, run
