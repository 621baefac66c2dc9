"""Start a rollback, from any trigger. Its execution's name follows from deployment and attempt, so it starts once.

An alarm starts one only if its evaluation does not find that the deployment is not to blame.
"""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.live_state import newest_shifted
from orchestrator.aws.step_functions import ABSENT, FAILED, RUNNING, SUCCEEDED, TIMED_OUT, execution_arn
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, EventRecord, RollbackTrigger
from orchestrator.domain.environment_lock import EnvironmentLock
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.rollback.alarm_evaluation import AlarmEvaluation
from orchestrator.domain.rollback.decision import ALARM, PERSON
from orchestrator.domain.rollback.triggers import AlarmEvent, newly_in_alarm, restore_blocker, rollback_blocker
from orchestrator.domain.texts import alarm_reason
from orchestrator.probes import alarm_evidence
from orchestrator.probes.alarm_evidence import DEADLINE, UNHURRIED_DEADLINE
from orchestrator.probes.context import since_newest_shift

ATTEMPTS = 50
"""The reconciler makes an attempt a minute, so this is most of an hour. Operators are notified of the first failure."""


class TooManyAttempts(OrchestratorError):
    """Every rollback attempt of a deployment has failed; an operator must follow the break-glass runbook."""


FAILED_PHASES = frozenset({FAILED, TIMED_OUT})

MANUAL_ATTEMPTS = 50
"""Attempts that are kept for operators, after all automatic ones have failed."""

LOOKS, SECONDS_BETWEEN_LOOKS = 5, 2.0
"""How often an alarm's event is evaluated while the evidence speaks against the canary: for ten seconds, in which new
requests come. A sequential test may be looked at as often as one likes."""


def start_rollback(cloud: Cloud, deployment_id: str, trigger: RollbackTrigger) -> str:
    """Start the rollback of a deployment, or find one that is running or has succeeded; return its execution's name.

    The trigger is recorded in the ledger before the execution starts. A failed attempt is followed by the next one.

    Raises:
        TooManyAttempts: all `ATTEMPTS` have failed, and for an operator's trigger `MANUAL_ATTEMPTS` more.
    """
    attempts = ATTEMPTS + (MANUAL_ATTEMPTS if trigger.source == PERSON else 0)
    cloud.ledger.add_trigger(deployment_id, trigger)
    machine = cloud.settings["ROLLBACK_MACHINE"]
    for attempt in range(1, attempts + 1):
        name = f"rollback-{deployment_id}-{attempt}"
        if cloud.executions.start_execution(machine, name, {"deployment": deployment_id}):
            cloud.announce(
                "RollbackStarted", deployment_id, execution=name, source=trigger.source, reason=trigger.reason
            )
            return name
        phase = cloud.executions.describe_execution(execution_arn(machine, name)).phase
        if phase == RUNNING or (phase == SUCCEEDED and _rolled_back(cloud, deployment_id)):
            return name
        # It failed, or it found nothing to roll back at that time: the next attempt decides on this trigger.
    raise TooManyAttempts(f"{attempts} rollbacks of {deployment_id} failed: follow docs/runbooks/break-glass.md")


def evaluate_alarm(cloud: Cloud, deployment: Deployment, *, hurried: bool = True) -> AlarmEvaluation:
    """Return whether a deployment is to blame for an alarm.

    Args:
        cloud: the environment.
        deployment: a deployment that has shifted traffic.
        hurried: an event waits for it: evaluate again while the evidence speaks against the canary without proving it.
    """
    deadline = DEADLINE if hurried else UNHURRIED_DEADLINE
    for look in range(LOOKS if hurried else 1):
        if look:
            cloud.sleep(SECONDS_BETWEEN_LOOKS)
        context = since_newest_shift(deployment, cloud.now())
        evaluation = alarm_evidence.evaluate(context, lambda: cloud.probe_clients.metrics, deadline)
        if evaluation.rolls_back or not evaluation.suspicious:
            break
    return evaluation


def obey_alarm(cloud: Cloud, deployment: Deployment, event: AlarmEvent, why: str, *, hurried: bool = True) -> str:
    """Evaluate an alarm, start the rollback if the deployment is to blame, record the evaluation, and return its reason.

    It is recorded after the start. If the process dies in between, the second delivery of the event starts the same
    rollback again, which is the same execution.

    Args:
        cloud: the environment.
        deployment: the deployment that the alarm concerns.
        event: the alarm's state change.
        why: why it concerns the deployment.
        hurried: as for `evaluate_alarm`.
    """
    evaluation = evaluate_alarm(cloud, deployment, hurried=hurried)
    if evaluation.rolls_back:
        fired = f"{event.name}: {alarm_reason(event.reason)}" if event.reason else event.name
        reason = f"{fired}, with {deployment.exposure}; {evaluation.reason}"
        start_rollback(cloud, deployment.id, RollbackTrigger(ALARM, reason, event.at, event.id))
    record = EventRecord(
        id=event.id,
        at=event.at,
        source=ALARM,
        name=event.name,
        acted=evaluation.rolls_back,
        why=f"{why}; {evaluation.reason}",
        deployment=deployment.id,
        false_alarm=evaluation.false_alarm_figures,
    )
    record_alarm(cloud, record)
    return record.why


def record_alarm(cloud: Cloud, record: EventRecord) -> None:
    """Record the decision on an alarm, and announce it if it rolled nothing back."""
    cloud.ledger.record_event(record)
    if not record.acted:
        cloud.announce("RollbackSkipped", record.deployment, reason=record.why, alarm=record.name)


def concerned_deployment(cloud: Cloud, lock: EnvironmentLock) -> Deployment | None:
    """Return the deployment that an alarm may be about: what clients get is from it.

    That is the deployment in flight, once it has moved traffic or if it changes the tables; or else the newest that moved
    traffic; or else the one in flight, or the newest.

    Args:
        cloud: the environment.
        lock: the environment lock.
    """
    holder = cloud.ledger.find_record(lock.deployment) if lock.held else None
    if holder is not None and (holder.moved_traffic or holder.cutover is not None):
        return holder
    moved = newest_shifted(cloud.ledger)
    return moved or holder or next(iter(cloud.ledger.newest_records(1)), None)


def evaluate_lasting_alarms(cloud: Cloud) -> str:
    """Evaluate again while an alarm stays in ALARM that fired since the first shift; return what was decided, or nothing.

    An alarm sends one event when it fires. This also finds alarms whose event was lost.
    """
    lock, now = cloud.ledger.read_lock(), cloud.now()
    deployment = concerned_deployment(cloud, lock)
    if deployment is None or deployment.first_shift_at is None or rollback_blocker(deployment, now):
        return ""
    try:
        firing = newly_in_alarm(deployment, cloud.alarms.read_states(deployment.service.alarms))
    except OrchestratorError as error:
        return f"alarms were not read: {error}"
    if not firing:
        return ""
    if held := restore_blocker(lock):
        return held
    names = ", ".join(state.name for state in firing)
    event = AlarmEvent(f"{deployment.id}-in-alarm-{now:%H%M%S}", "", names, "", now, firing[0].reason)
    return obey_alarm(cloud, deployment, event, f"{names} stays in ALARM", hurried=False)


def last_attempt_failed(cloud: Cloud, deployment_id: str) -> bool:
    """Return whether the newest rollback attempt of a deployment failed; False if there was none."""
    machine, last = cloud.settings["ROLLBACK_MACHINE"], ABSENT
    for attempt in range(1, ATTEMPTS + 1):
        arn = execution_arn(machine, f"rollback-{deployment_id}-{attempt}")
        phase = cloud.executions.describe_execution(arn, may_be_absent=True).phase
        if phase == ABSENT:
            break
        last = phase
    return last in FAILED_PHASES


def _rolled_back(cloud: Cloud, deployment_id: str) -> bool:
    deployment = cloud.ledger.find_record(deployment_id)
    return deployment is not None and deployment.outcome is DeploymentOutcome.ROLLED_BACK
