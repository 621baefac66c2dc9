"""Replay: the same evidence gives the same decisions, and other settings give what they would have decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.policy import Thresholds, WhenInconclusive
from orchestrator.domain.deployment.record import DecisionBasis, Shift
from orchestrator.domain.errors import Refused
from orchestrator.domain.replay.deployment_replay import Result, replay_deployment
from orchestrator.domain.verdict import Evidence, Outcome, Verdict, Window
from tests.fakes.two_versions import CANARY, STABLE
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.recorded import Recorder, bad_release
from tests.samples import NOW, cut_over, delivery_table, plan, policy


def replayed(recorder: Recorder, name: str = "d-1", **thresholds):
    """The replay of a deployment with other thresholds; `max_bake` and `when_inconclusive` are limits."""
    record = recorder.ledger.read_record(name)
    limits = record.plan.limits
    direct = {key: thresholds.pop(key) for key in ("max_bake", "when_inconclusive") if key in thresholds}
    changed = replace(limits, thresholds=replace(limits.thresholds, **thresholds), **direct)
    return replay_deployment(record, recorder.ledger.read_decisions(name), changed)


@pytest.fixture(scope="module")
def bad():
    recorder = bad_release()
    recorder.deploy()
    return recorder


@pytest.fixture(scope="module")
def healthy():
    recorder = Recorder()
    recorder.deploy()
    return recorder


def gates_plan():
    steps = [
        {"type": "window", "name": "working-days", "windows": ["Mon-Sun 04:00-23:00"], "deadline_seconds": 86_400},
        {"weight_percent": 10, "bake_seconds": 30},
        {"weight_percent": 50, "bake_seconds": 20},
    ]
    return plan({"type": "canary", "steps": steps})


RELEASES = {
    "bad": bad_release,
    "healthy": Recorder,
    "bad after the promotion": lambda: bad_release(worse_after=6),
    "bad from the start": lambda: bad_release(worse_after=0),
    "slow": lambda: Recorder(metrics=FakeVersionMetrics(latency_ms={CANARY: 400.0})),
    "refuses grants": lambda: Recorder(metrics=FakeVersionMetrics(refused={CANARY: 0.9})),
    "both fail": lambda: Recorder(metrics=FakeVersionMetrics(errors={CANARY: 0.1, STABLE: 0.1})),
    "thin traffic": lambda: Recorder(metrics=FakeVersionMetrics(requests=1)),
    "no traffic": lambda: Recorder(metrics=FakeVersionMetrics(requests=0)),
}


@pytest.mark.parametrize("title", RELEASES)
def test_a_recorded_deployment_replays_to_the_same_decisions_bit_for_bit(title):
    recorder = RELEASES[title]()
    recorder.deploy()
    found = replayed(recorder)
    evaluated = [entry for entry in recorder.ledger.read_decisions("d-1") if entry.evidence]
    assert found.result is Result.SAME
    assert len(found.decisions) == len(evaluated) >= 2
    assert [(one.replayed, one.verdict) for one in found.decisions] == [
        (entry.decision, entry.verdict) for entry in evaluated
    ]
    assert all(one.same for one in found.decisions)


def test_the_kinds_of_log_errors_replay_too():
    recorder = Recorder()
    recorder.logs.every_seconds = 2
    record = recorder.deploy()
    assert "new kind of error" in record.reason
    assert all(one.same for one in replayed(recorder).decisions)


@pytest.mark.parametrize("request_", ["abort", "promote"])
def test_an_operator_s_command_replays(request_):
    recorder = Recorder()
    recorder.deploy(stop_after=1)
    recorder.command("d-1", request_)
    recorder.scene.clock.advance(10)
    record = recorder.ledger.read_record("d-1")
    decision = recorder.ledger.read_decisions("d-1")[-1].decision
    later = recorder._run(_analyze(), "AnalyzeCanary", record.id, {"step": 0, "evaluation": decision.evaluation})
    assert later.action is {"abort": Action.ROLL_BACK, "promote": Action.PROMOTE}[request_]
    found = replayed(recorder)
    assert found.decisions[-1].recorded == later
    assert all(one.same for one in found.decisions)


def _analyze():
    from orchestrator.tasks.deployment.analyze_canary import analyze_canary

    return analyze_canary


def test_flows_that_decide_for_lack_of_traffic_replay():
    recorder = Recorder()
    recorder.deploy(plan=thin_plan("SYNTHETIC"))
    entries = recorder.ledger.read_decisions("d-1")
    assert any(entry.state == "AnalyzeCanary" and entry.evidence[-1].probe == "flows" for entry in entries)
    assert all(one.same for one in replayed(recorder).decisions)


def test_a_gate_s_wait_replays():
    recorder = Recorder()
    recorder.deploy(plan=gates_plan())
    (entry,) = recorder.ledger.read_decisions("d-1")
    assert entry.decision.action is Action.WAIT_FOR_WINDOW
    assert replayed(recorder).decisions[0].same


# --- other settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thresholds", "result"),
    [
        ({}, Result.SAME),
        ({"max_error_percent": 1.0, "tolerated_increase_percent": 0.0, "false_alarm_percent": 99.0}, Result.EARLIER),
        ({"tolerated_increase_percent": 9.0}, Result.LATER),
        ({"tolerated_increase_percent": 40.0, "max_error_percent": 50.0}, Result.MISSED),
    ],
)
def test_other_thresholds_show_what_they_would_have_decided(bad, thresholds, result):
    found = replayed(bad, **thresholds)
    assert found.result is result
    assert bool(found.reason) is (result is not Result.SAME)
    minutes = {Result.EARLIER: -10.5 / 60, Result.LATER: 10 / 60}
    assert found.minutes == (pytest.approx(minutes[result]) if result in minutes else None)


def test_a_rollback_without_a_proof_may_be_none_by_other_settings():
    recorder = Recorder()
    record = recorder.deploy(plan=thin_plan())
    assert record.reason.startswith("no evidence within the longest bake")
    found = replayed(recorder, minimum_requests=1)
    assert found.decisions[-1].replayed.action is Action.ADVANCE
    assert found.result is Result.DIFFERENT, "it would have gone on at the end of its first bake"


def test_a_promoted_release_may_be_rolled_back_by_other_settings():
    recorder = Recorder(metrics=FakeVersionMetrics(errors={CANARY: 0.05}))
    record = recorder.deploy(plan=plan(thresholds=_lax(policy().limits.thresholds)))
    assert record.outcome == "SUCCEEDED"
    found = replayed(recorder, tolerated_increase_percent=0.0, max_error_percent=1.0)
    assert (found.result, found.minutes) == (Result.ROLLED_BACK, None)


def thin_plan(when_inconclusive="ROLL_BACK"):
    """A plan that needs more requests than there are."""
    table = {**delivery_table()["thresholds"], "minimum_requests": 100_000}
    return plan(thresholds=table, when_inconclusive=when_inconclusive)


def _lax(thresholds: Thresholds):
    table = delivery_table()["thresholds"]
    return {**table, "tolerated_increase_percent": 50.0, "max_error_percent": 50.0}


def test_more_requests_than_there_were_extend_the_bake(healthy):
    found = replayed(healthy, minimum_requests=10_000)
    assert (found.result, found.minutes) == (Result.LATER, pytest.approx(10 / 60))
    assert "of 10000" in found.reason


def test_another_answer_to_missing_evidence_is_another_decision():
    recorder = Recorder()
    recorder.deploy(plan=thin_plan())
    found = replayed(recorder, when_inconclusive=WhenInconclusive.PAUSE)
    assert found.decisions[-1].replayed.action is Action.PAUSE
    assert found.result is Result.NOT_ROLLED_BACK


# --- what the record lacks -------------------------------------------------------------------------------


def refusal(bad, change, **thresholds) -> str:
    record, entries = bad.ledger.read_record("d-1"), bad.ledger.read_decisions("d-1")
    record, entries = change(record, entries)
    limits = record.plan.limits
    with pytest.raises(Refused) as refused:
        replay_deployment(record, entries, replace(limits, thresholds=replace(limits.thresholds, **thresholds)))
    return str(refused.value)


def without(probe: str, key: str):
    def change(record, entries):
        def stripped(one: Evidence) -> Evidence:
            figures = {name: value for name, value in one.figures.items() if name != key}
            return replace(one, figures=figures) if one.probe == probe else one

        return record, [replace(entry, evidence=tuple(map(stripped, entry.evidence))) for entry in entries]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("metrics", "rates"), "decision 2 of d-1: 'metrics without rates' is refused"),
        (without("performance", "rates"), "decision 2 of d-1: 'performance without rates' is refused"),
        (without("metrics", "functions"), "decision 2 of d-1: 'metrics in another form' is refused"),
        (
            lambda record, entries: (record, [replace(entry, basis=None) for entry in entries]),
            "decision 1 of d-1: 'no time of the evaluation' is refused",
        ),
        (
            lambda record, entries: (replace(record, shifts=()), entries),
            "decision 2 of d-1: 'no shift of its step' is refused",
        ),
        (lambda record, entries: (record, []), "it has no evidence to replay"),
        (lambda record, entries: (replace(record, cutover=cut_over()), entries), "name a release: a cutover"),
    ],
)
def test_a_record_that_lacks_an_input_is_refused_by_name(bad, change, words):
    assert words in refusal(bad, change)


def test_flows_that_other_settings_would_have_run_are_not_guessed():
    recorder = Recorder()
    recorder.deploy(plan=thin_plan())
    with pytest.raises(Refused, match="no synthetic flows"):
        replayed(recorder, when_inconclusive=WhenInconclusive.SYNTHETIC, max_bake=timedelta(seconds=1))


def test_flows_that_other_settings_would_have_run_after_the_promotion_are_not_guessed():
    recorder = Recorder(metrics=FakeVersionMetrics(requests=0))
    recorder.deploy(plan=plan("all-at-once"))
    with pytest.raises(Refused, match="no synthetic flows"):
        replayed(recorder, when_inconclusive=WhenInconclusive.SYNTHETIC, max_bake=timedelta(seconds=1))


def test_a_rejection_before_traffic_replays(bad):
    record, entries = bad.ledger.read_record("d-1"), bad.ledger.read_decisions("d-1")
    failed = Verdict.failed("token:2 wrong")
    first = entries[0]
    evidence = Evidence("health", failed, {}, Window(NOW, NOW), "x", 1)
    decision = replace(first.decision, action=Action.ROLL_BACK, wait_seconds=0, reason="before traffic: token:2 wrong")
    rejected = replace(first, verdict=failed, decision=decision, evidence=(evidence,), basis=DecisionBasis(first.at))
    found = replay_deployment(replace(record, rollback=None), [rejected], record.plan.limits)
    assert found.decisions[0].same
    # What today's rules would say differently is shown.
    other = replace(rejected, decision=replace(decision, reason="another reason"))
    found = replay_deployment(record, [other], record.plan.limits)
    assert not found.decisions[0].same
    assert found.decisions[0].same_action
    assert found.decisions[0].recorded_verdict.outcome is Outcome.FAIL


def test_decisions_of_other_states_are_steps_of_the_cursor_and_not_replayed(bad):
    record, entries = bad.ledger.read_record("d-1"), bad.ledger.read_decisions("d-1")
    ready = replace(entries[0], state="CheckReadiness", evidence=(), verdict=None, basis=None)
    found = replay_deployment(record, [ready, *entries], record.plan.limits)
    assert (found.result, len(found.decisions)) == (Result.SAME, len(entries))


def test_a_shift_to_the_same_step_again_keeps_its_first_time(bad):
    record = bad.ledger.read_record("d-1")
    again = replace(record, shifts=(*record.shifts, Shift(1, 50, record.shifts[-1].at + timedelta(seconds=3))))
    found = replay_deployment(again, bad.ledger.read_decisions("d-1"), record.plan.limits)
    assert found.result is Result.SAME
