"""The metrics probe after a cut-over, when stable is nothing to compare canary with."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.observation import Compared, Measurements, Sample
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import metrics
from orchestrator.probes.scene import after_promotion
from tests.samples import NOW, deployment, seconds


def test_canary_alone_is_judged_by_version_once_something_has_settled():
    scene = after_promotion(deployment(), NOW, NOW + seconds(3600))
    closed = Measurements("1", (Sample(NOW, 100, 100),))
    measured = (Compared("token", closed, Measurements("2", (Sample(NOW, 100, 60),)), 200),)
    evidence = metrics.look_alone(scene, measured)
    assert (evidence.verdict.outcome, evidence.samples) == (Outcome.FAIL, 100)
    assert "token 60 of 100" in evidence.verdict.reason
    assert evidence.figures["functions"]["token"]["stable"]["server_errors"] == 100
    early = metrics.look_alone(replace(scene, window=after_promotion(deployment(), NOW, NOW).window), measured)
    assert early.verdict.outcome is Outcome.INCONCLUSIVE
