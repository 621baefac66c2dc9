"""VerifyBeforeTraffic: the new versions called directly, and OAuth flows across stable and canary.

During a shift a real client meets stable for one request and canary for the next, so flows are run in mixtures.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action, cut_over, first_decision, without_traffic
from orchestrator.domain.records import Phase
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import look_before_traffic
from orchestrator.probes.scene import before_traffic
from orchestrator.tasks import Answer, Given, go, task, write_down


def verify_before_traffic(given: Given, cloud: Cloud) -> Answer:
    """Look at the canary versions while no client can reach them.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    change = deployment.cut_over
    if change and not change.level:
        # Its tables are closed. It is looked at again once they are level.
        unseen = cut_over("its tables are closed until they are level: nothing can be seen of it before")
        return write_down(given, cloud, replace(deployment, phase=Phase.PUBLISHED), unseen)
    look = look_before_traffic(before_traffic(deployment, cloud.now()), cloud.instruments)
    if look.verdict.outcome is not Outcome.PASS:
        decision = without_traffic(look.verdict)
    elif change:
        decision = (
            go(Action.PROMOTE, "verified over level tables") if change.back else cut_over("verified before traffic")
        )
    else:
        decision = first_decision(deployment.plan)
    return write_down(given, cloud, replace(deployment, phase=Phase.PUBLISHED), decision, look.verdict, look.evidence)


handler = task(verify_before_traffic)
