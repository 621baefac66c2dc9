"""The evidence of single probes judged again: what is recomputed, and what is taken as given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.evidence_replay import NOT_RECOMPUTED, RECOMPUTED, RunningReplay, Settings
from orchestrator.domain.verdict import Evidence, Outcome, Verdict, Window
from tests.fakes.two_versions import CANARY
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.recorded import Recorder
from tests.samples import NOW, policy, seconds

THRESHOLDS = policy().limits.thresholds
SAME = Settings(THRESHOLDS, THRESHOLDS)


def other(**changes) -> Settings:
    return Settings(THRESHOLDS, replace(THRESHOLDS, **changes))


def logs(verdict: Verdict, odds: float, requests: int = 200) -> Evidence:
    figures = {
        "false_alarm": {"evidence": odds, "needed": 2500.0},
        "functions": {"token": {"canary": {"requests": requests}}},
    }
    return Evidence("logs", verdict, {}, Window(NOW, NOW + seconds(9)), "logs", requests, figures)


FAILED, PASSED = Verdict.failed("a new kind"), Verdict.passed("no new kind")
FEW = Verdict.inconclusive("too few requests on canary: token 20 of 50")
DOUBTFUL = Verdict.inconclusive("may still be chance: a new kind")


@pytest.mark.parametrize("probe", NOT_RECOMPUTED)
def test_the_verdict_of_a_check_is_taken_as_recorded(probe):
    evidence = Evidence(probe, FAILED, {}, Window(NOW, NOW), "x", 1)
    assert RunningReplay().judge(evidence, other(false_alarm_percent=0.001), "here") == (RunningReplay(), FAILED)


@pytest.mark.parametrize("probe", RECOMPUTED)
def test_a_probe_that_did_not_work_leaves_its_tests_as_they_were(probe):
    evidence = Evidence(probe, Verdict.error("Throttled"), {}, Window(NOW, NOW), "none", 0)
    assert RunningReplay().judge(evidence, SAME, "here") == (RunningReplay(), evidence.verdict)


@pytest.mark.parametrize(
    ("verdict", "odds", "requests", "changes", "outcome", "words"),
    [
        (FAILED, 3000.0, 200, {}, Outcome.FAIL, "a new kind"),
        (FAILED, 3000.0, 200, {"false_alarm_percent": 2.0}, Outcome.FAIL, "a new kind"),
        (DOUBTFUL, 1500.0, 200, {"false_alarm_percent": 2.0}, Outcome.FAIL, "1500 to 1, 1200 to 1 are needed"),
        (FAILED, 3000.0, 200, {"false_alarm_percent": 0.5}, Outcome.INCONCLUSIVE, "may still be chance"),
        (FAILED, 2600.0, 200, {"false_alarm_percent": 0.0001}, Outcome.PASS, "2600 to 1, 25000000 to 1 are needed"),
        (PASSED, 1.0, 200, {"false_alarm_percent": 0.5}, Outcome.PASS, "no new kind"),
        (PASSED, 1.0, 200, {"minimum_requests": 500}, Outcome.INCONCLUSIVE, "token 200 of 500"),
        (FEW, 1.0, 20, {"minimum_requests": 10}, Outcome.PASS, "1 to 1, 2500 to 1 are needed"),
        (DOUBTFUL, 60.0, 200, {"false_alarm_percent": 0.01}, Outcome.PASS, "60 to 1"),
    ],
)
def test_the_recorded_log_evidence_is_compared_with_other_odds(verdict, odds, requests, changes, outcome, words):
    _, found = RunningReplay().judge(logs(verdict, odds, requests), other(**changes), "here")
    assert found.outcome is outcome
    assert words in found.reason


def test_log_evidence_without_odds_is_taken_as_recorded():
    bare = replace(logs(PASSED, 1.0), figures={})
    assert RunningReplay().judge(bare, other(false_alarm_percent=0.5), "here")[1] == PASSED


class BadMinutes(FakeVersionMetrics):
    """Stable has failed in one minute of the hour before, and is idle since."""

    def _series(self, query, window):
        series = super()._series(query, window)
        if query.dimensions.get("version") == "1" and window.length <= seconds(600):
            return {}
        if query.name == "ServerErrors" and window.length > seconds(600):
            return {at: (18.0 if number == 7 else 0.0) for number, at in enumerate(series)}
        return series


def test_a_limit_from_the_minutes_before_the_deployment_is_used_as_it_was_recorded():
    recorder = Recorder(metrics=BadMinutes())
    recorder.deploy()
    entries = recorder.ledger.read_decisions("d-1")
    (one,) = [one for one in entries[1].evidence if one.probe == "metrics"]
    assert one.figures["rates"]["token/server_errors"]["null"][0] == "limit"
    _, verdict = RunningReplay().judge(one, SAME, "here")
    assert verdict == one.verdict
    changed = other(max_error_percent=4.0)
    assert RunningReplay().judge(one, changed, "here")[1].outcome is one.verdict.outcome
    with pytest.raises(Refused, match="without the minutes before the deployment"):
        RunningReplay().judge(one, other(tolerated_increase_percent=2.0), "here")


def test_lines_that_an_evaluation_has_fixed_itself_judge_none_of_its_requests():
    recorder = Recorder(metrics=IdleBefore(latency_ms={CANARY: 900.0}))
    recorder.deploy()
    evaluated = [entry for entry in recorder.ledger.read_decisions("d-1") if entry.state == "AnalyzeCanary"]
    running, fresh = RunningReplay(), []
    for entry in evaluated:
        (one,) = [one for one in entry.evidence if one.probe == "performance"]
        fresh.append(one.figures["functions"]["token"]["fresh"])
        running, verdict = running.judge(one, SAME, "here")
        assert verdict == one.verdict
    assert fresh[0] is True
    assert fresh[-1] is False


def test_a_window_without_a_length_has_no_verdict_on_its_counts():
    recorder = Recorder()
    recorder.deploy(stop_after=1)
    (one,) = [one for one in recorder.ledger.read_decisions("d-1")[-1].evidence if one.probe == "metrics"]
    empty = replace(one, window=Window(one.window.start, one.window.start))
    _, verdict = RunningReplay().judge(empty, SAME, "here")
    assert verdict == Verdict.inconclusive("no metrics have arrived yet since 2026-11-23T03:00:05+00:00")


class IdleBefore(FakeVersionMetrics):
    """There was no traffic before the deployment."""

    def _series(self, query, window):
        return {} if window.length > seconds(600) else super()._series(query, window)
