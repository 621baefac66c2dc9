"""The decisions at the gates of a plan (`orchestrator.domain.deployment.gates`).

Every decision to enter a step or to promote passes through `pass_gates`, which replaces it by a wait while a gate before
that step has not passed. When the wait ends, `answer_gate` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.deployment.calendar import next_opening
from orchestrator.domain.deployment.decision import Action, Decision, OperatorAction, enter_step
from orchestrator.domain.deployment.gates import Approval, Gate, GateKind, GateRecord, missing_approvals
from orchestrator.domain.deployment.hooks import Hook, HookAnswer
from orchestrator.domain.deployment.record import Deployment, OperatorCommand
from orchestrator.domain.verdict import Json


def pass_gates(deployment: Deployment, decision: Decision, now: datetime) -> tuple[Deployment, Decision]:
    """Return a decision, or the wait for the first gate that it has to pass, with the deployment that has reached it.

    Args:
        deployment: with `promoted_by`, if the decision is an operator's promotion.
        decision: any decision; only one that enters a step, promotes or finishes is held.
        now: aware, in UTC.
    """
    promotion = len(deployment.plan.steps)
    steps = {Action.ADVANCE: decision.step, Action.PROMOTE: promotion, Action.FINISH: promotion + 1}
    if not deployment.plan.gates or decision.action not in steps:
        return deployment, decision
    return _enter(deployment, steps[decision.action], decision.reason, now)


def answer_gate(
    deployment: Deployment, command: OperatorCommand | None, approvals: Sequence[Approval], now: datetime
) -> tuple[Deployment, Decision]:
    """Decide when the wait for a gate has ended.

    Args:
        deployment: it waits for a gate, `Deployment.waiting_gate`.
        command: the operator's command that ended the wait; None if a window was waited for.
        approvals: the approvals of the gate in the ledger.
        now: aware, in UTC.
    """
    gate = _waiting_gate(deployment)
    request = OperatorAction(command.request) if command else None
    if command and request is OperatorAction.ABORT:
        return deployment, _decide(Action.ROLL_BACK, gate, f"{request.value} by {command.by}")
    if gate.kind is GateKind.WINDOW:
        return _enter(deployment, gate.before_step, f"{gate.name} waited for", now)
    if gate.kind is GateKind.APPROVE:
        if missing_approvals(gate, approvals, deployment.requested_by, deployment.requested_as):
            return _enter(deployment, gate.before_step, "not approved", now)
        by = ", ".join(dict.fromkeys(approval.by for approval in approvals))
        return _enter(_passed(deployment, by, now), _next_step(deployment, gate), f"{gate.name} approved by {by}", now)
    assert command is not None, "a pause ends with a command"
    promoted_by = command.by if request is OperatorAction.PROMOTE else deployment.promoted_by
    resumed = replace(_passed(deployment, command.by, now), promoted_by=promoted_by)
    verb = "promoted" if request is OperatorAction.PROMOTE else "resumed"
    return _enter(resumed, _next_step(resumed, gate), f"{gate.name} {verb} by {command.by}", now)


def hook_of(deployment: Deployment) -> Hook:
    """Return the hook that a deployment waits for."""
    gate = _waiting_gate(deployment)
    return next(hook for hook in deployment.plan.hooks if hook.name == gate.name)


def question(deployment: Deployment) -> Mapping[str, Json]:
    """Return what a hook is asked about, as JSON."""
    gate, steps = _waiting_gate(deployment), len(deployment.plan.steps)
    phase = "before_traffic" if not gate.before_step else "after_step"
    return {
        "version": 1,
        "environment": deployment.environment,
        "deployment": deployment.id,
        "release": deployment.release.digest,
        "requested_by": deployment.requested_by,
        "hook": gate.name,
        "phase": "after_promotion" if gate.before_step > steps else phase,
        "step": gate.before_step,
        "weight_percent": deployment.shifts[-1].weight_percent if deployment.shifts else 0,
        "functions": {
            function.name: {"stable": function.stable_version, "canary": function.canary_version}
            for function in deployment.functions
        },
    }


def answer_hook(deployment: Deployment, answer: HookAnswer, now: datetime) -> tuple[Deployment, Decision]:
    """Decide by a hook's answer. Whatever is no PASS rolls back."""
    gate = _waiting_gate(deployment)
    if answer.passed:
        reason = f"hook {gate.name} passed: {answer.reason}"
        return _enter(_passed(deployment, f"hook: {answer.reason}", now), gate.before_step, reason, now)
    *earlier, record = deployment.gates
    failed = replace(deployment, gates=(*earlier, replace(record, failed=answer.judged)))
    verb = "failed" if answer.judged else "did not answer"
    return failed, _decide(Action.ROLL_BACK, gate, f"hook {gate.name} {verb}: {answer.reason}")


def answers(deployment: Deployment) -> tuple[OperatorAction, ...]:
    """Return the commands that answer a deployment's pause: of an approval, `promote` and `resume` are none."""
    waiting = deployment.waiting_gate
    if waiting is not None and deployment.plan.gates[waiting.gate].kind is GateKind.APPROVE:
        return OperatorAction.APPROVE, OperatorAction.ABORT
    return OperatorAction.RESUME, OperatorAction.PROMOTE, OperatorAction.ABORT


def _waiting_gate(deployment: Deployment) -> Gate:
    assert deployment.waiting_gate is not None, "the caller checks that the deployment waits for a gate"
    return deployment.plan.gates[deployment.waiting_gate.gate]


def _next_step(deployment: Deployment, gate: Gate) -> int:
    return len(deployment.plan.steps) if deployment.promoted_by else gate.before_step


def _enter(deployment: Deployment, step: int, reason: str, now: datetime) -> tuple[Deployment, Decision]:
    """Enter a step, or wait for the first gate before it.

    `step` is the number of steps for the promotion, and one more for the end.
    """
    while (index := _first_gate(deployment, step)) is not None:
        gate = deployment.plan.gates[index]
        if deployment.waiting_gate is None or deployment.waiting_gate.gate != index:
            deployment = replace(deployment, gates=(*deployment.gates, GateRecord(index, now)))
        wait = _wait_at(gate, deployment.gates[-1].reached_at + gate.deadline, now)
        if wait is not None:
            return deployment, wait
        deployment, reason = _passed(deployment, "its window is open", now), f"{gate.name} is open"
    if step > len(deployment.plan.steps):
        return deployment, Decision(Action.FINISH, max(0, len(deployment.plan.steps) - 1), 0, 0, reason)
    return deployment, enter_step(deployment.plan, step, reason)


def _wait_at(gate: Gate, deadline: datetime, now: datetime) -> Decision | None:
    """Return what a gate waits for; None for a window that is open."""
    if gate.kind is GateKind.WINDOW:
        return _wait_for_window(gate, deadline, now)
    if gate.kind is GateKind.HOOK:
        return _decide(Action.CALL_HOOK, gate, f"gate {gate.description}")
    if now >= deadline:
        return _decide(Action.ROLL_BACK, gate, f"{gate.description} has not passed until its deadline {_utc(deadline)}")
    return _decide(Action.PAUSE, gate, f"gate {gate.description}", deadline - now)


def _wait_for_window(gate: Gate, deadline: datetime, now: datetime) -> Decision | None:
    opens = next_opening(gate.windows, now, gate.time_zone, gate.blackouts)
    if opens == now:
        return None
    if opens is None or opens > deadline:
        when = f"only at {_utc(opens)}" if opens else "never"
        late = f"{gate.name} opens {when}, after its deadline {_utc(deadline)}"
        return _decide(Action.ROLL_BACK, gate, late)
    return _decide(Action.WAIT_FOR_WINDOW, gate, f"{gate.name} opens at {_utc(opens)}", opens - now)


def _first_gate(deployment: Deployment, step: int) -> int | None:
    passed = {record.gate for record in deployment.gates if record.passed_at is not None}
    for index, gate in enumerate(deployment.plan.gates):
        # An operator's promotion skips steps, with their pauses, windows and hooks, and no approval.
        skipped = bool(deployment.promoted_by) and gate.skipped_by_promotion
        earlier = bool(deployment.promoted_by) and gate.kind is GateKind.APPROVE and gate.before_step < step
        if index not in passed and not skipped and (earlier or gate.before_step == step):
            return index
    return None


def _passed(deployment: Deployment, by: str, now: datetime) -> Deployment:
    *earlier, record = deployment.gates
    return replace(deployment, gates=(*earlier, replace(record, passed_at=now, by=by)))


def _decide(action: Action, gate: Gate, reason: str, wait: timedelta = timedelta(0)) -> Decision:
    seconds = max(1, round(wait.total_seconds())) if wait else 0
    return Decision(action, max(0, gate.before_step - 1), 0, seconds, reason)


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
