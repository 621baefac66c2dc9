"""The running tests of the probes are carried from task to task, and what was not proved is in the decision's reason."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.verdict import Evidence, Verdict, Window
from orchestrator.probes import analysis_run
from orchestrator.probes.analysis_run import AnalysisRun
from orchestrator.tasks.deployment import analyze_canary, verify_after_promotion, verify_before_traffic
from orchestrator.tasks.runtime import TaskInput
from tests.samples import NOW, cut_over, deployment, plan, seconds

NOTE = "not proved: token:2 unknown code: returned 500 in 1 of 41, stable 0 of 41"
HEALTH, FLOWS = {"checks": {"episodes": 1, "bets": [0.5, 0.5]}}, {"checks": {"episodes": 2, "bets": [0.5, 0.5]}}


class Ledger:
    """The ledger of one deployment."""

    def __init__(self, record):
        self.record, self.entries = record, []

    def read_record(self, _):
        return self.record

    def check_lock(self, _):
        pass

    def pending_command(self, _):
        return None

    def append_decision(self, entry, record, _token):
        self.record = record
        self.entries.append(entry)
        return entry


def run(task, record, now=NOW, cursor=None):
    cloud = SimpleNamespace(
        ledger=Ledger(record), now=lambda: now, probe_clients=SimpleNamespace(), announce=lambda *_, **__: None
    )
    state = {"fencing_token": 1, "decision": cursor or {"step": 0, "evaluation": 0}}
    task_input = TaskInput(execution="e", state_name="S", entered="now", state=state, deployment=record.id)
    return task(task_input, cloud), cloud.ledger


def analysis(verdict, prior, probe="health", tests=HEALTH, notes=()):
    evidence = Evidence(probe, verdict, {}, Window(NOW, NOW), "the test", 1)
    return AnalysisRun(verdict, (evidence,), {**prior, probe: tests}, (), notes)


@pytest.mark.parametrize("cutover", [None, cut_over()], ids=["release", "cutover"])
def test_the_tests_of_the_verification_before_traffic_are_stored(monkeypatch, cutover):
    passed = Verdict.passed("health passed")
    monkeypatch.setattr(
        analysis_run, "verify_before_traffic", lambda context, _: analysis(passed, context.prior, notes=(NOTE,))
    )
    output, ledger = run(verify_before_traffic.verify_before_traffic, deployment(cutover=cutover))
    assert output.decision.action is (Action.CUT_OVER if cutover else Action.ADVANCE)
    assert output.decision.reason == f"verified before traffic; {NOTE}"
    assert ledger.record.running == {"health": HEALTH}
    assert ledger.record.phase is DeploymentPhase.PUBLISHED


def test_what_was_not_proved_is_said_once_where_it_is_the_reason_itself(monkeypatch):
    broken = Verdict.inconclusive(NOTE)
    monkeypatch.setattr(
        analysis_run, "verify_before_traffic", lambda context, _: analysis(broken, context.prior, notes=(NOTE, "other"))
    )
    output, _ = run(verify_before_traffic.verify_before_traffic, deployment())
    assert output.decision.reason == f"before traffic: {NOTE}; other"


def test_nothing_that_was_not_proved_changes_the_reason_of_a_rejection(monkeypatch):
    failed = Verdict.failed("token:2 unknown code: returned 500 in 120 of 120")
    monkeypatch.setattr(analysis_run, "verify_before_traffic", lambda context, _: analysis(failed, context.prior))
    output, _ = run(verify_before_traffic.verify_before_traffic, deployment())
    assert output.decision.action is Action.ROLL_BACK
    assert output.decision.reason == "before traffic: token:2 unknown code: returned 500 in 120 of 120"


def test_an_evaluation_continues_the_tests_of_the_verification_before_traffic(monkeypatch):
    seen = []

    def analyze(context, _):
        seen.append(context.prior)
        return analysis(Verdict.passed("all passed"), context.prior)

    monkeypatch.setattr(analysis_run, "analyze_canary", analyze)
    record = deployment(shifts=(Shift(0, 10, NOW),), running={"flows": FLOWS})
    _, ledger = run(analyze_canary.analyze_canary, record, NOW + seconds(10))
    assert seen == [{"flows": FLOWS}]
    assert ledger.record.running == {"flows": FLOWS, "health": HEALTH}


@pytest.mark.parametrize("after", [False, True], ids=["during", "after"])
def test_synthetic_flows_continue_the_tests_and_their_tests_are_kept(monkeypatch, after):
    few = Verdict.inconclusive("too few requests")
    monkeypatch.setattr(analysis_run, "analyze_canary", lambda context, _: analysis(few, context.prior))
    seen = []

    def run_flows(context, _):
        seen.append(context.prior)
        return analysis(Verdict.passed("flows passed"), context.prior, "flows", FLOWS)

    monkeypatch.setattr(analysis_run, "run_flows", run_flows)
    planned = plan(when_inconclusive="SYNTHETIC")
    record = deployment(plan=planned, shifts=(Shift(0, 10, NOW),), running={"metrics": {}})
    task = verify_after_promotion.verify_after_promotion if after else analyze_canary.analyze_canary
    now = NOW + planned.limits.max_bake + timedelta(seconds=1)
    output, ledger = run(task, record, now, {"step": 0, "evaluation": 99})
    assert output.decision.action is (Action.FINISH if after else Action.ADVANCE)
    assert seen == [{"metrics": {}, "health": HEALTH}]
    assert ledger.record.running == {"metrics": {}, "health": HEALTH, "flows": FLOWS}
