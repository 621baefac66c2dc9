"""Gates of a strategy, through the real definition: each kind, its deadline, and faults while a deployment waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.domain.deployment.decision import OperatorAction
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.hooks import Hook, HookAnswer, HookCall
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase, OperatorCommand
from orchestrator.domain.errors import Throttled
from orchestrator.domain.verdict import Outcome
from tests.workflow.cases import create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import HOOK, Scenario, World, function_arns, inhabited, raised, straight

STEPS = [{"weight_percent": 10, "bake_seconds": 10}, {"weight_percent": 50, "bake_seconds": 10}]
PAUSE = {"type": "pause", "deadline_seconds": 600}
APPROVE = {"type": "approve", "approvers": ["ben", "cleo", "ann"], "quorum": 2, "deadline_seconds": 600}


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


class GatedWorld(World):
    """An environment whose operators answer each wait by the next of `answers`: a list of (command, by)."""

    def __init__(self, interpreter: Any, name: str, *answers: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(interpreter, name, more.get("scenario", Scenario()), more.get("bridge", straight))
        self.answers = list(answers)

    def _answer_hold(self, invocation: Any) -> None:
        if not invocation.payload.get("token") or not self.answers:
            return
        deployment = self.deployment
        assert deployment.phase is DeploymentPhase.PAUSED
        for request, by in self.answers.pop(0):
            if request == OperatorAction.APPROVE:
                self.cloud.ledger.record_approval(
                    self.name, deployment.waiting_gate.gate, Approval(by, self.clock.now())
                )
        command = OperatorCommand(request, by, self.clock.now())
        self.cloud.executions.send_task_success(invocation.payload["token"], command)

    def deploy_through(self, *entries: Any, requested_by: str = "ann", **more: str) -> Any:
        with inhabited(self):
            self.deploy(strategy={"type": "canary", "steps": list(entries)}, requested_by=requested_by, **more)
            self.settle()
            self.check()
        return self.deployment

    @property
    def path(self) -> tuple[str, ...]:
        return self.ended[self.execution].path


def test_a_pause_is_resumed_before_traffic_between_steps_and_before_the_promotion(interpreter):
    world = GatedWorld(interpreter, "gate-1", *[[("resume", "cleo")]] * 3)
    ended = world.deploy_through(PAUSE, STEPS[0], PAUSE, STEPS[1], PAUSE)
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert world.path.count("Pause") == world.path.count("Resume") == 3
    assert [record.by for record in ended.gates] == ["cleo"] * 3
    assert world.path.index("Pause") < world.path.index("ShiftTraffic")


def test_a_gate_that_is_not_passed_by_its_deadline_rolls_back_and_does_not_bar_the_release(interpreter):
    world = GatedWorld(interpreter, "gate-2")
    ended = world.deploy_through(STEPS[0], PAUSE)
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert ended.reason.startswith("no operator answered the pause until ")
    assert ended.rollback.trigger.source == "gate"
    assert world.cloud.ledger.rolled_back_by(ended.release.digest) == ""


def test_a_canary_that_fails_is_rolled_back_before_any_gate_is_reached(interpreter):
    world = GatedWorld(interpreter, "gate-3", scenario=Scenario({10: Outcome.FAIL}))
    ended = world.deploy_through(STEPS[0], PAUSE)
    assert (ended.outcome, ended.gates, "Pause" in world.path) == (DeploymentOutcome.ROLLED_BACK, (), False)
    assert world.cloud.ledger.rolled_back_by(ended.release.digest) == "gate-3"


def test_an_approval_of_its_quorum_lets_the_deployment_continue_at_once(interpreter):
    world = GatedWorld(interpreter, "gate-4", [("approve", "ann"), ("approve", "ben")])
    ended = world.deploy_through(STEPS[0], APPROVE, STEPS[1])
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert (ended.gates[0].by, world.path.count("Pause")) == ("ann, ben", 1)
    reasons = [entry.decision.reason for entry in world.cloud.ledger.read_decisions("gate-4")]
    assert "approve approved by ann, ben" in reasons
    (_, text) = next((subject, text) for _, subject, text in published(world) if "paused" in subject)
    assert "orchestrator approve|abort gate-4 --env test" in text


def test_a_requester_under_another_name_is_not_the_only_approver(interpreter):
    credentials = "arn:aws:sts::123456789012:assumed-role/deploy/Ben@example.com"
    world = GatedWorld(interpreter, "gate-4b", [("approve", "ben")], [("approve", "cleo")])
    ended = world.deploy_through(STEPS[0], {**APPROVE, "quorum": 1}, requested_as=credentials)
    assert (ended.outcome, ended.requested_as) == (DeploymentOutcome.SUCCEEDED, credentials)
    assert (ended.gates[0].by, world.path.count("Pause")) == ("ben, cleo", 2)


def published(world: World) -> list[tuple[str, str, str]]:
    return [tuple(message) for message in world.topics.published]


@pytest.mark.parametrize(
    "answer",
    [
        [("resume", "cleo")],
        [("promote", "cleo")],
        [("approve", "ben")],
        [("approve", "ben"), ("approve", "ben")],
        [("approve", "mallory"), ("approve", "ben")],
    ],
    ids=["resume", "promote", "one of two", "twice the same", "a stranger"],
)
def test_no_other_answer_passes_an_approval_and_the_wait_continues_until_the_same_deadline(interpreter, answer):
    name = f"gate-5-{len(answer)}-{answer[0][0]}-{answer[0][1]}"
    world = GatedWorld(interpreter, name, answer, [("approve", "ben"), ("approve", "ann")])
    ended = world.deploy_through(STEPS[0], APPROVE)
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert (world.path.count("Pause"), len(ended.gates)) == (2, 1)
    assert ended.promoted_by == ""


def test_an_operators_promotion_at_a_pause_still_meets_the_approval(interpreter):
    answers = [("promote", "cleo")], [("approve", "ben"), ("approve", "ann")]
    world = GatedWorld(interpreter, "gate-6", *answers)
    ended = world.deploy_through(STEPS[0], PAUSE, STEPS[1], APPROVE)
    assert (ended.outcome, ended.promoted_by) == (DeploymentOutcome.SUCCEEDED, "cleo")
    assert [shift.weight_percent for shift in ended.shifts] == [10, 100]
    assert [ended.plan.gates[record.gate].name for record in ended.gates] == ["pause", "approve"]


def test_an_abort_at_a_gate_rolls_back(interpreter):
    world = GatedWorld(interpreter, "gate-7", [("abort", "cleo")])
    ended = world.deploy_through(STEPS[0], APPROVE)
    assert (ended.outcome, ended.reason) == (DeploymentOutcome.ROLLED_BACK, "abort by cleo")


def test_a_window_is_waited_for_and_an_open_one_is_passed_without_a_wait(interpreter):
    world = GatedWorld(interpreter, "gate-8")
    opens = (world.clock.now().hour + 2) % 24
    window = {"type": "window", "windows": [f"Mon-Sun {opens:02}:00-{opens:02}:59"], "deadline_seconds": 86_400}
    begun = world.clock.now()
    ended = world.deploy_through(window, STEPS[0], window)
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert world.path.count("WaitForWindow") == 1
    assert ended.shifts[0].at.hour == opens
    assert (ended.shifts[0].at - begun).total_seconds() > 3600


def test_a_lost_answer_after_a_window_is_repeated(interpreter):
    lost = []

    def bridge(invocation: Any, run: Any) -> Any:
        answer = run()
        if invocation.state == "Resume" and not lost:
            lost.append(answer)
            return raised("Throttled", "later")
        return answer

    world = GatedWorld(interpreter, "gate-12", bridge=bridge)
    opens = (world.clock.now().hour + 2) % 24
    window = {"type": "window", "windows": [f"Mon-Sun {opens:02}:00-{opens:02}:59"], "deadline_seconds": 86_400}
    ended = world.deploy_through(STEPS[0], window)
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert lost


def test_a_window_that_opens_after_its_deadline_rolls_back_at_once(interpreter):
    world = GatedWorld(interpreter, "gate-9")
    opens = (world.clock.now().hour + 2) % 24
    window = {"type": "window", "windows": [f"Mon-Sun {opens:02}:00-{opens:02}:59"], "deadline_seconds": 60}
    ended = world.deploy_through(STEPS[0], window)
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert "after its deadline" in ended.reason
    assert "WaitForWindow" not in world.path


@pytest.mark.parametrize("state", ["Pause", "Resume"])
@pytest.mark.parametrize("fault", ["throttled once", "lost answer", "raises"])
def test_a_fault_at_a_gate_is_repeated_or_rolled_back_and_never_passes_it(interpreter, state, fault):
    name = f"gate-10-{state.lower()}-{fault.replace(' ', '-')}"
    broken = []

    def bridge(invocation: Any, run: Any) -> Any:
        if invocation.state != state or invocation.machine != "deployment" or (broken and fault != "raises"):
            return run()
        broken.append(invocation)
        if fault == "lost answer":
            run()
        return raised("Throttled" if fault != "raises" else "KeyError", "later")

    answers = [[("approve", "ben"), ("approve", "ann")]] * 2
    world = GatedWorld(interpreter, name, *answers, bridge=bridge)
    ended = world.deploy_through(STEPS[0], APPROVE)
    assert broken
    if fault == "raises":
        assert ended.outcome is DeploymentOutcome.ROLLED_BACK
        assert [shift.weight_percent for shift in ended.shifts] == [10]
    else:
        assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
        assert [record.by for record in ended.gates] == ["ann, ben"]


def test_an_alarm_rolls_back_a_deployment_that_waits_at_a_gate(interpreter):
    world = GatedWorld(interpreter, "gate-11")

    def bridge(invocation: Any, run: Any) -> Any:
        answer = run()
        if invocation.state == "Pause" and invocation.machine == "deployment":
            world.stop(invocation.execution)
        return answer

    world.bridge = bridge
    ended = world.deploy_through(STEPS[0], PAUSE)
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert json.loads(json.dumps(ended.rollback.trigger.source)) == "execution"


# --- hooks -----------------------------------------------------------------------------------------------------

EVERY_PHASE = {**HOOK, "phases": ["before_traffic", "after_each_step", "after_promotion"]}
PLACES = ["before_traffic", "after_step", "after_step", "after_promotion"]


class Receiver:
    """Answers the questions of a deployment; `answers` by number of the question, PASS otherwise."""

    def __init__(self, **answers: HookAnswer) -> None:
        self.answers, self.questions = answers, []

    def call_hook(self, _hook: Hook, call: HookCall, question: Any) -> HookAnswer:
        self.questions.append((question["phase"], question["weight_percent"], call.answer_token))
        passed = HookAnswer(passed=True, judged=True, reason="fine")
        return self.answers.get(f"question_{len(self.questions)}", passed)


def hooked(interpreter: Any, name: str, receiver: Receiver, bridge: Any = straight) -> GatedWorld:
    """An environment whose deployments all call one hook in each phase."""
    world = GatedWorld(interpreter, name, bridge=bridge)
    policy = json.loads(world.cloud.settings["DELIVERY_POLICY"])
    world.cloud.settings["DELIVERY_POLICY"] = json.dumps({**policy, "hooks": [EVERY_PHASE]})
    vars(world.cloud)["hooks"] = receiver
    return world


def test_a_hook_is_called_before_traffic_after_each_step_and_after_the_promotion(interpreter):
    receiver = Receiver()
    world = hooked(interpreter, "hook-1", receiver)
    ended = world.deploy_through(*STEPS)
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert [(phase, weight) for phase, weight, _ in receiver.questions] == list(
        zip(PLACES, [0, 10, 50, 100], strict=True)
    )
    assert len({token for _, _, token in receiver.questions}) == 4
    assert world.path[-1] == "Succeeded"


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("judged", [True, False], ids=["FAIL", "no answer"])
def test_a_hook_that_does_not_pass_rolls_back_in_every_phase_and_only_a_fail_bars_the_release(
    interpreter, number, judged
):
    answer = HookAnswer(passed=False, judged=judged, reason="because")
    name = f"hook-2-{number}-{judged}"
    world = hooked(interpreter, name, Receiver(**{f"question_{number}": answer}))
    ended = world.deploy_through(*STEPS)
    verb = "failed" if judged else "did not answer"
    assert (ended.outcome, ended.reason) == (DeploymentOutcome.ROLLED_BACK, f"hook load-test {verb}: because")
    assert ended.rollback.trigger.source == ("verdict" if judged else "gate")
    assert world.cloud.ledger.rolled_back_by(ended.release.digest) == (name if judged else "")
    assert len(ended.shifts) == number - 1


@pytest.mark.parametrize("fault", ["throttled once", "lost answer", "raises"])
def test_a_fault_at_a_hook_asks_the_same_question_again_or_rolls_back(interpreter, fault):
    receiver, broken = Receiver(), []

    def bridge(invocation: Any, run: Any) -> Any:
        if invocation.state != "CallHook" or (broken and fault != "raises"):
            return run()
        broken.append(invocation)
        if fault == "lost answer":
            run()
        return raised("Throttled" if fault != "raises" else "KeyError", "later")

    world = hooked(interpreter, f"hook-3-{fault.replace(' ', '-')}", receiver, bridge)
    ended = world.deploy_through(*STEPS)
    if fault == "raises":
        assert (ended.outcome, receiver.questions) == (DeploymentOutcome.ROLLED_BACK, [])
    else:
        assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
        assert len({token for _, _, token in receiver.questions}) == 4


def test_a_task_that_is_repeated_after_its_question_asks_with_the_same_token(interpreter):
    class Dying(Receiver):
        def call_hook(self, hook: Hook, call: HookCall, question: Any) -> HookAnswer:
            answer = super().call_hook(hook, call, question)
            if len(self.questions) == 1:
                raise Throttled("the function died before it recorded the answer")
            return answer

    receiver = Dying()
    world = hooked(interpreter, "hook-4", receiver)
    ended = world.deploy_through(STEPS[0])
    assert ended.outcome is DeploymentOutcome.SUCCEEDED, ended.reason
    assert receiver.questions[0] == receiver.questions[1]
    assert receiver.questions[1][2] != receiver.questions[2][2]
