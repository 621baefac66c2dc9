"""Notify: tell the people concerned how it came out, each audience in its own words."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.ending import message_to_clients, message_to_operators
from orchestrator.tasks import Answer, Given, passed_on, task


def notify(given: Given, cloud: Cloud) -> Answer:
    """Publish to the operators, and to the clients where what they use has changed or was disturbed."""
    deployment, decision = cloud.ledger.find(given.deployment), passed_on(given)
    subject, text = message_to_operators(given.deployment, cloud.environment, deployment, decision.reason, given.error)
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)
    for_clients = message_to_clients(deployment) if deployment else None
    if for_clients:
        cloud.topics.publish(cloud.settings["CLIENTS_TOPIC"], *for_clients)
    return Answer(given.deployment, given.epoch, decision)


handler = task(notify)
