"""The stack in another region: the vault of cross-region backups, the heads of evidence, and the replicas' key."""

from __future__ import annotations

from constructs import Construct

from infrastructure.backups.stack import create_vault, create_vault_key
from infrastructure.common import EnvironmentStack
from infrastructure.keys import create_key
from infrastructure.orchestrator.buckets import create_heads_bucket
from orchestrator.environments import Environment


def copy_regions(environment: Environment) -> tuple[str, ...]:
    """Return the other regions in which an environment has resources."""
    copies = [environment.backups.copy_region] if environment.backups.copy_region else []
    return tuple(dict.fromkeys([*copies, *environment.stores.replicas]))


class CopyRegionStack(EnvironmentStack):
    """The resources of an environment in one other region.

    Deploy it before the stacks that copy data to that region.
    """

    def __init__(self, scope: Construct, environment: Environment, region: str) -> None:
        super().__init__(
            scope,
            environment,
            f"copy-{region}",
            f"Cross-region backups and replicas of the tables, and heads of the evidence, of {environment.name} in {environment.region}",
            region=region,
        )
        if region == environment.backups.copy_region:
            key = create_vault_key(self, environment, "backup-copies")
            create_vault(self, environment, "backup-copies", environment.backups.copy_keep_days, key)
            create_heads_bucket(self, environment)
        if region in environment.stores.replicas and environment.customer_managed_keys:
            # Replicated tables refer to the key by its alias, because its id is unknown in the home region's stack.
            create_key(self, environment, "data", f"Encrypts replicas of the service's tables ({environment.name})")
