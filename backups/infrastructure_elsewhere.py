"""What an environment has in another region: the vault of its copies, and the key of its replicas."""

from __future__ import annotations

import aws_cdk
from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from backups.infrastructure import make_vault
from environments import Environment
from stack_parts import kept, name_of


def regions_of(environment: Environment) -> tuple[str, ...]:
    """Name the other regions in which an environment has something."""
    copies = [environment.backups.copy_region] if environment.backups.copy_region else []
    return tuple(dict.fromkeys([*copies, *environment.stores.replicas]))


class ElsewhereStack(Stack):
    """One other region of an environment. It is deployed before whatever sends something there."""

    def __init__(self, scope: Construct, environment: Environment, region: str) -> None:
        super().__init__(
            scope,
            f"ib-oauth-elsewhere-{region}-{environment.name}",
            description=f"Copies of the OAuth service's tables ({environment.name}, from {environment.region})",
            env=aws_cdk.Environment(account=environment.account, region=region),
            termination_protection=environment.deletion_protection,
        )
        if region == environment.backups.copy_region:
            make_vault(self, environment, "backup-copies", environment.backups.copy_keep_days)
        if region in environment.stores.replicas and environment.customer_managed_keys:
            kms.Key(
                self,
                "DataKey",
                # By this name the replicas know it: a key's own id is not known in another region's stack.
                alias=f"alias/{name_of('data', environment)}",
                description=f"Encrypts replicas of the service's tables ({environment.name})",
                enable_key_rotation=True,
                removal_policy=kept(environment),
            )
