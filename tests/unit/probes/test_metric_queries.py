"""What is read of both versions: Lambda's own counts, whether AWS names the executed version of an alias without weights
or does not, and the requests over the latency lines, which are fixed before what they judge."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.analysis.latency_lines import LatencyLines, bounds_ms
from orchestrator.domain.analysis.observations import Measurements, VersionComparison
from orchestrator.domain.analysis.request_metrics import request_rates
from orchestrator.domain.analysis.running_tests import RunningTests
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Window
from orchestrator.probes.context import after_promotion, for_comparison, for_step
from orchestrator.probes.metric_queries import (
    LAMBDA_NAMESPACE,
    LATENCY_LINES,
    latency_lines_to_json,
    measure_versions,
)
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import NOW, deployment, seconds


class LambdaMetrics:
    """Lambda's metrics of one alias, which has weights or has not.

    Args:
        serving: the invocations a minute by version; a tenth of them fail.
        named: whether there are series by ExecutedVersion.
    """

    def __init__(self, serving, *, named):
        self._serving, self._named = serving, named
        self.calls = []

    def read_metrics(self, queries, window):
        self.calls += queries
        return {query.id: self._series(query, window) for query in queries}

    def _series(self, query, window):
        if query.namespace != LAMBDA_NAMESPACE or query.name not in {"Invocations", "Errors"}:
            return {}
        version = query.dimensions.get("ExecutedVersion")
        if version is not None and not self._named:
            return {}
        count = sum(self._serving.values()) if version is None else self._serving.get(version, 0)
        value = float(count if query.name == "Invocations" else count // 10)
        return {window.start + timedelta(minutes=number): value for number in range(window.length // seconds(60))}


def promoted():
    return replace(after_promotion(deployment(), NOW, NOW + seconds(305)), baseline_window=None)


@pytest.mark.parametrize("named", [True, False])
def test_after_promotion_the_canary_s_own_failures_are_seen_either_way(named):
    metrics = LambdaMetrics({function.canary_version: 100 for function in promoted().functions}, named=named)
    for compared in measure_versions(promoted(), metrics):
        assert (compared.canary.invocations, compared.canary.unhandled) == (500, 50)
        assert (compared.stable.invocations, compared.stable.unhandled) == (0, 0)


@pytest.mark.parametrize("named", [True, False])
def test_while_traffic_is_split_the_alias_s_failures_are_not_the_canary_s(named):
    shifted = deployment()
    context = replace(promoted(), weight_percent=10)
    function = shifted.functions[0]
    metrics = LambdaMetrics({function.stable_version: 900, function.canary_version: 100}, named=named)
    compared = measure_versions(context, metrics)[0]
    assert compared.canary.invocations == (500 if named else 0)
    assert compared.stable.invocations == (4500 if named else 0)
    assert all("ExecutedVersion" in query.dimensions for query in metrics.calls if query.namespace == LAMBDA_NAMESPACE)


@pytest.mark.parametrize("named", [True, False])
def test_before_the_deployment_stable_had_all_traffic_either_way(named):
    context = replace(promoted(), baseline_window=promoted().window)
    metrics = LambdaMetrics({function.stable_version: 100 for function in context.functions}, named=named)
    for compared in measure_versions(context, metrics):
        assert compared.before is not None
        assert (compared.before.invocations, compared.before.unhandled) == (500, 50)


def test_only_a_version_with_all_traffic_is_queried_by_its_alias():
    assert promoted().weight_percent == FULL_PERCENT
    metrics = LambdaMetrics({}, named=True)
    measure_versions(promoted(), metrics)
    by_alias = [query for query in metrics.calls if query.id.split("/")[1] == "alias"]
    assert len(by_alias) == 2 * len(promoted().changed)
    assert len({query.id for query in metrics.calls}) == len(metrics.calls)


# Latency lines

SHIFTED = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW),))


def evaluation(number=1, **changes):
    return replace(for_step(SHIFTED, 0, 0, NOW + seconds(60 * number + 5)), **changes)


class LatencyMetrics(FakeVersionMetrics):
    """Stable's latency was another one in the hour before the deployment than it is now; None where it was idle."""

    def __init__(self, before_ms, now_ms=20.0):
        super().__init__(latency_ms={"1": now_ms, "2": now_ms})
        self.before_ms, self.queries = before_ms, []

    def read_metrics(self, queries, window):
        self.queries.append(list(queries))
        found = super().read_metrics(queries, window)
        if window.start >= NOW:
            return found
        return {
            query.id: {} if self.before_ms is None else dict.fromkeys(found[query.id], self.before_ms)
            for query in queries
        }


def stored(comparisons):
    return {LATENCY_LINES: json.loads(json.dumps(latency_lines_to_json(comparisons)))}


def test_the_first_evaluation_fixes_the_lines_from_stable_s_hour_before_the_deployment():
    metrics = LatencyMetrics(before_ms=30.0)
    compared = measure_versions(evaluation(), metrics)[0]
    percentiles = dict.fromkeys(("p50", "p90", "p99"), 30.0)
    assert compared.lines == LatencyLines(NOW, percentiles, 30.0)
    before, window, _ = metrics.queries
    assert {(query.name, query.statistic, query.period_seconds) for query in before} == {
        ("Latency", percentile, 300) for percentile in percentiles
    }
    assert {query.dimensions["version"] for query in before} == {"1"}
    bounds = bounds_ms(compared.lines, SHIFTED.plan.limits.thresholds, canary_has_all_traffic=False)
    assert len(bounds) == 3
    for version in ("1", "2"):
        counted = {query.statistic for query in window if query.dimensions.get("version") == version}
        assert {f"TC({bound:g}:)" for bound in bounds} <= counted


def test_later_evaluations_keep_the_lines_and_read_nothing_of_the_hour_before():
    first = measure_versions(evaluation(), LatencyMetrics(before_ms=30.0))
    metrics = LatencyMetrics(before_ms=999.0)
    again = measure_versions(evaluation(2, prior=stored(first) | judged(first)), metrics)
    assert [one.lines for one in again] == [one.lines for one in first]
    assert [one.before for one in again] == [None] * len(again)
    assert len(metrics.queries) == 1


def judged(comparisons):
    thresholds = SHIFTED.plan.limits.thresholds
    rates = tuple(rate for one in comparisons for rate in request_rates(one, thresholds))
    return {"metrics": json.loads(json.dumps(RunningTests().update(NOW, rates).to_json()))}


def test_stable_s_hour_before_the_deployment_is_read_until_an_evaluation_has_seen_its_requests():
    nothing = judged(
        tuple(VersionComparison(name, Measurements("1"), Measurements("2")) for name in ("token", "public"))
    )
    for prior in ({}, nothing):
        compared = measure_versions(evaluation(prior=prior), LatencyMetrics(before_ms=None))
        assert all(one.stable.requests and one.before is not None for one in compared)


def test_lambda_s_counts_are_kept_by_the_minute_so_that_bursts_of_failures_show():
    class Burst(FakeVersionMetrics):
        def read_metrics(self, queries, window):
            minutes = [window.start, window.start + seconds(60)]
            counts = {"Invocations": (30.0, 40.0), "Errors": (20.0, 0.0)}
            return {
                query.id: dict(zip(minutes, counts[query.name], strict=True)) if query.name in counts else {}
                for query in queries
            }

    measured = measure_versions(evaluation(2), Burst())[0].canary
    assert measured.minutes == (Tally(30, 20), Tally(40, 0))
    assert measured.function_failures == Tally(70, 20)


def test_a_stable_version_that_was_idle_before_is_measured_first_and_judged_from_the_next_evaluation_on():
    first = measure_versions(evaluation(), LatencyMetrics(before_ms=None))
    assert {one.lines.fixed_at for one in first} == {evaluation().window.end}
    assert first[0].lines.highest_p99_ms is None
    second = measure_versions(evaluation(2, prior=stored(first)), LatencyMetrics(before_ms=None))
    counted = second[0].canary.since(first[0].lines.fixed_at).slower_than(first[0].lines.usual["p50"])
    assert counted.total.trials == 60 * 20


def test_once_the_canary_has_all_traffic_it_is_counted_over_stable_s_highest_p99():
    context = replace(after_promotion(SHIFTED, NOW, NOW + seconds(65)), prior={})
    metrics = LatencyMetrics(before_ms=30.0)
    compared = measure_versions(context, metrics)[0]
    assert compared.canary_has_all_traffic
    bounds = bounds_ms(compared.lines, context.thresholds, canary_has_all_traffic=True)
    assert set(compared.canary.samples[0].slower) <= set(bounds)
    trimmed = {query.statistic for query in metrics.queries[1] if query.statistic.startswith("TC(")}
    assert trimmed == {f"TC({bound:g}:)" for bound in bounds}


def test_without_a_window_before_the_deployment_and_without_traffic_there_are_no_lines():
    compared = measure_versions(evaluation(baseline_window=None), LambdaMetrics({}, named=True))[0]
    assert compared.lines is None
    assert latency_lines_to_json([compared]) == {}
    too_early = evaluation(window=Window(NOW, NOW))
    assert measure_versions(too_early, LambdaMetrics({}, named=True))[0].lines is None


def test_a_window_without_data_keeps_the_lines_of_the_deployment():
    first = measure_versions(evaluation(), LatencyMetrics(before_ms=30.0))
    metrics = LatencyMetrics(before_ms=999.0)
    again = measure_versions(evaluation(window=Window(NOW, NOW), prior=stored(first)), metrics)
    assert [one.lines for one in again] == [one.lines for one in first]
    assert metrics.queries == []


def test_a_bound_keeps_its_decimals_in_the_statistic():
    lines = LatencyLines(NOW, {"p50": 123456.789})
    document = {LATENCY_LINES: {name: lines.to_json() for name in ("authorize", "public", "token")}}
    metrics = LatencyMetrics(before_ms=None)
    measure_versions(evaluation(prior=document), metrics)
    assert {query.statistic for query in metrics.queries[0]} >= {"TC(123456.789:)", "TC(3000:)"}


# Long bakes


class KeptMetrics(FakeVersionMetrics):
    """CloudWatch keeps periods below a minute for three hours, and then refuses them or has none."""

    now = NOW

    def read_metrics(self, queries, window):
        self.read = {query.period_seconds for query in queries}
        kept = [
            query for query in queries if query.period_seconds >= 60 or self.now - window.start < timedelta(hours=3)
        ]
        # A rate of 2 requests a second, whatever the period.
        return {
            query.id: {at: value * query.period_seconds / 10 for at, value in series.items()}
            if query.name == "Requests"
            else series
            for query in kept
            for series in [self._series(query, window)]
        }

    def _series(self, query, window):
        """The periods of CloudWatch begin at whole multiples of their length."""
        begins = window.start.timestamp() // query.period_seconds * query.period_seconds
        series = super()._series(query, Window(datetime.fromtimestamp(begins, UTC), self.now))
        return {at: value for at, value in series.items() if at < window.end}


BEGAN = NOW + seconds(10)
TEN_SECONDS = replace(SHIFTED.plan, limits=replace(SHIFTED.plan.limits, period=seconds(10)))
LONG = replace(SHIFTED, plan=TEN_SECONDS, shifts=(Shift(0, 10, BEGAN),))


def evaluated_after(hours, make=lambda now: for_step(LONG, 0, 0, now), **changes):
    now = BEGAN + timedelta(hours=hours, seconds=25)
    metrics = KeptMetrics(errors={"2": 0.5})
    metrics.now = now
    context = replace(make(now), baseline_window=None, **changes)
    return context, metrics, measure_versions(context, metrics)[0]


@pytest.mark.parametrize(
    "make",
    [lambda now: for_step(LONG, 0, 0, now), lambda now: after_promotion(LONG, BEGAN, now)],
    ids=["bake", "after the promotion"],
)
@pytest.mark.parametrize("hours", [0.1, 2.8, 2.9, 3, 24])
def test_a_bake_is_measured_from_its_begin_however_long_it_is(hours, make):
    context, metrics, compared = evaluated_after(hours, make)
    assert context.window.start == BEGAN
    for version in (compared.stable, compared.canary):
        # All but the minutes of which a part is outside the window.
        assert 2 * (context.window.length.total_seconds() - 120) <= version.requests
        assert version.requests <= 2 * context.window.length.total_seconds()
        assert all(context.window.start <= sample.start < context.window.end for sample in version.samples)
    assert metrics.read == ({10, 60} if hours < 2.85 else {60})


def test_the_running_tests_count_no_request_again_when_the_periods_get_longer():
    thresholds = LONG.plan.limits.thresholds
    tests, counted = RunningTests(), []
    for minutes in range(160, 190, 3):
        context, _, compared = evaluated_after(minutes / 60)
        tests = tests.update(context.window.start, request_rates(compared, thresholds))
        counted.append(tests.tests[f"{compared.name}/server_errors"].canary.trials)
        assert counted[-1] <= 2 * context.window.length.total_seconds()
    assert counted == sorted(counted)
    assert counted[-1] - counted[0] == pytest.approx(2 * 60 * 27, abs=2 * 120)


def test_the_newest_minutes_are_compared_in_short_periods_however_long_the_step_is():
    context, metrics, _ = evaluated_after(5, lambda now: for_comparison(LONG, now))
    assert context.now - context.window.start < timedelta(minutes=10)
    assert metrics.read == {10, 60}
