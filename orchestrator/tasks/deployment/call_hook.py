"""CallHook: ask the hook whose gate the deployment has reached, and decide by its answer."""

from __future__ import annotations

import secrets
from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.gate_decisions import answer_hook, hook_of, question
from orchestrator.domain.deployment.hooks import HookAnswer, HookCall
from orchestrator.domain.deployment.record import DeploymentPhase
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, decided_before, task

TOKEN_BYTES = 32


def call_hook(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Ask the hook. A retry asks the same question, with the same one-time token.

    Raises:
        LockLost: another execution holds the lock.
    """
    cloud.ledger.check_lock(task_input.fencing_token)
    if repeated := decided_before(task_input, cloud):
        return repeated
    deployment = cloud.ledger.read_record(task_input.deployment)
    hook = hook_of(deployment)
    call = cloud.ledger.open_hook_call(deployment, HookCall(secrets.token_hex(TOKEN_BYTES)))
    try:
        answer = cloud.hooks.call_hook(hook, call, question(deployment))
    except CheckNotReadable as error:
        answer = HookAnswer(passed=False, judged=False, reason=str(error))
    answered, decision = answer_hook(deployment, answer, cloud.now())
    if decision.action is Action.FINISH:
        answered = replace(answered, phase=DeploymentPhase.VERIFIED)
    cloud.announce("HookAnswered", deployment.id, hook=hook.name, passed=answer.passed, reason=answer.reason)
    return append_decision(task_input, cloud, answered, decision)


handler = task(call_hook)
