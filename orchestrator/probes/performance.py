"""Performance probe: is the canary slower than stable? Judged in `orchestrator.domain.analysis.latency`."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.analysis.latency import SOURCE, judge_latency, latency_rates, lines_are_fresh
from orchestrator.domain.analysis.observations import Measurements, VersionComparison
from orchestrator.domain.analysis.running_tests import ComparedRate
from orchestrator.domain.analysis.spending import FALSE_ALARM, false_alarm_figures
from orchestrator.domain.replay.recorded_rates import RATES, rates_to_json
from orchestrator.domain.verdict import Evidence, Json
from orchestrator.probes.context import ProbeContext, kept_period
from orchestrator.probes.sequential_tests import SequentialEvidence, continue_sequential_tests

PROBE = "performance"


def run(context: ProbeContext, functions: tuple[VersionComparison, ...]) -> SequentialEvidence:
    """Judge the latency of the changed functions."""
    result = continue_sequential_tests(context, PROBE, functions, rates_of=latency_rates, judge=judge_latency)
    evidence = Evidence(
        probe=PROBE,
        verdict=result.verdict,
        versions=context.versions,
        window=context.window,
        source=f"cloudwatch {context.service.metric_namespace} Latency by version, warm requests over fixed latencies",
        samples=sum(function.canary.timed for function in functions),
        figures={
            "period_seconds": kept_period(context.period, context.window, context.now).total_seconds(),
            FALSE_ALARM: false_alarm_figures(
                context.thresholds.false_alarm_probability(SOURCE), result.tests.log_evidence
            ),
            "dispersion": {name: round(test.dispersion.value, 2) for name, test in result.tests.tests.items()},
            "slow_requests": {rate.name: _slow_requests(rate) for rate in result.rates},
            "weight_percent": context.weight_percent,
            RATES: rates_to_json(result.tests, result.rates),
            "functions": {
                function.name: {
                    "lines": None if function.lines is None else function.lines.to_json(),
                    "fresh": lines_are_fresh(function),
                    "pooled_requests": function.pooled_requests,
                    "stable": _figures(function.stable),
                    "canary": _figures(function.canary),
                }
                for function in functions
            },
        },
    )
    return SequentialEvidence(evidence, result.tests)


def _slow_requests(rate: ComparedRate) -> Mapping[str, Json]:
    return {
        "canary": {"slow": rate.canary.bad, "requests": rate.canary.trials},
        "stable": {"slow": rate.stable.bad, "requests": rate.stable.trials},
    }


def _figures(measurements: Measurements) -> Mapping[str, Json]:
    return {
        "requests": measurements.requests,
        "p50_ms": measurements.p50_ms,
        "p99_ms": measurements.p99_ms,
        "warm_requests": measurements.timed,
        "cold_starts": measurements.cold_starts,
        "cold_start_ms": measurements.cold_start_ms,
    }
