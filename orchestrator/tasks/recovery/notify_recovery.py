"""NotifyRecovery: report the outcome to the operators and on the event bus, also when a drill succeeded."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.recovery_reporting import publish_completion
from orchestrator.domain.recovery.outcome import recovery_message
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task


def notify_recovery(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Publish the outcome to the operators, and announce it on the bus."""
    decision = task_input.decision
    recovery = task_input.ledger(cloud).find_record(task_input.recovery)
    subject, text = recovery_message(
        task_input.recovery, task_input.kind, cloud.environment, recovery, decision, task_input.error
    )
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)
    publish_completion(cloud, task_input.kind, task_input.recovery, recovery, decision)
    return task_input.repeat_decision()


handler = recovery_task(notify_recovery)
