"""Pause: wait for an operator, who answers by the task token: promote, resume, approve or abort."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.gate_decisions import answers
from orchestrator.domain.deployment.record import DeploymentPhase, PauseToken
from orchestrator.tasks.runtime import TaskInput, TaskOutput, task


def pause(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Record the task token and notify the operators. The state ends with their answer or at its deadline.

    Raises:
        LockLost: another execution holds the lock.
    """
    deployment, decision = cloud.ledger.read_record(task_input.deployment), task_input.decision
    now = cloud.now()
    deadline = now + timedelta(seconds=decision.wait_seconds)
    token = PauseToken(task_input.token, now, deadline, decision.step, decision.evaluation, decision.reason)
    paused = replace(deployment, phase=DeploymentPhase.PAUSED)
    cloud.ledger.record_pause(paused, token, task_input.fencing_token)
    cloud.announce("DeploymentPaused", deployment.id, reason=decision.reason, deadline=deadline)
    text = (
        f"Deployment {deployment.id} of {deployment.environment} waits for your approval until "
        f"{deadline.isoformat()}: {decision.reason}\n\n"
        f"orchestrator explain {deployment.id} --env {deployment.environment}\n"
        f"orchestrator {'|'.join(answers(deployment))} {deployment.id} --env {deployment.environment}\n\n"
        "Without an answer it is rolled back."
    )
    subject = f"{deployment.environment}: deployment paused"
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)
    return task_input.repeat_decision()


handler = task(pause)
