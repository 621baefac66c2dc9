"""A deployment that has reached half of the traffic and stays there, for scenarios that need one under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.domain.names import resource_name
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment
from orchestrator.local.rehearsal_clients import RehearsalFailed

STRATEGY: Final[Mapping[str, object]] = {
    "type": "canary",
    "steps": [
        {"weight_percent": 50, "bake_seconds": 10},
        # The split lasts until the scenario ends it: a loaded machine needs longer than the longest bake.
        {"type": "pause", "deadline_seconds": 600},
    ],
}
WAIT_SECONDS: Final = 240.0
_FUNCTIONS: Final = ("authorize", "public", "token")


def split_traffic(here: LocalEnvironment, deployment_id: str) -> None:
    """Deploy what is in $LATEST up to half of the traffic.

    Raises:
        RehearsalFailed: the deployment was refused.
        WaitTimeout: the canary did not get half of the traffic in time.
    """
    here.start_deployment(deployment_id, strategy=STRATEGY)

    def split() -> bool | None:
        if refusal := here.cloud.ledger.read_refusal(deployment_id):
            raise RehearsalFailed(f"{deployment_id} was refused: {refusal.why}")
        return True if canary_weights(here) == {50} else None

    here.wait_until(split, WAIT_SECONDS, "half of the traffic on the canary")


def canary_weights(here: LocalEnvironment) -> set[int]:
    """Return the weights of the canary, in percent, that the aliases of the service's functions have."""
    client = here.cloud.clients("lambda")
    aliases = [client.get_alias(FunctionName=resource_name(name, ENVIRONMENT), Name="live") for name in _FUNCTIONS]
    weights = [alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}) for alias in aliases]
    return {round(100 * sum(weight.values())) for weight in weights}
