"""Hooks as settings, where they stand in a plan, and what counts as their answer."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from orchestrator.domain.deployment.decision import Action, Decision, first_decision
from orchestrator.domain.deployment.gate_decisions import answer_hook, hook_of, pass_gates, question
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.hooks import MAX_HOOKS, HookAnswer, HookCall, read_answer
from orchestrator.domain.deployment.known_good import shorten
from orchestrator.domain.deployment.record import Deployment, KnownGood, Shift
from orchestrator.domain.errors import Refused
from orchestrator.domain.texts import SHOWN_CHARACTERS
from tests.samples import NOW, deployment, plan, policy, seconds

SECRET = "arn:aws:secretsmanager:us-west-1:123456789012:secret:hooks/load-AbCdEf"
WEBHOOK = {
    "name": "load-test",
    "kind": "webhook",
    "phases": ["before_traffic", "after_promotion"],
    "timeout_seconds": 10,
    "url": "https://ci.example.com/hooks/load",
    "secret": SECRET,
}
FUNCTION = {
    "name": "ledger-check",
    "kind": "lambda",
    "phases": ["after_each_step"],
    "timeout_seconds": 5,
    "function": "arn:aws:lambda:us-west-1:123456789012:function:ledger-check:live",
}
STEPS = [{"weight_percent": 10, "bake_seconds": 20}, {"weight_percent": 50, "bake_seconds": 20}]
APPROVE = {"type": "approve", "approvers": ["ben"], "deadline_seconds": 600}
CALL = HookCall("a" * 64)
PASSED = HookAnswer(passed=True, judged=True, reason="240 requests, none failed")
FAILED = HookAnswer(passed=False, judged=True, reason="12 of 240 requests failed")
SILENT = HookAnswer(passed=False, judged=False, reason="ci.example.com: timed out, in 3 attempts")


def planned(*hooks: dict[str, Any], steps: list[Any] | None = None, **changes: Any) -> Deployment:
    found = plan({"type": "canary", "steps": STEPS if steps is None else steps}, hooks=list(hooks))
    return deployment(plan=found, **changes)


@pytest.mark.parametrize(
    ("hook", "field"),
    [
        (WEBHOOK | {"name": "Load"}, "name"),
        (WEBHOOK | {"kind": "email"}, "kind"),
        (WEBHOOK | {"phases": "before_traffic"}, "phases"),
        (WEBHOOK | {"phases": ["during"]}, "phases"),
        (WEBHOOK | {"phases": ["before_traffic"] * 2}, "phases"),
        (WEBHOOK | {"timeout_seconds": 16}, "timeout_seconds"),
        (WEBHOOK | {"url": "http://ci.example.com/"}, "url"),
        (WEBHOOK | {"secret": "s3cret"}, "secret"),
        (WEBHOOK | {"function": FUNCTION["function"]}, "function"),
        (FUNCTION | {"function": "ledger-check"}, "function"),
        (FUNCTION | {"url": WEBHOOK["url"]}, "url"),
    ],
)
def test_a_wrong_hook_is_refused_by_the_field_that_is_wrong(hook, field):
    with pytest.raises(Refused) as refused:
        policy(hooks=[hook])
    assert refused.value.field == f"delivery.hooks[0].{field}"
    assert refused.value.remedy


def test_two_hooks_of_one_name_and_too_many_hooks_are_refused():
    with pytest.raises(Refused, match="a name of its own"):
        policy(hooks=[WEBHOOK, WEBHOOK])
    with pytest.raises(Refused, match=f"at most {MAX_HOOKS}"):
        policy(hooks=[FUNCTION | {"name": f"hook-{number}"} for number in range(MAX_HOOKS + 1)])


def test_every_deployment_calls_a_hook_in_its_phases_and_before_the_other_gates_of_a_place():
    found = planned(WEBHOOK, FUNCTION, steps=[STEPS[0], APPROVE, STEPS[1], APPROVE]).plan.gates
    assert [(gate.name, gate.before_step) for gate in found] == [
        ("load-test", 0), ("ledger-check", 1), ("approve", 1), ("ledger-check", 2), ("approve", 2), ("load-test", 3),
    ]  # fmt: skip
    assert [gate.name for gate in plan("all-at-once", hooks=[WEBHOOK, FUNCTION]).gates] == ["load-test", "load-test"]


def test_a_strategy_names_a_hook_among_its_steps_and_only_one_that_exists():
    named = [STEPS[0], {"type": "hook", "name": "ledger-check"}, STEPS[1]]
    found = planned(FUNCTION | {"phases": []}, steps=named).plan.gates
    assert [(gate.name, gate.before_step, gate.description) for gate in found] == [
        ("ledger-check", 1, "ledger-check: hook")
    ]
    for hooks in ((), (WEBHOOK | {"phases": []},)):
        with pytest.raises(Refused) as refused:
            planned(*hooks, steps=named)
        assert refused.value.field == "strategy.steps[1].name"
    with pytest.raises(Refused) as refused:
        planned(FUNCTION, steps=[STEPS[0], {"type": "hook", "name": "ledger-check", "deadline_seconds": 5}])
    assert refused.value.field == "strategy.steps[1].deadline_seconds"


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({"answer_token": "a" * 64, "verdict": "PASS", "reason": "fine"}, HookAnswer(True, True, "fine")),
        ({"answer_token": "a" * 64, "verdict": "FAIL"}, HookAnswer(False, True, "no reason")),
        ({"answer_token": "a" * 64, "verdict": "FAIL", "reason": " "}, HookAnswer(False, True, "no reason")),
        ({"answer_token": "a" * 64, "verdict": "FAIL", "reason": 5}, HookAnswer(False, True, "no reason")),
        ({"answer_token": "a" * 64, "verdict": "PASS", "reason": "\ud800"}, HookAnswer(True, True, r"\ud800")),
        ({"answer_token": "a" * 64, "verdict": "FAIL", "reason": "\x1b[2J\n"}, HookAnswer(False, True, r"\x1b[2J\n")),
    ],
)
def test_an_answer_with_the_questions_token_and_a_verdict_is_a_judgement(document, answer):
    assert read_answer(document, CALL) == answer


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "PASS",
        {"verdict": "PASS"},
        {"answer_token": "b" * 64, "verdict": "PASS"},
        {"answer_token": 5, "verdict": "PASS"},
        {"answer_token": "ä" * 64, "verdict": "PASS"},
        {"answer_token": "\ud800", "verdict": "PASS", "reason": "\ud800"},
        {"answer_token": "a" * 64, "verdict": "\ud800"},
        {"answer_token": "a" * 64, "verdict": "pass"},
        {"answer_token": "a" * 64, "verdict": True},
        {"answer_token": "a" * 64, "verdict": ["PASS"]},
        {"answer_token": "a" * 64},
    ],
)
def test_every_other_answer_passes_nothing_and_judges_nothing(document):
    answer = read_answer(document, CALL)
    assert (answer.passed, answer.judged) == (False, False)
    assert answer.reason


@pytest.mark.parametrize("verdict", ["PASS", "FAIL"])
def test_a_decision_stands_and_can_be_stored_whatever_its_reason_is(verdict):
    answer = read_answer({"answer_token": "a" * 64, "verdict": verdict, "reason": "\ud800\x00" * 1000}, CALL)
    answered, decision = answer_hook(waiting(), answer, NOW)
    assert (answer.judged, answer.passed, len(answer.reason)) == (True, verdict == "PASS", SHOWN_CHARACTERS)
    assert decision.action is (Action.ADVANCE if answer.passed else Action.ROLL_BACK)
    assert msgspec.json.encode((answered, decision))


def waiting(*, decision: Decision | None = None, **changes: Any) -> Deployment:
    record = planned(WEBHOOK, FUNCTION, **changes)
    held, call = pass_gates(record, decision or first_decision(record.plan), NOW)
    assert (call.action, call.wait_seconds) == (Action.CALL_HOOK, 0)
    return held


def test_a_hook_before_traffic_is_called_before_the_first_shift():
    held = waiting()
    assert (hook_of(held).name, question(held)["phase"], question(held)["weight_percent"]) == (
        "load-test",
        "before_traffic",
        0,
    )
    answered, decision = answer_hook(held, PASSED, NOW)
    assert (decision.action, decision.step) == (Action.ADVANCE, 0)
    assert decision.reason == "hook load-test passed: 240 requests, none failed"
    assert answered.waiting_gate is None


def test_a_hook_after_a_step_is_called_with_what_serves_clients_at_that_moment():
    held = waiting(decision=Decision(Action.ADVANCE, 1, 0, 10, "fine"), shifts=(Shift(0, 10, NOW),))
    sent = question(held)
    assert (sent["hook"], sent["phase"], sent["step"], sent["weight_percent"]) == (
        "ledger-check",
        "after_step",
        1,
        10,
    )
    assert sent["functions"]["token"] == {"stable": "1", "canary": "2"}
    assert (sent["deployment"], sent["environment"], sent["release"]) == ("d-1", "test", "sha256:a")
    assert answer_hook(held, PASSED, NOW)[1].action is Action.ADVANCE


def test_a_hook_after_the_promotion_is_called_before_the_deployment_finishes():
    held = waiting(decision=Decision(Action.FINISH, 1, 0, 0, "fine"), shifts=(Shift(2, 100, NOW),))
    assert question(held)["phase"] == "after_promotion"
    answered, decision = answer_hook(held, PASSED, NOW)
    assert (decision.action, answered.gates[0].by) == (Action.FINISH, "hook: 240 requests, none failed")


@pytest.mark.parametrize(("answer", "verb", "failed"), [(FAILED, "failed", True), (SILENT, "did not answer", False)])
@pytest.mark.parametrize("decision", [None, Decision(Action.FINISH, 1, 0, 0, "fine")])
def test_whatever_is_no_pass_rolls_back_with_the_reason_and_only_a_fail_is_about_the_release(
    answer, verb, failed, decision
):
    answered, following = answer_hook(waiting(decision=decision), answer, NOW)
    assert (following.action, following.reason) == (Action.ROLL_BACK, f"hook load-test {verb}: {answer.reason}")
    assert (answered.waiting_gate.failed, answered.waiting_gate.passed_at) == (failed, None)


def test_an_operators_promotion_calls_the_hook_before_the_promotion_and_not_those_of_the_steps_it_skips():
    record = planned(FUNCTION, promoted_by="cleo")
    held, call = pass_gates(record, Decision(Action.PROMOTE, 0, 0, 0, "promoted"), NOW)
    assert (call.action, held.plan.gates[held.waiting_gate.gate].before_step) == (Action.CALL_HOOK, 2)
    assert answer_hook(held, PASSED, NOW)[1].action is Action.PROMOTE


def test_a_return_to_known_good_versions_calls_the_hooks_before_traffic_and_after_the_promotion():
    shortened = shorten(planned(WEBHOOK, FUNCTION, steps=[STEPS[0], APPROVE]).plan, KnownGood("d-0", {}))
    assert [(gate.name, gate.before_step) for gate in shortened.gates] == [
        ("load-test", 0),
        ("approve", 0),
        ("load-test", 1),
    ]


def test_a_gate_that_follows_a_hook_is_reached_by_its_pass():
    held = waiting(decision=Decision(Action.ADVANCE, 1, 0, 10, "fine"), steps=[STEPS[0], APPROVE, STEPS[1]])
    both, wait = answer_hook(held, PASSED, NOW + seconds(5))
    assert (wait.action, both.gates[1].reached_at) == (Action.PAUSE, NOW + seconds(5))
    assert replace(both.gates[0], passed_at=None, by="") == held.gates[0]
    assert Approval("ben", NOW).by == "ben"
