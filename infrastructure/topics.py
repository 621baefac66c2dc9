"""The topics of every stack: reached by TLS only, with e-mail addresses, and with CloudWatch's permission to publish."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infrastructure.iam import own_account_service
from infrastructure.naming import physical_name
from orchestrator.environments import Environment


def create_topic(
    scope: Construct,
    environment: Environment,
    construct_id: str,
    name: str,
    contacts: Sequence[str],
    key: kms.IKey | None,
    *,
    of_alarms: bool,
) -> sns.Topic:
    """Create a topic.

    Args:
        scope: the stack, or a construct in it.
        environment: the environment.
        construct_id: unique within the scope.
        name: the short name.
        contacts: e-mail addresses. Their owners confirm the subscription once.
        key: encrypts the messages; None for no key of ours.
        of_alarms: whether CloudWatch publishes to it.
    """
    topic = sns.Topic(
        scope, construct_id, topic_name=physical_name(name, environment), master_key=key, enforce_ssl=True
    )
    if of_alarms:
        topic.grant_publish(own_account_service(Stack.of(scope), "cloudwatch"))
    for address in contacts:
        topic.add_subscription(subscriptions.EmailSubscription(address))
    return topic
