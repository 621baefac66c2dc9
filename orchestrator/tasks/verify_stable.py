"""VerifyStable: is what clients are back on healthy? What it finds is written down and changes nothing."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.probes import look_at_stable
from orchestrator.probes.scene import of_stable
from orchestrator.tasks import Answer, Given, passed_on, task, write_down


def verify_stable(given: Given, cloud: Cloud) -> Answer:
    """Look at every function through its alias.

    Raises:
        ClaimLost: a later rollback took over.
    """
    deployment = cloud.ledger.read(given.deployment)
    look = look_at_stable(of_stable(deployment, cloud.now()), cloud.instruments)
    assert deployment.rollback is not None, "Fence has begun it"
    verified = replace(deployment, rollback=replace(deployment.rollback, verified_at=cloud.now()))
    return write_down(given, cloud, verified, passed_on(given), look.verdict, look.evidence)


handler = task(verify_stable)
