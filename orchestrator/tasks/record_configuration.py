"""RecordConfiguration: keep what the environment is configured as, before a deployment changes it or a drill restores beside it."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action
from orchestrator.tasks import Answer, Given, Recovered, Recovering, go, go_on, of_either, write_down


def of_deployment(given: Given, cloud: Cloud) -> Answer:
    """Take a bundle before anything is published.

    Raises:
        ClaimLost: another epoch holds the claim.
        Throttled, Unreachable: a part could not be read; the machine goes on without a bundle, which holds nobody up.
    """
    deployment = cloud.ledger.read(given.deployment)
    taken = cloud.archive.keep_configuration(cloud.configuration(f"deployment {deployment.id}"))
    return write_down(given, cloud, deployment, go(Action.PROCEED, f"configuration bundle {taken.id}: {taken.digest}"))


def of_recovery(given: Recovering, cloud: Cloud) -> Recovered:
    """Take a bundle before anything is restored.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    taken = cloud.archive.keep_configuration(cloud.configuration(f"{given.kind} {given.recovery}"))
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    return go_on(given, cloud, recovery, f"configuration bundle {taken.id}: {taken.digest}", recovery.onward)


handler = of_either(of_deployment, of_recovery)
