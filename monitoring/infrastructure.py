"""The stack that watches an environment's other stacks.

A stack of its own: it looks at the service and at the orchestrator, which know nothing of it; its alarms wake people and must
never undo a deployment, which every alarm of the service's stack does; and a dashboard that CloudFormation refuses must not
be what keeps a repair of the service from being deployed. It refers to the others by their names alone, so that either
side is deployed without the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk
from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from monitoring.infrastructure_alarms import limits, unusual
from monitoring.infrastructure_composites import compose
from monitoring.infrastructure_dashboard import dashboard
from monitoring.infrastructure_queries import contributors, queries
from stack_parts import name_of


class MonitoringStack(Stack):
    """What watches one environment.

    Args:
        scope: the app.
        environment: where.
        service: the service's stack, whose alarms undo deployments.
        orchestrator: the orchestrator's stack, whose alarms are on itself.
        security: the stack that guards the account.
    """

    def __init__(
        self, scope: Construct, environment: Environment, service: Stack, orchestrator: Stack, security: Stack
    ) -> None:
        super().__init__(
            scope,
            f"ib-oauth-monitoring-{environment.name}",
            description=f"Dashboard, alarms for people and saved queries of the OAuth service ({environment.name})",
            env=aws_cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.deletion_protection,
        )
        # The operators' topic must be there before an alarm can tell it, and an alarm before another is made of it.
        self.add_stack_dependency(service)
        self.add_stack_dependency(orchestrator)
        topic_arn = self.format_arn(service="sns", resource=name_of("operators", environment))
        operators = sns.Topic.from_topic_arn(self, "Operators", topic_arn)
        of_service, of_orchestrator = alarm_names(service), alarm_names(orchestrator)
        own = [*limits(self, environment, operators), *unusual(self, environment, operators)]
        composites = compose(self, environment, operators, of_service, of_orchestrator)
        rule = contributors(self, environment)
        queries(self, environment)
        alarms = {
            "What wakes people": composites,
            "The service: each undoes a deployment": of_service,
            "The orchestrator": of_orchestrator,
            "Limits, and what is unusual": own,
            "The account": alarm_names(security),
        }
        dashboard(self, environment, {title: self._arns(names) for title, names in alarms.items()}, rule)

    def _arns(self, names: Sequence[str]) -> list[str]:
        return [
            self.format_arn(
                service="cloudwatch", resource="alarm", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
            )
            for name in names
        ]


def alarm_names(stack: Stack) -> list[str]:
    """Return the names of all alarms of a stack, in the order in which they were made."""
    found = [node.alarm_name for node in stack.node.find_all() if isinstance(node, cloudwatch.CfnAlarm)]
    return [name for name in found if name is not None]
