"""Release: give the claim back. Whoever has taken it over keeps it."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.tasks import Answer, Given, passed_on, task


def release(given: Given, cloud: Cloud) -> Answer:
    """Release the claim if this execution holds it, even where an error kept its epoch from the machine's state."""
    claim = cloud.ledger.claim()
    if claim.execution == given.execution:
        cloud.ledger.release_claim(claim.epoch)
    return Answer(given.deployment, given.epoch, passed_on(given))


handler = task(release)
