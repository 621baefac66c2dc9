"""The two composite alarms that page the operators: one incident sends one page, not one for each alarm."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.alarms import create_composite_alarm
from orchestrator.environments import Environment

SERVICE_DEGRADED, ROLLBACK_UNAVAILABLE = "service-degraded", "automatic-rollback-unavailable"
ROLLBACK_PATH_ALARMS = (
    "rollback-", "event-alarm-state-change-", "event-execution-status-change-", "event-reconcile-",
    "dead-letters-", "reconciler-not-running-",
)  # fmt: skip
"""Name prefixes of the orchestrator's alarms on the rollback path."""


def create_composite_alarms(
    scope: Construct,
    environment: Environment,
    operators: sns.ITopic,
    service_alarms: Sequence[str],
    orchestrator_alarms: Sequence[str],
) -> list[str]:
    """Create the composite alarms; return their names.

    Args:
        scope: the stack.
        environment: the environment.
        operators: the topic of the on-call operators.
        service_alarms: names of the alarms that trigger a rollback. They notify EventBridge only; this composite
            alarm pages.
        orchestrator_alarms: names of the alarms on the orchestrator, each of which notifies the operators, too.
    """
    rollback_path = tuple(f"ib-oauth-orchestrator-{prefix}" for prefix in ROLLBACK_PATH_ALARMS)
    service = _any(service_alarms)
    orchestrator = _any([name for name in orchestrator_alarms if name.startswith(rollback_path)])
    rules = {
        SERVICE_DEGRADED: (service, "clients receive errors, or responses are too slow"),
        ROLLBACK_UNAVAILABLE: (
            cloudwatch.AlarmRule.all_of(service, orchestrator),
            "the service is degraded, and the rollback path is in ALARM, too: automatic rollback may not work",
        ),
    }
    return [
        create_composite_alarm(scope, environment, name, meaning, rule, operators)
        for name, (rule, meaning) in rules.items()
    ]


def _any(names: Sequence[str]) -> cloudwatch.IAlarmRule:
    rules = [cloudwatch.AlarmRule.from_string(f'ALARM("{name}")') for name in names]
    return cloudwatch.AlarmRule.any_of(*rules)
