"""Hold: wait for a person, who answers by the task token: promote, resume or abort."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.records import Held, Phase
from orchestrator.tasks import Answer, Given, passed_on, task


def hold(given: Given, cloud: Cloud) -> Answer:
    """Keep the token and tell the operators. The state goes on when the token is answered or its deadline passes.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    deployment, decision, now = cloud.ledger.read(given.deployment), passed_on(given), cloud.now()
    deadline = now + deployment.plan.hold_deadline
    held = Held(given.token, now, deadline, decision.step, decision.look, decision.reason)
    cloud.ledger.hold(replace(deployment, phase=Phase.HELD), held, given.epoch)
    cloud.announce("DeploymentHeld", deployment.id, reason=decision.reason, deadline=deadline)
    text = (
        f"Deployment {deployment.id} of {deployment.environment} waits for you until {deadline.isoformat()}: "
        f"{decision.reason}\n\norchestrator explain {deployment.id} --env {deployment.environment}\n"
        f"orchestrator resume|promote|abort {deployment.id} --env {deployment.environment}\n\n"
        "Without an answer it is rolled back."
    )
    cloud.topics.publish(cloud.settings["OPERATORS_TOPIC"], f"{deployment.environment}: deployment held", text)
    return Answer(deployment.id, given.epoch, decision)


handler = task(hold)
