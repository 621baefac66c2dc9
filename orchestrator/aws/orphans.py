"""What a dead execution leaves behind: with the claim it is rolled back, which also gives the claim back; before the claim it is closed.

A restore that died has changed nothing that clients meet, or its deployment has the claim: its record is completed.
"""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.cut_overs import ended, settle
from orchestrator.aws.executions import FAILED
from orchestrator.aws.rollbacks import start_rollback
from orchestrator.domain.ending import refused
from orchestrator.domain.records import Claim, Ending, Kind, Trigger
from orchestrator.domain.recovery import Finding, concluded
from orchestrator.domain.restoration import not_asked_for
from orchestrator.domain.rollback import DEAD_EXECUTION
from orchestrator.domain.signals import judge_claim
from orchestrator.domain.verdict import Verdict

RECENT = 5
"""How many deployments are looked through every minute."""


def roll_back_orphan(cloud: Cloud) -> str:
    """Start a rollback if the claim's execution no longer runs; says why or why not."""
    claim = cloud.ledger.claim()
    if claim.kind is Kind.RESTORE and claim.held:
        return close_orphaned_restore(cloud, claim)
    alive = claim.held and cloud.executions.describe(claim.execution).alive
    deployment = cloud.ledger.find(claim.deployment) if claim.held else None
    ruling = judge_claim(claim, deployment, alive=alive)
    if ruling.roll_back:
        start_rollback(cloud, ruling.deployment, Trigger(DEAD_EXECUTION, ruling.why, cloud.now()))
    return ruling.why


def close_orphaned_restore(cloud: Cloud, claim: Claim) -> str:
    """Complete the record of a restore that died holding the claim, and give the claim back; says what was done or why nothing.

    Its deployment takes the claim away from it, so this one had none yet, or it had ended. Nothing that it made is removed.
    """
    if cloud.executions.describe(claim.execution).alive:
        return f"restore {claim.deployment} holds the claim and runs"
    why = f"{claim.execution} died holding the claim"
    taken = cloud.restores.take_claim(claim, f"{claim.execution} (closed)", claim.deployment, Kind.RESTORE, cloud.now())
    recovery = cloud.restores.find(claim.deployment)
    if recovery and recovery.ended_at is None:
        found = ended(cloud, recovery, {"Error": why}) or not_asked_for(why)
        settled = settle(cloud, recovery, found, taken).found(Finding("machine.1", Verdict.error(why)))
        cloud.restores.keep(concluded(settled, cloud.now()), taken.epoch)
    cloud.restores.release_claim(taken.epoch)
    return why


def close_dead_plans(cloud: Cloud) -> None:
    """Complete the records of recent deployments that died before they held the claim and whose end nobody told of."""
    for found in cloud.ledger.newest(RECENT):
        close_unclaimed(cloud, found.id, "unseen")


def close_unclaimed(cloud: Cloud, deployment_id: str, phase: str) -> str:
    """Complete the record of a deployment that died before it ever held the claim; empty where there is nothing to complete.

    Args:
        cloud: the environment.
        deployment_id: the execution's name.
        phase: how the execution ended. One that failed has told why by its own Record, also where no plan was kept.
    """
    found = cloud.ledger.find(deployment_id)
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
