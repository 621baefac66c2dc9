"""CheckReadiness: is the environment fit to be deployed to? Alarms that ring already are recorded, not blamed."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.decision import Action
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import refuse_frozen
from orchestrator.domain.plan import Function
from orchestrator.domain.records import Deployment, Phase
from orchestrator.domain.signals import ALARM_RINGS
from orchestrator.tasks import Answer, Given, go, task, write_down


def check_readiness(given: Given, cloud: Cloud) -> Answer:
    """Check stable, `$LATEST`, alarms and tables.

    Raises:
        Refused: something is not ready; nothing was changed.
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    if deployment.cut_over is None:
        # Again: somebody may have frozen the environment since the plan was made.
        refuse_frozen(cloud.freezes.read())
    for_each(deployment.functions, lambda function: _refuse_moved(function, deployment, cloud))
    for_each(deployment.functions, lambda function: _refuse_unready(function, cloud))
    for_each(deployment.service.tables, lambda table: _refuse_unrecoverable(table, cloud))
    ringing = _ringing(deployment, cloud)
    ready = replace(deployment, phase=Phase.READY, alarms_at_start=ringing, excused_alarms=ringing)
    reason = f"ready; checklist {', '.join(deployment.checklist) or 'not asked for here'}"
    if ringing:
        reason += f"; already ringing and not blamed on canary: {', '.join(_name(arn) for arn in ringing)}"
    return write_down(given, cloud, ready, go(Action.PROCEED, reason))


def _refuse_moved(function: Function, deployment: Deployment, cloud: Cloud) -> None:
    # The plan was made without the claim: another deployment may have ended in between, and moved what is stable.
    found = cloud.aliases.read(function.function_name)
    if found.revision != deployment.revisions[function.name]:
        remedy = "it was moved while this deployment was being prepared; start the deployment again"
        raise Refused(f"{function.function_name}:live", f"version {found.routing.primary}", remedy)


def _refuse_unready(function: Function, cloud: Cloud) -> None:
    for version in ("$LATEST", function.stable_version):
        found = cloud.versions.describe(function.function_name, version)
        if not found.ready:
            raise Refused(
                f"{function.function_name}:{version}", found.not_ready_reason, "wait until it is Successful and Active"
            )


def _refuse_unrecoverable(table: str, cloud: Cloud) -> None:
    if not cloud.tables.recoverable(table):
        raise Refused(f"tables.{table}", "point-in-time recovery is off", "turn it on: a rollback may need a restore")


def _ringing(deployment: Deployment, cloud: Cloud) -> tuple[str, ...]:
    states = cloud.alarms.states(deployment.service.alarms)
    missing = sorted(set(deployment.service.alarms) - set(states))
    if missing:
        raise Refused("service.alarms", [_name(arn) for arn in missing], "deploy the service stack: they are not there")
    return tuple(arn for arn, alarm in states.items() if alarm.state == ALARM_RINGS)


def _name(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


handler = task(check_readiness)
