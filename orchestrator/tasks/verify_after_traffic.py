"""VerifyAfterTraffic: a look at the promoted version, which everybody now gets."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import after_promotion as decide
from orchestrator.domain.decision import settles_by_flows
from orchestrator.probes import look_after_cut_over, look_all, look_at_flows
from orchestrator.probes.scene import after_promotion
from orchestrator.tasks import Answer, Given, task, write_down


def verify_after_traffic(given: Given, cloud: Cloud) -> Answer:
    """Look with every probe; finish, watch longer or roll back.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    cloud.ledger.check_claim(given.epoch)
    deployment, now = cloud.ledger.read(given.deployment), cloud.now()
    promoted_at = deployment.shifts[-1].at
    scene = after_promotion(deployment, promoted_at, now)
    look = (look_after_cut_over if deployment.cut_over else look_all)(scene, cloud.instruments)
    verdict, evidence = look.verdict, look.evidence
    if settles_by_flows(deployment.plan, verdict, now - promoted_at):
        paired = look_at_flows(scene, cloud.instruments)
        verdict, evidence = paired.verdict, (*evidence, *paired.evidence)
    seen = replace(deployment, running=look.running, excused_alarms=look.excused_alarms)
    return write_down(given, cloud, seen, decide(deployment.plan, verdict, now - promoted_at), verdict, evidence)


handler = task(verify_after_traffic)
