"""Metrics probe: is the canary worse than stable? Judged in `orchestrator.domain.analysis.request_metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.analysis.observations import VersionComparison
from orchestrator.domain.analysis.request_metrics import (
    SOURCE,
    figures_of,
    judge_request_metrics,
    judge_without_stable,
    request_rates,
)
from orchestrator.domain.analysis.spending import false_alarm_figures
from orchestrator.domain.replay.recorded_rates import RATES, rates_to_json
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.sequential_tests import SequentialEvidence, continue_sequential_tests, no_metrics_yet

PROBE = "metrics"


def run(context: ProbeContext, functions: tuple[VersionComparison, ...]) -> SequentialEvidence:
    """Judge the changed functions by their own metrics and by Lambda's."""
    result = continue_sequential_tests(context, PROBE, functions, rates_of=request_rates, judge=judge_request_metrics)
    probability = context.thresholds.false_alarm_probability(SOURCE)
    figures: dict[str, Json] = {
        "log_evidence": round(result.tests.log_evidence, 3),
        "false_alarm": false_alarm_figures(probability, result.tests.log_evidence),
        "dispersion": {
            name: round(test.dispersion.value, 2)
            for name, test in result.tests.tests.items()
            if test.dispersion.value > 1
        },
        RATES: rates_to_json(result.tests, result.rates),
    }
    return SequentialEvidence(_evidence(context, functions, result.verdict, figures), result.tests)


def run_without_stable(context: ProbeContext, functions: tuple[VersionComparison, ...]) -> Evidence:
    """Judge the canary by its own server errors: after a cutover, stable is no baseline for it."""
    verdict = judge_without_stable(functions, context.thresholds) if context.window.length else no_metrics_yet(context)
    return _evidence(context, functions, verdict, {})


def _evidence(
    context: ProbeContext,
    functions: tuple[VersionComparison, ...],
    verdict: Verdict,
    figures: Mapping[str, Json],
) -> Evidence:
    return Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=context.versions,
        window=context.window,
        source=f"cloudwatch {context.service.metric_namespace} and AWS/Lambda by version",
        samples=sum(function.canary.requests for function in functions),
        figures={
            "weight_percent": context.weight_percent,
            **figures,
            "functions": {function.name: figures_of(function) for function in functions},
        },
    )
