"""Judge the recorded evidence of one evaluation again.

| probe | what is done |
|---|---|
| metrics | the sequential tests run again from the recorded counts; today's code gives weights, nulls and the verdict |
| performance | the same, over the recorded latency lines |
| logs | the recorded evidence is compared with the odds that the settings need |
| health, security, flows, compatibility, alarms, custom_checks | the recorded verdict is taken as given |

What a check that was repeated, an alarm or a check of the environment would have measured with other settings is not in
the record, so nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from orchestrator.domain.analysis import latency, log_verdict, request_metrics
from orchestrator.domain.analysis.latency_lines import LatencyLines
from orchestrator.domain.analysis.observations import Measurements, Sample, VersionComparison
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests, no_metrics_since
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Null, Tally
from orchestrator.domain.analysis.spending import FALSE_ALARM
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.recorded_rates import RATES, RecordedRow
from orchestrator.domain.texts import two_digits
from orchestrator.domain.verdict import Evidence, Outcome, Verdict

METRICS, PERFORMANCE, LOGS = "metrics", "performance", "logs"
RECOMPUTED = (METRICS, PERFORMANCE, LOGS)
NOT_RECOMPUTED = ("health", "security", "flows", "compatibility", "alarms", "custom_checks")

FEW_REQUESTS = "too few requests on canary"
"""How the logs probe begins the reason of a verdict for too little traffic."""


@dataclass(frozen=True)
class Settings:
    """The thresholds with which the evidence was judged, and those with which it is judged again."""

    recorded: Thresholds
    replayed: Thresholds


@dataclass(frozen=True)
class RunningReplay:
    """The running tests after an evaluation, as the ledger would carry them to the next one."""

    tests: Mapping[str, RunningTests] = field(default_factory=dict)

    def judge(self, one: Evidence, settings: Settings, where: str) -> tuple[RunningReplay, Verdict]:
        """Return the tests after the evidence of one probe, and its verdict.

        Args:
            one: the recorded evidence.
            settings: the thresholds.
            where: the decision, for an error.

        Raises:
            Refused: the record lacks what the tests need.
        """
        if one.verdict.outcome is Outcome.ERROR or one.probe not in RECOMPUTED:
            return self, one.verdict
        if one.probe == LOGS:
            return self, _judge_logs(one, settings)
        rows: Any = one.figures.get(RATES)
        if not isinstance(rows, Mapping):
            remedy = "replay a deployment of a release that records the counts of each rate"
            raise Refused(where, f"{one.probe} without {RATES}", remedy)
        try:
            return self._judge_rates(one, settings, rows, where)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            remedy = f"replay a deployment whose evidence today's code reads ({type(error).__name__}: {error})"
            raise Refused(where, f"{one.probe} in another form", remedy) from error

    def _judge_rates(
        self, one: Evidence, settings: Settings, rows: Mapping[str, Any], where: str
    ) -> tuple[RunningReplay, Verdict]:
        of_metrics = one.probe == METRICS
        functions = tuple(_metrics_functions(one) if of_metrics else _latency_functions(one))
        if of_metrics:
            rates = _metrics_rates(functions, settings, rows, where)
        else:
            rates = _latency_rates(functions, settings.replayed, rows)
        # As exact as the ledger carried them from evaluation to evaluation.
        before = self.tests.get(one.probe, RunningTests()).carried()
        tests = before.update(one.window.start, rates)
        judge = request_metrics.judge_request_metrics if of_metrics else latency.judge_latency
        verdict = (
            judge(functions, settings.replayed, tests, rates)
            if one.window.length
            else no_metrics_since(one.window.start)
        )
        return RunningReplay({**self.tests, one.probe: tests}), verdict


def _metrics_rates(
    functions: tuple[VersionComparison, ...], settings: Settings, rows: Mapping[str, Any], where: str
) -> tuple[ComparedRate, ...]:
    """Return the rates with the recorded counts, and with the null hypotheses of the replayed settings."""
    margins = {request_metrics.margin_of(settings.recorded): request_metrics.margin_of(settings.replayed)}
    rates: list[ComparedRate] = []
    for function in functions:
        row, last = None, None
        for name in request_metrics.rate_names(function.name):
            full_name = f"{function.name}/{name}"
            document = rows[full_name]
            # Most refusals of grants never occur, and their rows are equal.
            if row is None or document != last:
                row, last = RecordedRow.from_json(document), document
                if isinstance(row.null, Margin):
                    row = row._replace(null=margins.get(row.null, row.null))
            is_margin = isinstance(row.null, Margin)
            null = row.null if is_margin else _null_now(row.null, name, function, settings, where)
            description = request_metrics.describe_rate(function.name, name, settings.replayed)
            rates.append(row.rate(full_name, description, request_metrics.WEIGHTS[name], null))
    return tuple(rates)


def _null_now(null: Null | None, name: str, function: VersionComparison, settings: Settings, where: str) -> Null | None:
    """Return the null hypothesis by the replayed settings, if the recorded settings give the recorded one."""
    counts = cache(partial(request_metrics.count_rate, function, name))
    if null == request_metrics.null_of(name, function, counts, settings.recorded):
        return request_metrics.null_of(name, function, counts, settings.replayed)
    if isinstance(null, Limit) and not _same_baseline(settings):
        # The limit comes from the worst minutes before the deployment, which are not recorded.
        remedy = "leave minimum_requests and tolerated_increase_percent as they are"
        raise Refused(where, f"{function.name}/{name} without the minutes before the deployment", remedy)
    return null


def _same_baseline(settings: Settings) -> bool:
    one, other = settings.recorded, settings.replayed
    return (one.minimum_requests, one.tolerated_increase_percent) == (
        other.minimum_requests,
        other.tolerated_increase_percent,
    )


def _latency_rates(
    functions: tuple[VersionComparison, ...], thresholds: Thresholds, rows: Mapping[str, Any]
) -> tuple[ComparedRate, ...]:
    rates: list[ComparedRate] = []
    for function in functions:
        for name, description in latency.describe_rates(function, thresholds).items():
            full_name = f"{function.name}/{name}"
            row = RecordedRow.from_json(rows[full_name])
            rates.append(row.rate(full_name, description, latency.WEIGHTS[name], row.null))
    return tuple(rates)


def _metrics_functions(one: Evidence) -> list[VersionComparison]:
    functions: Any = one.figures["functions"]
    return [
        VersionComparison(
            name=name,
            stable=_measured(figures["stable"], one.window.start),
            canary=_measured(figures["canary"], one.window.start),
            pooled_requests=int(figures["pooled_requests"]),
            before=None if figures["before"] is None else _measured(figures["before"], one.window.start),
            canary_has_all_traffic=_has_all_traffic(one),
        )
        for name, figures in functions.items()
    ]


def _latency_functions(one: Evidence) -> list[VersionComparison]:
    functions: Any = one.figures["functions"]
    return [_latency_function(one, name, figures) for name, figures in functions.items()]


def _latency_function(one: Evidence, name: str, figures: Mapping[str, Any]) -> VersionComparison:
    lines = None if figures["lines"] is None else LatencyLines.from_json(figures["lines"])
    start = one.window.start if lines is None else lines.fixed_at
    # Lines that were fixed from this evaluation's requests judge none of them: these were before.
    start -= timedelta(seconds=1) if figures["fresh"] else timedelta(0)
    return VersionComparison(
        name=name,
        stable=_timed(figures["stable"], one.versions[name]["stable"], start),
        canary=_timed(figures["canary"], one.versions[name]["canary"], start),
        pooled_requests=int(figures["pooled_requests"]),
        lines=lines,
        canary_has_all_traffic=_has_all_traffic(one),
    )


def _measured(figures: Mapping[str, Any], start: datetime) -> Measurements:
    """Return measurements with the recorded totals, as one period."""
    sample = Sample(
        start=start,
        requests=int(figures["requests"]),
        server_errors=int(figures["server_errors"]),
        grants={str(result): int(count) for result, count in figures["grants"].items()},
        upstream_errors=int(figures["upstream_errors"]),
        known_grants=int(figures["known_grants"]),
        refused_grants=int(figures["refused_grants"]),
    )
    invocations, unhandled = int(figures["invocations"]), int(figures["unhandled"])
    minutes = (Tally(invocations, min(invocations, unhandled)),)
    return Measurements(str(figures["version"]), (sample,), invocations, unhandled, minutes)


def _timed(figures: Mapping[str, Any], version: str, start: datetime) -> Measurements:
    sample = Sample(
        start=start,
        requests=int(figures["requests"]),
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        timed=int(figures["warm_requests"]),
    )
    return Measurements(version, (sample,))


def _has_all_traffic(one: Evidence) -> bool:
    return bool(one.figures["weight_percent"] == FULL_PERCENT)


def _judge_logs(one: Evidence, settings: Settings) -> Verdict:
    """Return the recorded verdict, unless the settings need other odds or another number of requests."""
    spent: Any = one.figures.get(FALSE_ALARM)
    was, now = (_needed(thresholds) for thresholds in (settings.recorded, settings.replayed))
    fewest = settings.replayed.minimum_requests
    if (was, settings.recorded.minimum_requests) == (now, fewest) or not isinstance(spent, Mapping):
        return one.verdict
    odds = float(spent["evidence"])
    words = f"recorded odds of {two_digits(odds)} to 1, {two_digits(now)} to 1 are needed"
    if odds >= now:
        return one.verdict if one.verdict.outcome is Outcome.FAIL else Verdict.failed(f"kinds of log errors: {words}")
    if odds >= now**log_verdict.DOUBTFUL_FROM:
        return Verdict.inconclusive(f"kinds of log errors may still be chance: {words}")
    few = [f"{name} {count}" for name, count in _log_requests(one).items() if count < fewest]
    if few:
        return Verdict.inconclusive(f"{FEW_REQUESTS}: {', '.join(few)} of {fewest}")
    if one.verdict.outcome is Outcome.FAIL or one.verdict.reason.startswith((FEW_REQUESTS, "may still be chance")):
        return Verdict.passed(f"kinds of log errors: {words}")
    return one.verdict


def _needed(thresholds: Thresholds) -> float:
    return 1 / thresholds.false_alarm_probability(log_verdict.SOURCE)


def _log_requests(one: Evidence) -> Mapping[str, int]:
    functions: Any = one.figures["functions"]
    return {name: int(figures["canary"]["requests"]) for name, figures in functions.items()}
