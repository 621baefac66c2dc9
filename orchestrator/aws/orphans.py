"""What a dead execution leaves behind: with the claim it is rolled back, which also gives the claim back; before the claim it is closed."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.executions import FAILED
from orchestrator.aws.rollbacks import start_rollback
from orchestrator.domain.ending import refused
from orchestrator.domain.records import Ending, Trigger
from orchestrator.domain.rollback import DEAD_EXECUTION
from orchestrator.domain.signals import judge_claim

RECENT = 5
"""How many deployments are looked through every minute."""


def roll_back_orphan(cloud: Cloud) -> str:
    """Start a rollback if the claim's execution no longer runs; says why or why not."""
    claim = cloud.ledger.claim()
    alive = claim.held and cloud.executions.describe(claim.execution).alive
    deployment = cloud.ledger.find_deployment(claim.deployment) if claim.held else None
    ruling = judge_claim(claim, deployment, alive=alive)
    if ruling.roll_back:
        start_rollback(cloud, ruling.deployment, Trigger(DEAD_EXECUTION, ruling.why, cloud.now()))
    return ruling.why


def close_dead_plans(cloud: Cloud) -> None:
    """Complete the records of recent deployments that died before they held the claim and whose end nobody told of."""
    for found in cloud.ledger.deployments(RECENT):
        close_unclaimed(cloud, found.id, "unseen")


def close_unclaimed(cloud: Cloud, deployment_id: str, phase: str) -> str:
    """Complete the record of a deployment that died before it ever held the claim; empty where there is nothing to complete.

    Args:
        cloud: the environment.
        deployment_id: the execution's name.
        phase: how the execution ended. One that failed has told why by its own Record, also where no plan was kept.
    """
    found = cloud.ledger.find_deployment(deployment_id)
    if (found.epoch or found.ended_at) if found else phase == FAILED:
        return ""
    if found and cloud.executions.describe(found.execution).alive:
        return ""
    why = f"its execution ended {phase} before it held the claim"
    if found:
        cloud.ledger.keep_unclaimed(refused(found, why, cloud.now()))
        cloud.measures.count("Deployments", {"ending": Ending.REFUSED}, deployment_id)
    cloud.announce("DeploymentRefused", deployment_id, reason=why)
    return why
