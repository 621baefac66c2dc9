"""TakeOverLock: take over the environment lock for a rollback, so that the previous holder cannot move an alias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.live_state import newest_shifted
from orchestrator.application.rollback_targets import missing_targets, with_chosen_targets
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.outcome import EVENT_TYPES, closed_deployment, refused_deployment
from orchestrator.domain.deployment.record import (
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
    Side,
)
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.rollback.decision import (
    PERSON,
    VERDICT,
    cause_of_rollback,
    decide_rollback,
    ended_by_rollback,
    reason_of_end,
    refuse_missing_targets,
    takes_lock,
)
from orchestrator.domain.rollback.destination import (
    Destination,
    functions_at_destination,
    needs_comparison,
)
from orchestrator.probes import analysis_run
from orchestrator.probes.context import for_comparison
from orchestrator.tasks.runtime import TaskInput, TaskOutput, make_decision, task


def take_over_lock(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Decide whether there is anything to roll back, and if so take over the lock with a new fencing token.

    The lock is also taken, to be released, if its holder has died or if the deployment has not started yet. A later
    deployment that holds the lock and has moved no traffic is ended.

    Raises:
        LockLost: another execution acquired the lock at the same moment.
        Refused: no deployment has this id.
    """
    ledger = cloud.ledger
    deployment, current = ledger.read_record(task_input.deployment), ledger.read_lock()
    if _escalated_before(deployment, task_input):
        return TaskOutput(deployment.id, current.fencing_token, make_decision(Action.ESCALATE, deployment.reason))
    held_by_other = current.held and current.execution != task_input.execution
    alive = held_by_other and cloud.executions.describe_execution(current.execution).alive
    trigger = cause_of_rollback(deployment, ledger.read_triggers(task_input.deployment)) or RollbackTrigger(
        PERSON, f"{task_input.execution} was started manually", cloud.now()
    )
    newest = newest_shifted(cloud.ledger) or deployment
    other = current.held and current.deployment != deployment.id
    holder = ledger.find_record(current.deployment) if other else None
    decision = decide_rollback(deployment, newest, current, trigger, holder_alive=alive, holder=holder)
    if not takes_lock(deployment, current, decision, holder_alive=alive):
        cloud.announce("RollbackSkipped", deployment.id, reason=decision.reason)
        return TaskOutput(deployment.id, 0, decision)
    lock = ledger.acquire_lock(current, task_input.execution, deployment.id, Kind.ROLLBACK, cloud.now())
    # Read again: the previous holder may have changed the record until the lock was taken over.
    deployment = ledger.read_record(task_input.deployment)
    decision = decide_rollback(deployment, newest, current, trigger, holder_alive=alive, holder=holder)
    if decision.action is Action.REVERT:
        ends = ended_by_rollback(ledger.records_between(deployment.requested_at, cloud.now()), deployment)
        decision = _begin(deployment, task_input.execution, lock, trigger, decision, ends, cloud)
        for waiting in ends:
            reason = reason_of_end(deployment, trigger)
            _report(ledger.save_record(refused_deployment(waiting, reason, cloud.now()), lock.fencing_token), cloud)
    elif deployment.ended_at is None:
        closed = ledger.save_record(closed_deployment(deployment, decision.reason, cloud.now()), lock.fencing_token)
        _report(closed, cloud)
    else:
        # It ended before: the lock is released, and the incident of this rollback is over.
        cloud.announce("RollbackSkipped", deployment.id, reason=decision.reason)
    return TaskOutput(deployment.id, lock.fencing_token, decision)


def _begin(
    deployment: Deployment,
    execution: str,
    lock: EnvironmentLock,
    trigger: RollbackTrigger,
    decision: Decision,
    ends: Sequence[Deployment],
    cloud: Cloud,
) -> Decision:
    """Record where the rollback sends the traffic. If a version to revert to is missing, end it before any write."""
    targets = cloud.ledger.read_targets(deployment.id)
    # An operator's choice of versions comes first.
    there = Destination(Side.STABLE, "") if targets else _choose_destination(deployment, trigger, cloud)
    earlier = deployment.rollback
    rollback = Rollback(
        trigger=trigger,
        execution=execution,
        locked_at=cloud.now(),
        # An earlier attempt may have reverted the aliases and failed after that: clients were exposed until then.
        reverted_at=earlier.reverted_at if earlier and earlier.traffic_to == there.traffic_to else None,
        traffic_to=there.traffic_to,
        why_there=there.why,
        neither_healthy=there.neither_healthy,
        ended=tuple(dict.fromkeys([*(earlier.ended if earlier else ()), *(waiting.id for waiting in ends)])),
    )
    rolling_back = replace(
        with_chosen_targets(deployment, targets),
        phase=DeploymentPhase.ROLLING_BACK,
        rollback=rollback,
        fencing_token=lock.fencing_token,
    )
    try:
        refuse_missing_targets(missing_targets(functions_at_destination(rolling_back), cloud), cloud.environment)
    except Refused as error:
        reason = f"{trigger.reason}; {error}"
        ended = replace(
            # The functions as they were: a target that an operator chose was not written.
            replace(rolling_back, functions=deployment.functions),
            phase=DeploymentPhase.ENDED,
            outcome=DeploymentOutcome.NOT_ROLLED_BACK,
            reason=reason,
            ended_at=cloud.now(),
        )
        cloud.ledger.save_record(ended, lock.fencing_token)
        _report(ended, cloud)
        return replace(decision, action=Action.ESCALATE, reason=reason)
    cloud.ledger.save_record(rolling_back, lock.fencing_token)
    return decision


def _choose_destination(deployment: Deployment, trigger: RollbackTrigger, cloud: Cloud) -> Destination:
    """Return which version gets the traffic: stable, or the canary if a pooled alarm is stable's own.

    A later attempt goes where the first one went: it has moved traffic meanwhile, so the versions no longer compare. But
    an operator's rollback of a deployment that kept its canary goes to stable.
    """
    earlier = deployment.rollback
    if earlier is not None and deployment.ended_at is None:
        return Destination(earlier.traffic_to, earlier.why_there, earlier.neither_healthy)
    decisions = cloud.ledger.read_decisions(deployment.id) if trigger.source == VERDICT else ()
    if not needs_comparison(deployment, trigger, decisions):
        return Destination(Side.STABLE, "")
    # The lock is ours already: the deployment cannot move the traffic while the versions are compared.
    return analysis_run.compare_versions(for_comparison(deployment, cloud.now()), lambda: cloud.probe_clients)


def _report(ended: Deployment, cloud: Cloud) -> None:
    assert ended.outcome is not None, "it has ended"
    cloud.embedded_metrics.put_count("Deployments", {"outcome": ended.outcome}, ended.id)
    changelog = ended.changelog if ended.outcome is DeploymentOutcome.SUCCEEDED else ""
    cloud.announce(EVENT_TYPES[ended.outcome], ended.id, reason=ended.reason, changelog=changelog)


def _escalated_before(deployment: Deployment, task_input: TaskInput) -> bool:
    """Return whether an earlier attempt of this task ended the rollback, and its response was lost."""
    return (
        deployment.outcome is DeploymentOutcome.NOT_ROLLED_BACK
        and deployment.rollback is not None
        and deployment.rollback.execution == task_input.execution
    )


handler = task(take_over_lock)
