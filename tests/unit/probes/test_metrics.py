"""The metrics probe after a cutover, when stable is no baseline for the canary."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest

from orchestrator.domain.analysis.observations import Measurements, Sample, VersionComparison
from orchestrator.domain.deployment.record import Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import metrics
from orchestrator.probes.context import after_promotion, for_step
from tests.samples import NOW, deployment, seconds


def test_the_evidence_states_what_it_spent_of_the_false_alarms_and_how_errors_cluster():
    def measured(version, *errors):
        return Measurements(version, tuple(Sample(NOW + seconds(10 * at), 100, bad) for at, bad in enumerate(errors)))

    context = for_step(deployment(shifts=(Shift(0, 10, NOW),)), 0, 0, NOW + seconds(3600))
    functions = (VersionComparison("public", measured("1", *[0] * 8), measured("2", 0, 0, 0, 20, 0, 0, 0, 0), 1600),)
    result = metrics.run(context, functions)
    figures = result.evidence.figures
    assert result.evidence.verdict.outcome is not Outcome.FAIL
    assert figures["false_alarm"]["percent"] == 0.75
    assert figures["false_alarm"]["needed"] == pytest.approx(100 / 0.75, abs=0.001)
    assert figures["false_alarm"]["evidence"] == pytest.approx(exp(result.tests.log_evidence), rel=1e-3)
    assert figures["dispersion"] == {"public/server_errors": 20.0, "public/server_error_limit": 20.0}


def test_canary_alone_is_judged_by_version_once_something_has_settled():
    context = after_promotion(deployment(), NOW, NOW + seconds(3600))
    blocked = Measurements("1", (Sample(NOW, 100, 100),))
    functions = (VersionComparison("token", blocked, Measurements("2", (Sample(NOW, 100, 60),)), 200),)
    evidence = metrics.run_without_stable(context, functions)
    assert (evidence.verdict.outcome, evidence.samples) == (Outcome.FAIL, 100)
    assert "token:2 60 of 100" in evidence.verdict.reason
    assert evidence.figures["functions"]["token"]["stable"]["server_errors"] == 100
    early = metrics.run_without_stable(
        replace(context, window=after_promotion(deployment(), NOW, NOW).window), functions
    )
    assert early.verdict.outcome is Outcome.INCONCLUSIVE
