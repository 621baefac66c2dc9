"""The custom checks probe: what is read, what decides, and what is carried from evaluation to evaluation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier, Event, local
from typing import Any

import pytest

from orchestrator.domain.analysis.custom_checks import CheckCounts
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.custom_checks import CheckKind, CustomCheck, Direction
from orchestrator.domain.deployment.record import Shift
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.domain.verdict import Outcome, Window
from orchestrator.probes import analysis_run, custom_checks
from orchestrator.probes.context import ProbeContext, for_step
from orchestrator.probes.ports import Pace, ProbeClients
from tests.samples import NOW, deployment, functions, plan, seconds

BY_VERSION = CustomCheck("orders", CheckKind.CLOUDWATCH, Direction.HIGHER_IS_WORSE, 0.5, 50, function="token")
POOLED = CustomCheck("logins", CheckKind.PROMETHEUS, Direction.HIGHER_IS_WORSE, 0.5, 50)
GAUGE = CustomCheck("queue", CheckKind.HTTP_JSON, Direction.HIGHER_IS_WORSE, 5, 1, value="/depth", line=100)


class SlowClock(local):
    """A clock of each thread, in seconds: what threads wait for at the same time takes the time of one of them."""

    def __init__(self) -> None:
        self.seconds = 0.0


class SlowSource:
    """Every read takes `read_seconds`, but no longer than it may. The first reads of all checks are at the same time."""

    def __init__(self, read_seconds: float, checks: int) -> None:
        self.read_seconds, self.clock, self.ended_at = read_seconds, SlowClock(), list[float]()
        self.pace, self.begun = Pace(lambda: self.clock.seconds), Barrier(checks, timeout=10)

    def count(self, _check: CustomCheck, _window: Window, version: str, seconds: float) -> CheckCounts:
        assert seconds > 0, "a read that has no time left is not begun"
        if not self.clock.seconds:
            self.begun.wait()
        self.clock.seconds += min(self.read_seconds, seconds)
        self.ended_at.append(self.clock.seconds)
        if seconds < self.read_seconds:
            raise CheckNotReadable("the query is Running")
        return CheckCounts(Tally(4500, 9) if version == "1" else Tally(500, 1))

    def value(self, check: CustomCheck, window: Window, version: str, seconds: float) -> float:
        self.count(check, window, version, seconds)
        return 1.0


class Source:
    """Counts by version and, without a version, of both; `before` the first shift; a list of values."""

    def __init__(self, canary: Any = None) -> None:
        self.canary, self.stable, self.before = canary or Tally(500, 0), Tally(4500, 9), Tally(9000, 9)
        self.values: list[float] = []

    def count(self, check: CustomCheck, window: Window, version: str, _seconds: float) -> CheckCounts:
        if isinstance(self.canary, Exception):
            raise self.canary
        if window.start < NOW:
            return CheckCounts(self.before)
        return CheckCounts(self.stable if version == "1" else self.canary)

    def value(self, _check: CustomCheck, _window: Window, _version: str, _seconds: float) -> float:
        return self.values.pop(0)


def scene(*checks: CustomCheck, evaluation: int = 0, **changes: Any) -> ProbeContext:
    record = deployment(plan=replace(plan(), checks=checks), shifts=(Shift(0, 10, NOW),), **changes)
    return for_step(record, 0, evaluation, NOW + seconds(25 + 10 * evaluation))


def test_a_canary_that_is_worse_fails_and_the_evidence_states_what_was_spent():
    evidence = custom_checks.run(scene(BY_VERSION), Source(Tally(500, 60))).evidence
    assert evidence.verdict.outcome is Outcome.FAIL
    spent = evidence.figures["false_alarm"]
    assert spent["percent"] == pytest.approx(0.05)
    assert spent["evidence"] > spent["needed"] > 1 / 0.0005
    assert evidence.figures["checks"]["orders"]["canary"] == {"trials": 500, "bad": 60}


def test_an_equal_canary_passes_by_each_kind_of_comparison():
    source = Source(Tally(500, 1))
    source.values = [50]
    result = custom_checks.run(scene(BY_VERSION, POOLED, GAUGE), source)
    assert result.evidence.verdict.outcome is Outcome.PASS
    assert set(result.running["deciding"]["watches"]) == {"orders", "logins", "queue"}


def test_a_source_that_cannot_be_read_is_an_error_that_names_the_check():
    verdict = custom_checks.run(
        scene(POOLED), Source(CheckNotReadable("a.example: the server returned 500"))
    ).evidence.verdict
    assert verdict.outcome is Outcome.ERROR
    assert verdict.reason == "check logins could not be read: CheckNotReadable: a.example: the server returned 500"


@pytest.mark.parametrize("canary", [Tally(500, 500), CheckNotReadable("down")])
def test_a_dry_run_is_reported_and_never_decides(canary):
    evidence = custom_checks.run(scene(replace(BY_VERSION, dry_run=True)), Source(canary)).evidence
    assert evidence.verdict.outcome is Outcome.PASS
    assert "dry run: check orders" in evidence.verdict.reason
    assert evidence.figures["checks"]["orders"]["verdict"] in {Outcome.FAIL, Outcome.ERROR}


def test_a_dry_run_takes_no_weight_from_the_checks_that_decide():
    alone = custom_checks.run(scene(BY_VERSION), Source(Tally(500, 60)))
    observed = custom_checks.run(scene(BY_VERSION, replace(POOLED, dry_run=True)), Source(Tally(500, 60)))
    assert alone.running["deciding"] == observed.running["deciding"]


def test_evidence_is_carried_from_evaluation_to_evaluation_and_a_repeated_one_counts_once():
    first = custom_checks.run(scene(BY_VERSION), Source(Tally(500, 9)))
    later = scene(BY_VERSION, evaluation=1, running={"custom_checks": first.running})
    again = custom_checks.run(later, Source(Tally(500, 9)))
    assert again.running["deciding"]["watches"]["orders"]["canary"] == {"trials": 500, "bad": 9}
    assert again.running["deciding"]["watches"]["orders"]["stream"]["evaluations"] == 1


def test_each_evaluation_is_one_trial_of_a_value_until_the_evidence_is_enough():
    source, running, outcomes = Source(), {}, []
    source.values = [500.0] * 6
    for evaluation in range(6):
        result = custom_checks.run(scene(GAUGE, evaluation=evaluation, running=running), source)
        running = {"custom_checks": result.running}
        outcomes.append(result.evidence.verdict.outcome)
    assert running["custom_checks"]["deciding"]["watches"]["queue"]["canary"] == {"trials": 6, "bad": 6}
    assert (outcomes[0] is Outcome.FAIL, outcomes[-1]) == (False, Outcome.FAIL)


def test_a_function_that_the_deployment_does_not_change_is_not_compared():
    unchanged = tuple(replace(one, canary_version="1") if one.name == "token" else one for one in functions())
    evidence = custom_checks.run(scene(BY_VERSION, functions=unchanged), Source(Tally(500, 500))).evidence
    assert (evidence.verdict.outcome, evidence.figures["not_compared"]) == (Outcome.PASS, ["orders"])


def test_before_data_can_have_arrived_nothing_is_read_and_nothing_passes():
    record = deployment(plan=replace(plan(), checks=(GAUGE,)), shifts=(Shift(0, 10, NOW),))
    result = custom_checks.run(for_step(record, 0, 0, NOW + seconds(2)), Source())
    assert (result.evidence.verdict.outcome, result.running) == (Outcome.INCONCLUSIVE, {})


def test_an_evaluation_includes_the_checks_even_if_no_other_source_answers():
    clients = ProbeClients(None, None, None, None, None, None, Source(Tally(500, 60)))  # type: ignore[arg-type]
    analysis = analysis_run.analyze_canary(scene(BY_VERSION), clients)
    assert (analysis.verdict.outcome, analysis.verdict.reason.startswith("check orders")) == (Outcome.FAIL, True)
    assert analysis.running["custom_checks"]["deciding"]["watches"]
    without = analysis_run.analyze_canary(scene(), clients)
    assert "custom_checks" not in {one.probe for one in without.evidence}


def ten_checks(**changes: Any) -> tuple[CustomCheck, ...]:
    kinds = (BY_VERSION, POOLED, GAUGE)
    return tuple(replace(kinds[number % 3], name=f"check-{number}", **changes) for number in range(10))


@pytest.mark.parametrize("read_seconds", [8.0, 13.0, 20.0, 1000.0])
def test_ten_slow_checks_are_read_in_the_time_of_one_task_and_those_that_decide_are_errors(read_seconds):
    source = SlowSource(read_seconds, 10)
    evidence = custom_checks.run(scene(*ten_checks()), source, source.pace).evidence
    assert max(source.ended_at) <= 30
    read = {name for name, one in evidence.figures["checks"].items() if one["verdict"] != Outcome.ERROR}
    # A value is one read, a comparison two.
    assert {"check-2", "check-5", "check-8"} <= read or read_seconds > 25
    assert (len(read) == 10) is (read_seconds == 8)
    assert (evidence.verdict.outcome is Outcome.ERROR) is (read_seconds > 8)


@pytest.mark.parametrize("read_seconds", [20.0, 1000.0])
def test_slow_dry_runs_end_in_time_and_are_only_noted(read_seconds):
    source = SlowSource(read_seconds, 10)
    evidence = custom_checks.run(scene(*ten_checks(dry_run=True)), source, source.pace).evidence
    assert max(source.ended_at) <= 30
    assert evidence.verdict.outcome is Outcome.PASS
    assert "dry run: check check-0 could not be read: CheckNotReadable: " in evidence.verdict.reason


def test_a_read_for_which_no_time_is_left_is_not_begun():
    source = SlowSource(custom_checks.READ_SECONDS, 1)
    verdict = custom_checks.run(scene(POOLED), source, source.pace).evidence.verdict
    assert (verdict.outcome, len(source.ended_at)) == (Outcome.ERROR, 1)
    assert verdict.reason == "check logins could not be read: CheckNotReadable: not read in time"


def test_a_source_that_ignores_its_time_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(custom_checks, "READ_SECONDS", 1.0)
    monkeypatch.setattr(custom_checks, "GRACE_SECONDS", 0.01)
    released = Event()
    source = Source()
    source.count = lambda *_: released.wait()
    source.values = [1.0]
    try:
        evidence = custom_checks.run(scene(POOLED, GAUGE), source, Pace(lambda: 0.0)).evidence
    finally:
        released.set()
    assert evidence.verdict.reason == "check logins could not be read: CheckNotReadable: not read in time"
    assert evidence.figures["checks"]["queue"]["verdict"] != Outcome.ERROR


class Periodic(Source):
    """Notes the periods in which it is read, and refuses those that CloudWatch no longer has."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now, self.read = now, set[int]()

    def count(self, check: CustomCheck, window: Window, version: str, seconds: float) -> CheckCounts:
        assert check.period_seconds >= 60 or self.now - window.start < timedelta(hours=3)
        self.read.add(check.period_seconds)
        self.stable = Tally()  # so that the hour before is read, too
        return super().count(check, window, version, seconds)


@pytest.mark.parametrize(("hours", "periods"), [(1, {10}), (2.5, {10, 60}), (3, {60}), (24, {60})])
def test_a_long_bake_is_counted_in_periods_that_cloudwatch_still_has(hours, periods):
    record = deployment(
        plan=replace(plan(), checks=(replace(BY_VERSION, period_seconds=10),)), shifts=(Shift(0, 10, NOW),)
    )
    now = NOW + timedelta(hours=hours)
    source = Periodic(now)
    evidence = custom_checks.run(for_step(record, 0, 0, now), source).evidence
    assert evidence.verdict.outcome is Outcome.PASS
    assert source.read == periods
