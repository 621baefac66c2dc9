"""The operator's commands to a deployment, for the command line and for the keys of the live view alike."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.application.live_state import newest_shifted
from orchestrator.application.rollback_targets import missing_targets, with_chosen_targets
from orchestrator.application.start_rollback import start_rollback
from orchestrator.cli.context import Context
from orchestrator.domain.deployment.decision import Action, OperatorAction
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.deployment.gates import GateKind
from orchestrator.domain.deployment.record import (
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    OperatorCommand,
    RollbackTrigger,
)
from orchestrator.domain.errors import Refused
from orchestrator.domain.rollback.decision import (
    ABORTED_BY,
    PERSON,
    decide_rollback,
    reason_tables_prevent_rollback,
    refuse_missing_targets,
    takes_lock,
)


@dataclass(frozen=True)
class StartedRollback:
    """A rollback of a deployment, and the name of its execution."""

    deployment: str
    execution: str


def command_deployment(context: Context, name: str, command: str, by: str) -> str:
    """Resume a paused deployment with a command, abort one at once, or record the command for the next evaluation.

    Args:
        context: the environment.
        name: the deployment.
        command: an `OperatorAction`.
        by: the operator.

    Returns:
        What happens now, in words that follow the deployment's name.

    Raises:
        Refused: the deployment ended, or the command needs a paused deployment.
    """
    ledger, deployment = context.cloud.ledger, context.cloud.ledger.read_record(name)
    if deployment.ended_at is not None:
        raise Refused("deployment", name, f"it ended {deployment.outcome}; there is nothing to {command}")
    _refuse_wrong_answer(deployment, OperatorAction(command))
    operator_command = OperatorCommand(command, by, context.cloud.now())
    pause = ledger.pause_token(name)
    if deployment.phase is DeploymentPhase.PAUSED and pause:
        context.cloud.executions.send_task_success(pause.token, operator_command)
        return "resumed: it continues at once"
    if OperatorAction(command) is OperatorAction.RESUME:
        raise Refused("deployment", name, f"it is not paused, it is {deployment.phase}")
    if OperatorAction(command) is OperatorAction.ABORT:
        # Recorded for a deployment that does not hold the lock yet, which no rollback can stop: AcquireLock refuses it.
        ledger.record_command(name, operator_command)
        execution = start_rollback(
            context.cloud, name, RollbackTrigger(PERSON, f"{ABORTED_BY} {by}", operator_command.at)
        )
        return (
            f"is being aborted: {execution} takes over the lock now and reverts the aliases; "
            f"follow it with `orchestrator watch {name} --env {context.name}`"
        )
    ledger.record_command(name, operator_command)
    seconds = deployment.plan.limits.evaluation_interval.total_seconds()
    return f"recorded: its next evaluation, within {seconds:.0f} s, will {command} it"


def roll_back_deployment(context: Context, name: str | None, reason: str, by: str) -> StartedRollback:
    """Start the rollback of a deployment, or of the newest that shifted traffic.

    Raises:
        Refused: the deployment cannot be rolled back.
    """
    refuse_missing_reason("--reason", reason)
    deployment = context.cloud.ledger.read_record(name) if name else _newest_shifted(context)
    if deployment.outcome is DeploymentOutcome.ROLLED_BACK:
        remedy = "it is already rolled back; `orchestrator rollback --to VERSIONS` moves the aliases to other versions"
        raise Refused("deployment", deployment.id, remedy)
    if tables := reason_tables_prevent_rollback(deployment):
        raise Refused("deployment", deployment.id, tables)
    trigger = RollbackTrigger(PERSON, f"{reason} (by {by})", context.cloud.now())
    _refuse_needless_rollback(context, deployment, trigger)
    chosen = with_chosen_targets(deployment, context.cloud.ledger.read_targets(deployment.id))
    refuse_missing_targets(missing_targets(chosen.functions, context.cloud), context.name)
    return StartedRollback(deployment.id, start_rollback(context.cloud, deployment.id, trigger))


def _refuse_wrong_answer(deployment: Deployment, action: OperatorAction) -> None:
    """Refuse a command that does not let a deployment pass the gate that it waits for."""
    waiting = deployment.waiting_gate
    if waiting is None or action is OperatorAction.ABORT:
        return
    gate = deployment.plan.gates[waiting.gate]
    if gate.kind is GateKind.APPROVE:
        command = f"orchestrator approve {deployment.id} --env {deployment.environment}"
        raise Refused("deployment", deployment.id, f"it waits for the approval {gate.description}: `{command}`")
    if gate.kind is GateKind.WINDOW:
        raise Refused("deployment", deployment.id, f"it waits for the window {gate.description}: wait, or abort it")


def _refuse_needless_rollback(context: Context, deployment: Deployment, trigger: RollbackTrigger) -> None:
    """Refuse a rollback that would find nothing to do. TakeOverLock decides again.

    Raises:
        Refused: there is nothing to roll back.
    """
    ledger = context.cloud.ledger
    lock = ledger.read_lock()
    alive = lock.held and context.cloud.executions.describe_execution(lock.execution).alive
    if deployment.phase is DeploymentPhase.ROLLING_BACK:
        return  # It is found and followed.
    newest = newest_shifted(ledger) or deployment
    holder = ledger.find_record(lock.deployment) if lock.held else None
    decision = decide_rollback(deployment, newest, lock, trigger, holder_alive=alive, holder=holder)
    if decision.action is Action.NOTHING and not takes_lock(deployment, lock, decision, holder_alive=alive):
        raise Refused("deployment", deployment.id, f"there is nothing to roll back: {decision.reason}")


def _newest_shifted(context: Context) -> Deployment:
    moved = newest_shifted(context.cloud.ledger)
    if moved is None:
        raise Refused("deployment", "the newest", "no deployment has shifted traffic, so there is nothing to roll back")
    return moved
