"""Two alarms over the others, because twenty that ring at once are one thing that happened."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from stack_parts import name_of, with_runbook

SERVICE_UNWELL, NOBODY_UNDOES = "service-unwell", "nobody-undoes"
UNDOING = (
    "rollback-", "intake-alarm-", "intake-execution-ended-", "intake-reconcile-", "dead-letters-", "reconciler-silent-",
)  # fmt: skip
"""How the names of those alarms on the orchestrator begin that are about undoing a deployment."""


def compose(
    scope: Construct,
    environment: Environment,
    operators: sns.ITopic,
    of_service: Sequence[str],
    of_orchestrator: Sequence[str],
) -> list[str]:
    """Make the composite alarms; return their names.

    Args:
        scope: the stack.
        environment: where.
        operators: topic of the people on call.
        of_service: names of alarms that undo a deployment. Each tells EventBridge and nobody else: people are told once.
        of_orchestrator: names of alarms on the orchestrator. Each tells the operators by itself.
    """
    undoing = tuple(f"ib-oauth-orchestrator-{what}" for what in UNDOING)
    service = _any(of_service)
    orchestrator = _any([name for name in of_orchestrator if name.startswith(undoing)])
    rules = {
        SERVICE_UNWELL: (service, "clients see failures or wait too long"),
        NOBODY_UNDOES: (
            cloudwatch.AlarmRule.all_of(service, orchestrator),
            "the service is unwell, and so is the orchestrator that should undo it",
        ),
    }
    for what, (rule, meaning) in rules.items():
        alarm = cloudwatch.CompositeAlarm(
            scope,
            f"{what.title().replace('-', '')}Composite",
            composite_alarm_name=name_of(what, environment),
            alarm_description=with_runbook(meaning, what),
            alarm_rule=rule,
        )
        alarm.add_alarm_action(actions.SnsAction(operators))
        alarm.add_ok_action(actions.SnsAction(operators))
    return [name_of(what, environment) for what in rules]


def _any(names: Sequence[str]) -> cloudwatch.IAlarmRule:
    ringing = [cloudwatch.AlarmRule.from_string(f'ALARM("{name}")') for name in names]
    return cloudwatch.AlarmRule.any_of(*ringing)
