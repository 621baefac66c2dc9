"""The stack with the dashboard, the operators' alarms and the saved queries of an environment.

It is separate for three reasons. The service and the orchestrator do not depend on it. Its alarms page operators and
must not trigger a rollback, which every alarm of the service's stack does. A dashboard that CloudFormation rejects
must not block a fix of the service. It refers to the other stacks by names only, so each can be deployed alone.
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.arns import alarm_arn, plain_arn
from infrastructure.common import EnvironmentStack
from infrastructure.monitoring.alarms import create_latency_anomaly_alarms, create_limit_alarms
from infrastructure.monitoring.composite_alarms import create_composite_alarms
from infrastructure.monitoring.dashboard import create_dashboard
from infrastructure.monitoring.log_queries import create_contributor_rule, create_saved_queries
from infrastructure.naming import physical_name
from orchestrator.environments import Environment


class MonitoringStack(EnvironmentStack):
    """The monitoring of one environment.

    Args:
        scope: the app.
        environment: the environment.
        service: the service's stack, whose alarms trigger rollbacks.
        orchestrator: the orchestrator's stack, with the alarms on the orchestrator itself.
        security: the stack of the account's security services and alarms.
    """

    def __init__(
        self, scope: Construct, environment: Environment, service: Stack, orchestrator: Stack, security: Stack
    ) -> None:
        super().__init__(
            scope,
            environment,
            "monitoring",
            f"Dashboard, operators' alarms and saved queries of the OAuth service ({environment.name})",
        )
        # An alarm needs the operators' topic, and a composite alarm needs the alarms that it combines.
        self.add_stack_dependency(service)
        self.add_stack_dependency(orchestrator)
        topic_arn = plain_arn(self, "sns", physical_name("operators", environment))
        operators = sns.Topic.from_topic_arn(self, "Operators", topic_arn)
        service_alarms, orchestrator_alarms = alarm_names(service), alarm_names(orchestrator)
        own = [
            *create_limit_alarms(self, environment, operators),
            *create_latency_anomaly_alarms(self, environment, operators),
        ]
        composites = create_composite_alarms(self, environment, operators, service_alarms, orchestrator_alarms)
        rule = create_contributor_rule(self, environment)
        create_saved_queries(self, environment)
        alarms = {
            "Pages": composites,
            "Service (each triggers a rollback)": service_alarms,
            "Orchestrator": orchestrator_alarms,
            "Limits and anomalies": own,
            "Account security": alarm_names(security),
        }
        create_dashboard(
            self,
            environment,
            {title: [alarm_arn(self, name) for name in names] for title, names in alarms.items()},
            rule,
        )


def alarm_names(stack: Stack) -> list[str]:
    """Return the names of all alarms of a stack, in the order of their creation."""
    names = [node.alarm_name for node in stack.node.find_all() if isinstance(node, cloudwatch.CfnAlarm)]
    return [name for name in names if name is not None]
