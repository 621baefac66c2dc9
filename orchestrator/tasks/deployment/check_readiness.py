"""CheckReadiness: check that the environment is ready for a deployment, and record the alarms already in ALARM."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.freeze import refuse_frozen
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.issuing_region import refuse_without_lease
from orchestrator.domain.maintenance.effects import refuse_under_maintenance
from orchestrator.domain.rollback.triggers import ALARM_STATE
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, task


def check_readiness(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Check the stable versions, `$LATEST`, the alarms, the tables, and the lease of an environment with a standby region.

    Raises:
        Refused: something is not ready; nothing was changed.
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    if deployment.cutover is None:
        # Checked again: an operator may have frozen the environment, or maintenance begun, since the deployment was planned.
        refuse_frozen(cloud.freezes.read_freeze())
        refuse_under_maintenance(cloud.maintenance.read_schedule(), deployment.id, cloud.now())
        if cloud.settings.get("ISSUING_LEASE"):
            refuse_without_lease(cloud.issuing_lease.read_lease(), cloud.now())
    for_each(deployment.functions, lambda function: _refuse_moved_alias(function, deployment, cloud))
    for_each(deployment.functions, lambda function: _refuse_unready(function, deployment, cloud))
    for_each(deployment.service.tables, lambda table: _refuse_unrecoverable(table, cloud))
    in_alarm = _alarms_in_alarm(deployment, cloud)
    ready = replace(deployment, phase=DeploymentPhase.READY, preexisting_alarms=in_alarm)
    reason = f"ready; checklist {', '.join(deployment.checklist) or 'not required here'}"
    if in_alarm:
        reason += f"; already in ALARM and not attributed to the canary: {', '.join(_name(arn) for arn in in_alarm)}"
    return append_decision(task_input, cloud, ready, make_decision(Action.PROCEED, reason))


def _refuse_moved_alias(function: Function, deployment: Deployment, cloud: Cloud) -> None:
    # The plan was made without the lock: another deployment may have changed the stable version since then.
    alias = cloud.aliases.read_alias(function.function_name)
    if alias.revision != deployment.revisions[function.name]:
        # The read may not have seen the write that the plan saw.
        alias = cloud.aliases.read_alias_again(function.function_name)
    if alias.revision != deployment.revisions[function.name]:
        remedy = "it was moved while this deployment was being prepared; start the deployment again"
        raise Refused(f"{function.function_name}:live", f"version {alias.routing.primary}", remedy)


def _refuse_unready(function: Function, deployment: Deployment, cloud: Cloud) -> None:
    known_good = [deployment.known_good.versions[function.name]] if deployment.known_good else []
    for version in ("$LATEST", function.stable_version, *known_good):
        description = cloud.versions.describe_version(function.function_name, version)
        if not description.ready:
            field, remedy = f"{function.function_name}:{version}", "wait until it is Successful and Active"
            raise Refused(field, description.not_ready_reason, remedy)


def _refuse_unrecoverable(table: str, cloud: Cloud) -> None:
    if not cloud.point_in_time_recovery.is_enabled(table):
        raise Refused(f"tables.{table}", "point-in-time recovery is off", "turn it on: a rollback may need a restore")


def _alarms_in_alarm(deployment: Deployment, cloud: Cloud) -> tuple[str, ...]:
    states = cloud.alarms.read_states(deployment.service.alarms)
    missing = sorted(set(deployment.service.alarms) - set(states))
    if missing:
        raise Refused("service.alarms", [_name(arn) for arn in missing], "they do not exist: deploy the service stack")
    return tuple(arn for arn, alarm in states.items() if alarm.state == ALARM_STATE)


def _name(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


handler = task(check_readiness)
