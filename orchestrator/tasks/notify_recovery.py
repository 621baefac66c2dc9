"""NotifyRecovery: tell the operators and the bus how it came out, green or not: a drill that nobody hears of has not taken place."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.recorded import announce_end
from orchestrator.domain.recovery_ending import message_of
from orchestrator.tasks import Recovered, Recovering, recovery_task, same_decision


def notify_recovery(given: Recovering, cloud: Cloud) -> Recovered:
    """Publish to the operators, and announce it."""
    decision = same_decision(given)
    recovery = cloud.recoveries(given.kind).find(given.recovery)
    subject, text = message_of(given.recovery, given.kind, cloud.environment, recovery, decision, given.error)
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], subject, text)
    announce_end(cloud, given.kind, given.recovery, recovery, decision)
    return Recovered(given.recovery, given.epoch, decision)


handler = recovery_task(notify_recovery)
