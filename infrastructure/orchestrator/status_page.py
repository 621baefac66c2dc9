"""What has the status page published: events that change a state, and the clock. Only where the page is enabled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure.alarms import state_changes
from infrastructure.naming import physical_name, status_bucket_name
from orchestrator.aws.notifications import SOURCE
from orchestrator.domain.status_page.settings import encode_status_page
from orchestrator.domain.status_page.triggers import EVENT_TYPES
from orchestrator.environments import Environment

PUBLISH_STATUS_PAGE = "publish_status_page"
"""The module of the function."""

_EVERY = Duration.minutes(1)
_MAX_AGE = Duration.minutes(5)
"""An older event says nothing that the clock has not published since."""
_RETRIES = 20


def status_page_variables(environment: Environment) -> Mapping[str, str]:
    """Return the environment variables that only the publishing function has."""
    return {
        "STATUS_PAGE": encode_status_page(environment.status_page),
        "STATUS_BUCKET": status_bucket_name(environment, environment.status_page.account or Aws.ACCOUNT_ID),
        "STATUS_REGION": environment.status_page.region or environment.region,
        "STATUS_HEARTBEATS": "yes" if environment.recovery["heartbeats"] else "",
    }


def connect_status_page(
    scope: Construct,
    environment: Environment,
    bus: events.IEventBus,
    function: lambda_.Function,
    dead_letters: sqs.IQueue,
) -> None:
    """Create the rules that invoke the publishing function.

    Args:
        scope: the stack.
        environment: the environment.
        bus: the environment's own bus. Events of alarms arrive on the default bus.
        function: publishes the page.
        dead_letters: receives what was not delivered.
    """
    rules: Mapping[str, Mapping[str, Any]] = {
        "events": {
            "event_bus": bus,
            "event_pattern": events.EventPattern(source=[SOURCE], detail_type=list(EVENT_TYPES)),
        },
        "alarms": {
            "event_pattern": events.EventPattern(**state_changes(environment)),
        },
        "clock": {"schedule": events.Schedule.rate(_EVERY)},
    }
    for name, settings in rules.items():
        rule = events.Rule(
            scope,
            f"StatusPage{name.title()}Rule",
            rule_name=physical_name(f"event-status-page-{name}", environment),
            **settings,
        )
        rule.add_target(
            targets.LambdaFunction(
                function,
                dead_letter_queue=dead_letters,
                max_event_age=_EVERY if name == "clock" else _MAX_AGE,
                retry_attempts=_RETRIES,
            )
        )
