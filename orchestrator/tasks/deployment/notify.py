"""Notify: send the outcome to the operators and the clients, with a text for each audience."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.outcome import message_to_clients, message_to_operators
from orchestrator.tasks.runtime import TaskInput, TaskOutput, task


def notify(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Publish to the operators, and to the clients if the live version changed or was disturbed."""
    deployment = cloud.ledger.find_record(task_input.deployment)
    subject, text = message_to_operators(
        task_input.deployment, cloud.environment, deployment, task_input.decision.reason, task_input.error
    )
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)
    client_message = message_to_clients(deployment) if deployment else None
    if client_message:
        cloud.topics.publish(cloud.settings["CLIENTS_TOPIC"], *client_message)
    return task_input.repeat_decision()


handler = task(notify)
