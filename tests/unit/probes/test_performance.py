"""The performance probe: what its evidence contains, and what the next evaluation continues with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import performance
from orchestrator.probes.context import for_step
from orchestrator.probes.metric_queries import measure_versions
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import NOW, deployment, seconds

SHIFTED = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW),))
CONTEXT = for_step(SHIFTED, 0, 0, NOW + seconds(65))


def evaluate(**versions):
    context = CONTEXT
    return performance.run(context, measure_versions(context, FakeVersionMetrics(**versions)))


def test_a_slower_canary_fails_and_the_evidence_has_the_counts_and_the_lines():
    result = evaluate(latency_ms={"1": 20.0, "2": 90.0})
    assert result.evidence.verdict.outcome is Outcome.FAIL
    assert "takes more than 40 ms, stable more than 20 ms" in result.evidence.verdict.reason
    figures = json.loads(json.dumps(result.evidence.figures))
    slow = figures["slow_requests"]["token/p50"]
    assert slow == {"canary": {"slow": 1200, "requests": 1200}, "stable": {"slow": 0, "requests": 1200}}
    assert figures["functions"]["token"]["lines"]["usual"] == {"p50": 20.0, "p90": 20.0, "p99": 20.0}
    assert figures["functions"]["token"]["canary"]["warm_requests"] == 1200
    spent = figures["false_alarm"]
    assert (spent["percent"], spent["needed"]) == (pytest.approx(0.05), pytest.approx(2000))
    assert spent["evidence"] >= spent["needed"]


def test_an_equal_canary_passes_with_little_evidence_against_it():
    result = evaluate()
    assert result.evidence.verdict.outcome is Outcome.PASS
    assert result.evidence.figures["false_alarm"]["evidence"] <= 1.001
    assert result.evidence.samples == 3 * 1200


def test_cold_starts_are_reported_next_to_the_warm_requests():
    context = CONTEXT
    measured = [
        replace(one, canary=replace(one.canary, samples=tuple(
            replace(sample, cold_starts=1, cold_start_ms=850.0) for sample in one.canary.samples
        )))
        for one in measure_versions(context, FakeVersionMetrics())
    ]  # fmt: skip
    evidence = performance.run(context, tuple(measured)).evidence
    assert evidence.verdict.outcome is Outcome.PASS
    canary = evidence.figures["functions"]["token"]["canary"]
    assert (canary["cold_starts"], canary["cold_start_ms"], canary["p50_ms"]) == (60, 850.0, 20.0)


def test_without_lines_the_evidence_says_so():
    measured = tuple(replace(one, lines=None) for one in measure_versions(CONTEXT, FakeVersionMetrics()))
    evidence = performance.run(CONTEXT, measured).evidence
    assert evidence.figures["functions"]["token"]["lines"] is None
