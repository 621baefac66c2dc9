"""A claim whose execution is dead: its deployment is rolled back, which also gives the claim back."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.rollbacks import start_rollback
from orchestrator.domain.records import Trigger
from orchestrator.domain.rollback import DEAD_EXECUTION
from orchestrator.domain.signals import judge_claim


def roll_back_orphan(cloud: Cloud) -> str:
    """Start a rollback if the claim's execution no longer runs; says why or why not."""
    claim = cloud.ledger.claim()
    alive = claim.held and cloud.executions.describe(claim.execution).alive
    deployment = cloud.ledger.find_deployment(claim.deployment) if claim.held else None
    ruling = judge_claim(claim, deployment, alive=alive)
    if ruling.roll_back:
        start_rollback(cloud, ruling.deployment, Trigger(DEAD_EXECUTION, ruling.why, cloud.now()))
    return ruling.why
