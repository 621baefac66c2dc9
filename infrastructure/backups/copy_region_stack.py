"""The stack in another region: the vault of cross-region backups, heads and copies of the evidence, and the replicas' key."""

from __future__ import annotations

from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.backups.stack import create_vault, create_vault_key
from infrastructure.common import EnvironmentStack
from infrastructure.keys import create_key
from infrastructure.orchestrator.buckets import COPIES, create_copies_bucket, create_heads_bucket
from orchestrator.environments import Environment


class CopyRegionStack(EnvironmentStack):
    """The resources of an environment in one other region.

    Deploy it before the stacks that copy data to that region.
    """

    def __init__(self, scope: Construct, environment: Environment, region: str) -> None:
        super().__init__(
            scope,
            environment,
            f"copy-{region}",
            f"Cross-region backups and replicas of the tables, and copies of the evidence, of {environment.name} in {environment.region}",
            region=region,
        )
        if region == environment.backups.copy_region:
            key = create_vault_key(self, environment, "backup-copies")
            create_vault(self, environment, "backup-copies", environment.backups.copy_keep_days, key)
            create_heads_bucket(self, environment)
        if region == environment.standby_region:
            create_copies_bucket(self, environment, self._copies_key())
        if region in environment.stores.replicas and environment.customer_managed_keys:
            # Replicated tables refer to the key by its alias, because its id is unknown in the home region's stack.
            create_key(self, environment, "data", f"Encrypts replicas of the service's tables ({environment.name})")

    def _copies_key(self) -> kms.Key | None:
        """Create the key of the copies, of the standby region. The home region refers to it by its alias."""
        environment = self._environment
        if not environment.customer_managed_keys:
            return None
        what = "Encrypts copies of evidence and configuration snapshots"
        return create_key(self, environment, COPIES, f"{what} ({environment.name})")
