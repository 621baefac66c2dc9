"""Notifications to chats, pagers and servers: the rules that collect events, and the queue that holds messages.

They exist only in environments with destinations (``[[….notifications]]``). An event becomes one message of the queue for
each destination, so a provider that hangs or fails delays no other. A message is tried again after a growing time, and
goes to the dead-letter queue after some attempts (`orchestrator.domain.notifications.delivery.RECEIVES`).
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure.alarms import state_changes
from infrastructure.naming import physical_name, title_of
from infrastructure.orchestrator.functions import NOTIFIER_SIZE
from infrastructure.orchestrator.iam_arns import NOTIFICATION_DEAD_LETTERS, NOTIFICATIONS
from infrastructure.queues import create_dead_letters, create_messages, deliver_messages
from orchestrator.aws.notifications import SOURCE
from orchestrator.domain.notifications.bus_events import NOTIFIED
from orchestrator.environments import Environment

_RETENTION = Duration.days(4)
_MAX_AGE, _RETRIES = Duration.hours(24), 185
"""EventBridge's own defaults, named because a lost event is a lost notification."""

_PARALLEL = 20
"""Messages that are sent at the same time, of the account's concurrent executions."""


@dataclass(frozen=True)
class NotificationQueues:
    """The queue of messages, and the queue of those that were not delivered."""

    messages: sqs.Queue
    dead_letters: sqs.Queue


def create_notification_queues(scope: Construct, environment: Environment) -> NotificationQueues:
    """Create the queues."""
    dead_letters = create_dead_letters(scope, environment, NOTIFICATION_DEAD_LETTERS)
    messages = create_messages(
        scope,
        environment,
        NOTIFICATIONS,
        kept=_RETENTION,
        function_seconds=NOTIFIER_SIZE.timeout_seconds,
        dead_letters=dead_letters,
    )
    return NotificationQueues(messages, dead_letters)


def allow_polling(queue: sqs.IQueue) -> iam.PolicyStatement:
    """Allow Lambda to poll the queue with the function's role.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
    """
    return iam.PolicyStatement(
        sid="Queue",
        actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        resources=[queue.queue_arn],
    )


def connect_notifications(
    scope: Construct,
    environment: Environment,
    bus: events.IEventBus,
    queues: NotificationQueues,
    function: lambda_.Function,
) -> None:
    """Create the rules that put events into the queue, and have the function work on the queue.

    Args:
        scope: the stack.
        environment: the environment.
        bus: the environment's own bus. Events of alarms arrive on the default bus.
        queues: the queues.
        function: sends the messages.
    """
    patterns = {
        "notification-events": (
            bus,
            events.EventPattern(source=[SOURCE], detail_type=list(NOTIFIED)),
        ),
        "notification-alarms": (None, events.EventPattern(**state_changes(environment))),
    }
    for name, (event_bus, pattern) in patterns.items():
        rule = events.Rule(
            scope,
            f"{title_of(name)}Rule",
            rule_name=physical_name(f"event-{name}", environment),
            event_bus=event_bus,
            event_pattern=pattern,
        )
        rule.add_target(
            targets.SqsQueue(
                queues.messages,
                dead_letter_queue=queues.dead_letters,
                max_event_age=_MAX_AGE,
                retry_attempts=_RETRIES,
            )
        )
    deliver_messages(function, queues.messages, _PARALLEL)
