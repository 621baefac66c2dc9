"""StartRollback: start the rollback state machine, as an execution that does not end with this one."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.start_rollback import start_rollback as start
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.outcome import cause_of, reason_of_unanswered_pause
from orchestrator.domain.deployment.record import RollbackTrigger
from orchestrator.domain.rollback.decision import GATE, TASK_ERROR, VERDICT
from orchestrator.tasks.runtime import TaskInput, TaskOutput, make_decision, task


def start_rollback(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Record the trigger, then start the rollback under a name derived from the deployment."""
    error, decision = task_input.error, task_input.decision
    unanswered = reason_of_unanswered_pause(
        error, decision, cloud.ledger.pause_token(task_input.deployment), answered="answer" in task_input.state
    )
    reason = unanswered or (cause_of(error) if error else decision.reason)
    source = TASK_ERROR if error and not unanswered else _source_of_decision(task_input, cloud)
    trigger = RollbackTrigger(source, reason, cloud.now())
    execution_name = start(cloud, task_input.deployment, trigger)
    return task_input.output(make_decision(Action.ROLL_BACK, f"{reason} ({execution_name})"))


def _source_of_decision(task_input: TaskInput, cloud: Cloud) -> str:
    """Return VERDICT if the decision is about the release: an evaluation's, or a hook's that answered FAIL."""
    deployment = cloud.ledger.find_record(task_input.deployment)
    waiting = deployment.waiting_gate if deployment is not None else None
    return GATE if waiting is not None and not waiting.failed else VERDICT


handler = task(start_rollback)
