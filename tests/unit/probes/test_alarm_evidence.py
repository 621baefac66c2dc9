"""What an alarm's evaluation reads: four windows, by version, within a deadline; and what it decides from that."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from orchestrator.domain.analysis.observations import MetricQuery
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.rollback.alarm_evaluation import AlarmOutcome
from orchestrator.domain.verdict import Window
from orchestrator.probes import alarm_evidence
from orchestrator.probes.alarm_evidence import DEADLINE, HISTORY, LONGEST_WINDOW
from orchestrator.probes.context import BASELINE, since_newest_shift
from tests.samples import NOW, deployment, seconds

SHIFTED = NOW + seconds(600)
HALF = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW), Shift(1, 50, SHIFTED)))
PROMOTED = deployment(phase=DeploymentPhase.PROMOTED, shifts=(Shift(0, 10, NOW), Shift(1, 100, SHIFTED)))
LATER = NOW + seconds(900)
STABLE, CANARY = "1", "2"

Value = Mapping[str, float]


@dataclass
class Traffic:
    """A reader of metrics: what each version counts in a second, from a time on.

    Attributes:
        per_second: metric name to its value in a second, for every version.
        failing: version to metric name to its value, instead of that.
        since: when a version began to fail.
    """

    per_second: Value
    failing: Mapping[str, Value] = field(default_factory=dict)
    since: datetime = NOW
    calls: list[tuple[Window, int, tuple[MetricQuery, ...]]] = field(default_factory=list)

    def read_metrics(self, queries: Sequence[MetricQuery], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        self.calls.append((window, queries[0].period_seconds, tuple(queries)))
        assert len({query.id for query in queries}) == len(queries), "ids are unique"
        return {query.id: self._series(query, window) for query in queries}

    def _series(self, query: MetricQuery, window: Window) -> Mapping[datetime, float]:
        version = query.dimensions.get("version") or query.dimensions.get("ExecutedVersion") or ""
        period = timedelta(seconds=query.period_seconds)
        series = {}
        for number in range(-(-window.length // period)):
            start = window.start + number * period
            length = (min(start + period, window.end) - start).total_seconds()
            broken = self.failing.get(version, {}) if start >= self.since else {}
            name = query.name if query.statistic == "Sum" else f"{query.name} {query.statistic}"
            rate = broken.get(name, self.per_second.get(name))
            if rate is not None:
                series[start] = rate * length
        return series


QUIET: Value = {
    "Requests": 2.0, "ServerErrors": 0.0, "Invocations": 2.0, "Errors": 0.0, "Latency SampleCount": 2.0,
    "Latency TC(3000:)": 0.0, "KnownGrants": 1.0, "RefusedGrants": 0.0, "Count": 12.0, "5XXError": 0.0,
}  # fmt: skip
KINDS = {
    "5xx": {"ServerErrors": 0.8},
    "exceptions": {"Errors": 0.8},
    "slow requests": {"Latency TC(3000:)": 0.8},
    "refused grants": {"RefusedGrants": 0.8},
}


def evaluate(running, metrics, now=LATER):
    return alarm_evidence.evaluate(since_newest_shift(running, now), lambda: metrics)


@pytest.mark.parametrize("running", [HALF, PROMOTED], ids=["split", "promoted"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_that_fails_in_any_way_an_alarm_may_be_about_is_to_blame(running, kind):
    found = evaluate(running, Traffic(QUIET, {CANARY: KINDS[kind]}))
    assert found.outcome is AlarmOutcome.CANARY_WORSE, found.reason
    assert found.rolls_back


@pytest.mark.parametrize("kind", KINDS)
def test_while_traffic_is_split_a_fault_of_both_versions_is_not_the_canary_s(kind):
    smaller = dict.fromkeys(KINDS[kind], 0.2)
    found = evaluate(HALF, Traffic(QUIET, {CANARY: smaller, STABLE: smaller}))
    assert found.outcome is AlarmOutcome.NOT_TO_BLAME, found.reason


@pytest.mark.parametrize("kind", KINDS)
def test_after_the_promotion_what_was_so_before_is_not_the_canary_s(kind):
    usual = {**QUIET, **dict.fromkeys(KINDS[kind], 0.02)}
    found = evaluate(PROMOTED, Traffic(usual))
    assert found.outcome is AlarmOutcome.NOT_TO_BLAME, found.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_stable_is_found_while_traffic_is_split(kind):
    found = evaluate(HALF, Traffic(QUIET, {STABLE: KINDS[kind]}))
    assert found.outcome is AlarmOutcome.STABLE_WORSE, found.reason


@pytest.mark.parametrize("running", [HALF, PROMOTED], ids=["split", "promoted"])
def test_failures_that_only_api_gateway_counted_are_compared_with_the_hour_before(running):
    malformed = Traffic(QUIET, {"": {"5XXError": 6.0}}, since=NOW)
    found = evaluate(running, malformed)
    assert found.outcome is AlarmOutcome.CANARY_WORSE, found.reason
    assert "the API returns 5xx that no function counted" in found.reason
    counted = Traffic(QUIET, {"": {"5XXError": 6.0, "ServerErrors": 2.0, "Throttles": 0.0}}, since=NOW)
    assert "no function counted" not in evaluate(running, counted).reason


def test_what_upstream_providers_and_throttles_cause_is_not_api_gateway_s():
    others = {"5XXError": 6.0, "UpstreamErrors": 3.0, "Throttles": 1.0}
    assert not evaluate(HALF, Traffic(QUIET, {"": others}, since=NOW)).rolls_back


def test_the_windows_are_the_time_since_the_first_shift_the_hour_and_the_day_before_and_the_newest_minute():
    metrics = Traffic(QUIET)
    evaluate(HALF, metrics)
    read = {(window.start, window.end, period) for window, period, _ in metrics.calls}
    assert read == {
        (NOW, LATER, 60),
        (NOW - BASELINE, NOW, 60),
        (NOW - HISTORY, NOW, 300),
        (LATER - seconds(60), LATER, 1),
    }
    assert all(len(queries) <= 500 for _, _, queries in metrics.calls), "GetMetricData takes no more"


def test_of_a_window_without_end_the_newest_part_is_read_and_judged():
    late = NOW + seconds(3 * 24 * 3600)
    failing = Traffic(QUIET, {CANARY: KINDS["5xx"]}, since=late - seconds(120))
    context = since_newest_shift(PROMOTED, late)
    found = alarm_evidence.evaluate(context, lambda: failing, seconds(60))  # the fake computes every value
    assert found.outcome in {AlarmOutcome.CANARY_WORSE, AlarmOutcome.CATASTROPHIC}
    assert seconds(3600) < LONGEST_WINDOW


def test_a_fault_that_began_a_moment_ago_is_catastrophic_by_the_newest_minute():
    metrics = Traffic({**QUIET, "Requests": 20.0}, {CANARY: {"ServerErrors": 12.0}}, since=LATER - seconds(60))
    found = evaluate(HALF, metrics)
    assert found.outcome in {AlarmOutcome.CANARY_WORSE, AlarmOutcome.CATASTROPHIC}


@pytest.mark.parametrize("error", [Throttled("slow down"), Unreachable("no answer"), KeyError("q1")])
def test_evidence_that_cannot_be_read_rolls_back_and_says_why(error):
    class Failing(Traffic):
        def read_metrics(self, queries, window):
            raise error

    found = evaluate(HALF, Failing(QUIET))
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.UNREADABLE, True)
    assert type(error).__name__ in found.reason


def test_clients_that_cannot_be_opened_roll_back():
    def refuse():
        raise ValueError("no credentials")

    found = alarm_evidence.evaluate(since_newest_shift(HALF, LATER), refuse)
    assert found.outcome is AlarmOutcome.UNREADABLE
    assert "ValueError no credentials" in found.reason


def test_metrics_that_hang_delay_a_rollback_by_the_deadline_at_most():
    assert seconds(1) < DEADLINE <= seconds(5)
    release = threading.Event()

    class Hanging(Traffic):
        def read_metrics(self, queries, window):
            release.wait(30)
            return super().read_metrics(queries, window)

    started = time.monotonic()
    found = alarm_evidence.evaluate(since_newest_shift(HALF, LATER), lambda: Hanging(QUIET), seconds(0.2))
    elapsed = time.monotonic() - started
    release.set()
    assert found.outcome is AlarmOutcome.UNREADABLE
    assert "TimeoutError" in found.reason
    assert elapsed < 5
