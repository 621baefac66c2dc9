"""The logs probe: what it reads, in which evaluation, and what the next evaluation continues with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.domain.analysis.log_kinds import LogTests
from orchestrator.domain.analysis.observations import LogLine, LogPage, Measurements, Sample, VersionComparison
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import logs
from orchestrator.probes.context import after_promotion, for_step
from tests.samples import NOW, deployment, functions, seconds

FUNCTION = functions()[2]
GROUP = f"/aws/lambda/{FUNCTION.function_name}"
EVALUATION_SECONDS = 60


@dataclass
class FakeLogs:
    """Log groups: the lines of one function by the second of their event, counted from NOW.

    Attributes:
        lines: (second, version, message).
        complete: whether a page has all lines of its window.
        calls: the windows read of that function.
    """

    lines: list[tuple[float, str, str]] = field(default_factory=list)
    complete: bool = True
    calls: list = field(default_factory=list)

    def read_errors(self, group, window):
        if group != GROUP:
            return LogPage((), complete=True)
        self.calls.append(window)
        found = [
            LogLine(NOW + seconds(second), f"2026/11/23/[{version}]abc", f"[ERROR] {message}")
            for second, version, message in self.lines
            if window.start <= NOW + seconds(second) < window.end
        ]
        return LogPage(tuple(found), complete=self.complete)


def shifted(weight=10):
    return deployment(phase=DeploymentPhase.SHIFTING, functions=(FUNCTION,), shifts=(Shift(0, weight, NOW),))


def evaluate(reader, number, prior=None, context_of=None):
    """The evaluation `number`, from 1, and the document that it leaves behind."""
    delay = shifted().plan.limits.metric_delay
    context = for_step(shifted(), 0, number, NOW + seconds(number * EVALUATION_SECONDS) + delay)
    context = replace(context, prior={} if prior is None else {logs.PROBE: prior})
    if context_of:
        context = context_of(context)
    count = number * EVALUATION_SECONDS
    measured = VersionComparison(
        FUNCTION.name,
        Measurements("1", tuple(Sample(NOW + seconds(second), 9) for second in range(count))),
        Measurements("2", tuple(Sample(NOW + seconds(second), 1) for second in range(count))),
        10 * count,
    )
    result = logs.run(context, (measured,), reader)
    return result.evidence, json.loads(json.dumps(result.tests.to_json()))


def new_kind(evaluations, every=5):
    return [(second, "2", "NewError: of the release") for second in range(0, evaluations * EVALUATION_SECONDS, every)]


def test_a_new_kind_again_and_again_fails_the_release_with_its_odds():
    evidence, _ = evaluate(FakeLogs(new_kind(1)), 1)
    assert evidence.verdict.outcome is Outcome.FAIL
    assert "token has a new kind of error on canary, in 12 periods, stable never: NewError: of the release" in (
        evidence.verdict.reason
    )
    spent = evidence.figures["false_alarm"]
    assert spent["percent"] == pytest.approx(0.04)
    assert spent["needed"] == pytest.approx(2500)
    assert spent["evidence"] >= spent["needed"]


def test_every_line_is_read_once_and_counted_once():
    reader = FakeLogs(new_kind(3, every=60))
    prior = None
    for number in (1, 2, 3):
        evidence, prior = evaluate(reader, number, prior)
    windows = [window for window in reader.calls if window.start >= NOW]
    assert [(window.start - NOW, window.end - NOW) for window in windows] == [
        (seconds(60 * number), seconds(60 * number + 60)) for number in range(3)
    ]
    assert evidence.figures["functions"]["token"]["new_on_canary"]["NewError: of the release"]["canary"] == 3
    assert LogTests.from_json(prior).functions["token"].numbered == 1


def test_an_evaluation_that_is_repeated_counts_nothing_twice():
    reader = FakeLogs(new_kind(2, every=30))
    _, prior = evaluate(reader, 1)
    assert evaluate(reader, 2, prior) == evaluate(reader, 2, prior)
    evidence, again = evaluate(reader, 2, evaluate(reader, 2, prior)[1])
    assert evidence.figures["functions"]["token"]["new_on_canary"]["NewError: of the release"]["canary"] == 4
    assert again == evaluate(reader, 2, prior)[1]


def test_kinds_that_stable_had_before_the_deployment_are_known_and_read_once():
    before = [(second, "1", "NewError: of the release") for second in (-600, -300)]
    reader = FakeLogs([*before, *new_kind(2)])
    evidence, prior = evaluate(reader, 1)
    evidence, _ = evaluate(reader, 2, prior)
    assert evidence.verdict.outcome is Outcome.PASS
    assert evidence.figures["functions"]["token"]["new_on_canary"] == {}
    assert len([window for window in reader.calls if window.start < NOW]) == 1


def test_the_hour_before_is_not_read_without_errors_and_cannot_be_without_a_shift():
    quiet = FakeLogs()
    evidence, _ = evaluate(quiet, 1)
    assert evidence.verdict.outcome is Outcome.PASS
    assert len(quiet.calls) == 1
    reader = FakeLogs(new_kind(1))
    evidence, _ = evaluate(reader, 1, context_of=lambda context: replace(context, baseline_window=None))
    assert len(reader.calls) == 1
    assert evidence.verdict.outcome is Outcome.FAIL


def test_a_log_that_was_not_read_to_its_end_produces_no_evidence_and_is_not_read_again():
    cut = FakeLogs(new_kind(2), complete=False)
    evidence, prior = evaluate(cut, 1)
    assert evidence.verdict.outcome is Outcome.INCONCLUSIVE
    assert evidence.verdict.reason == "too many log lines to read all of them in time: token"
    assert LogTests.from_json(prior).functions["token"].numbered == 0
    assert LogTests.from_json(prior).read_until == NOW + seconds(60)
    assert evidence.figures["false_alarm"]["evidence"] == pytest.approx(1.0)


def test_nothing_is_judged_before_the_first_data_can_have_arrived():
    reader = FakeLogs(new_kind(1))
    context = after_promotion(shifted(), NOW, NOW)
    measured = VersionComparison(FUNCTION.name, Measurements("1"), Measurements("2"))
    result = logs.run(context, (measured,), reader)
    assert result.evidence.verdict.reason.startswith("no metrics have arrived yet")
    assert reader.calls == []
    assert result.tests.read_until is None


def test_while_canary_has_all_traffic_new_kinds_are_named_and_prove_nothing():
    def promoted(context):
        return replace(context, weight_percent=100)

    evidence, _ = evaluate(FakeLogs(new_kind(1)), 1, context_of=promoted)
    assert evidence.verdict.outcome is Outcome.PASS
    assert "NewError: of the release" in evidence.verdict.reason
