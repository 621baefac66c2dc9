"""What an evaluation leaves in `Deployment.running` for the next one: latency lines, latency tests and kinds of errors."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

from orchestrator.domain.analysis.observations import LogLine, LogPage
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import analysis_run
from orchestrator.probes.context import for_step
from orchestrator.probes.metric_queries import LATENCY_LINES
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import NOW, deployment, functions, seconds

SHIFTED = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW),), functions=functions(names=("token",)))


class NewKind:
    """A log in which canary has a kind of its own, every five seconds."""

    def read_errors(self, group, window):
        times = [NOW + seconds(second) for second in range(0, 600, 5)]
        lines = [
            LogLine(at, "2026/11/23/[2]abc", "[ERROR] NewError: x") for at in times if window.start <= at < window.end
        ]
        return LogPage(tuple(lines), complete=True)


def evaluate(number, running):
    """The evaluation after `number` times 20 s; every other probe fails, which is evidence of its own."""
    context = for_step(replace(SHIFTED, running=running), 0, number, NOW + seconds(20 * number + 5))
    clients = SimpleNamespace(
        metrics=FakeVersionMetrics(),
        logs=NewKind(),
        alarms=None,
        functions=None,
        web=None,
        macs=None,
        pace=None,
        checks=None,
    )
    analysis = analysis_run.analyze_canary(context, clients)
    evidence = {one.probe: one for one in analysis.evidence}
    return evidence, json.loads(json.dumps(analysis.running))


def test_evidence_grows_from_evaluation_to_evaluation_and_lines_stay():
    running, odds, lines = {}, [], []
    for number in (1, 2, 3, 4):
        evidence, running = evaluate(number, running)
        odds.append(evidence["logs"].figures["false_alarm"]["evidence"])
        lines.append(running[LATENCY_LINES])
        assert evidence["performance"].verdict.outcome is Outcome.PASS
    assert odds == sorted(odds)
    assert evidence["logs"].verdict.outcome is Outcome.FAIL
    assert lines == [lines[0]] * 4
    assert lines[0]["token"]["usual"] == {"p50": 20.0, "p90": 20.0, "p99": 20.0}
    assert running["logs"]["functions"]["token"]["kinds"][0]["canary"] > 4
    assert running["performance"]["watches"]["token/p50"]["canary"]["trials"] == 80 * 20
