"""The queues of every stack: encrypted by SQS's own key, and reached by TLS only."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure.naming import physical_name, title_of
from orchestrator.domain.notifications.delivery import RECEIVES
from orchestrator.environments import Environment

KEPT_DEAD_LETTERS = Duration.days(14)
"""The longest time that SQS keeps a message."""

_TIMEOUTS_OF_VISIBILITY = 6
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: at least six times the function's timeout."""


def create_dead_letters(scope: Construct, environment: Environment, name: str) -> sqs.Queue:
    """Create a queue of what could not be delivered."""
    return _create_queue(scope, environment, name, KEPT_DEAD_LETTERS)


def create_messages(
    scope: Construct,
    environment: Environment,
    name: str,
    *,
    kept: Duration,
    function_seconds: int,
    dead_letters: sqs.IQueue,
) -> sqs.Queue:
    """Create a queue of messages that a function works on, each `RECEIVES` times before it is a dead letter.

    Args:
        scope: the stack.
        environment: the environment.
        name: the short name.
        kept: how long a message is kept.
        function_seconds: timeout of the function.
        dead_letters: the queue of what could not be delivered.
    """
    return _create_queue(
        scope,
        environment,
        name,
        kept,
        visibility_timeout=Duration.seconds(_TIMEOUTS_OF_VISIBILITY * function_seconds),
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=RECEIVES),
    )


def deliver_messages(function: lambda_.Function, messages: sqs.IQueue, parallel: int) -> None:
    """Have a function work on each message of a queue by itself.

    Args:
        function: may poll the queue.
        messages: the queue.
        parallel: how many messages it works on at the same time, of the account's concurrent executions.
    """
    function.add_event_source_mapping(
        "Messages",
        event_source_arn=messages.queue_arn,
        batch_size=1,
        report_batch_item_failures=True,
        max_concurrency=parallel,
    )


def _create_queue(
    scope: Construct,
    environment: Environment,
    name: str,
    kept: Duration,
    *,
    visibility_timeout: Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    return sqs.Queue(
        scope,
        title_of(name),
        queue_name=physical_name(name, environment),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=kept,
        visibility_timeout=visibility_timeout,
        dead_letter_queue=dead_letter_queue,
    )
