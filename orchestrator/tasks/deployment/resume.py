"""Resume: decide by the operator command that answered a pause, or by what a gate waited for."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action, Decision, OperatorAction, after_pause
from orchestrator.domain.deployment.gate_decisions import answer_gate, pass_gates
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, OperatorCommand
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, decided_before, task


def resume(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Decide by the command that ended the wait, by the approvals in the ledger, or by the time.

    Raises:
        LockLost: another execution holds the lock.
    """
    if repeated := decided_before(task_input, cloud):
        return repeated
    record = cloud.ledger.read_record(task_input.deployment)
    deployment = replace(record, phase=DeploymentPhase.SHIFTING if record.shifts else DeploymentPhase.PUBLISHED)
    answer = task_input.state.get("answer")
    command = msgspec.convert(answer, OperatorCommand) if answer else None
    if deployment.waiting_gate is not None:
        # Approvals count as the ledger has them, whatever the command says that ended the wait.
        approvals = cloud.ledger.read_approvals(deployment.id, deployment.waiting_gate.gate)
        resumed, decision = answer_gate(deployment, command, approvals, cloud.now())
    else:
        resumed, decision = _answer_pause(task_input, cloud, deployment, command)
    return append_decision(task_input, cloud, resumed, decision)


def _answer_pause(
    task_input: TaskInput, cloud: Cloud, deployment: Deployment, command: OperatorCommand | None
) -> tuple[Deployment, Decision]:
    assert command is not None, "a pause ends with a command"
    decision = after_pause(deployment.plan, task_input.cursor, OperatorAction(command.request), command.by)
    promoted_by = command.by if decision.action is Action.PROMOTE else deployment.promoted_by
    return pass_gates(replace(deployment, promoted_by=promoted_by), decision, cloud.now())


handler = task(resume)
