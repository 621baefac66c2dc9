"""Verify: one look at canary under traffic, and the decision that follows."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Request, next_action, wants_synthetic_probes
from orchestrator.domain.records import Phase
from orchestrator.probes import look_all, look_at_flows
from orchestrator.probes.scene import during_step
from orchestrator.tasks import Answer, Given, task, write_down


def verify(given: Given, cloud: Cloud) -> Answer:
    """Look with every probe, and decide: bake on, advance, promote, hold or roll back.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    cloud.ledger.check_claim(given.epoch)
    deployment, cursor, now = cloud.ledger.read(given.deployment), given.cursor, cloud.now()
    scene = during_step(deployment, cursor.step, cursor.look, now)
    look = look_all(scene, cloud.instruments)
    verdict, evidence = look.verdict, look.evidence
    baked = now - (deployment.shifted_at(cursor.step) or now)
    if wants_synthetic_probes(deployment.plan, cursor, verdict, baked):
        paired = look_at_flows(scene, cloud.instruments)
        evidence = (*evidence, *paired.evidence)
        verdict = paired.verdict
    ask = cloud.ledger.asked(given.deployment)
    decision = next_action(deployment.plan, cursor, verdict, baked, Request(ask.request) if ask else None)
    seen = replace(deployment, phase=Phase.SHIFTING, running=look.running, excused_alarms=look.excused_alarms)
    cloud.announce(
        "LookTaken",
        deployment.id,
        step=cursor.step,
        look=cursor.look,
        verdict=verdict.outcome,
        action=decision.action,
        reason=decision.reason,
    )
    return write_down(given, cloud, seen, decision, verdict, evidence)


handler = task(verify)
