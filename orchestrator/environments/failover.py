"""Settings of the standby region: ``[….failover]``. The table is optional."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.failover.policy import SHORTEST_LEASE_SECONDS, FailoverPolicy, read_failover
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader


def read_standby(table: SettingsReader, region: str, lost_region: str | None, *, local: bool) -> FailoverPolicy:
    """Read the table ``[….failover]``.

    Args:
        table: the table.
        region: the environment's region.
        lost_region: the region that it left by a failover; None without one.
        local: whether the environment is on the local cloud, whose leases may be shorter.

    Raises:
        EnvironmentRefused: a setting is wrong, or the standby region is the environment's own before a failover.
    """
    policy = read_failover(table)
    if policy.region == region and lost_region is None:
        remedy = f"name another region than {region}: the standby region must stand when that is lost"
        raise EnvironmentRefused(table.field("region"), policy.region, remedy)
    seconds = int(policy.lease.total_seconds())
    if seconds < SHORTEST_LEASE_SECONDS and not local:
        remedy = f"give at least {SHORTEST_LEASE_SECONDS}: a lease is renewed every minute"
        raise EnvironmentRefused(table.field("lease_seconds"), seconds, remedy)
    return policy


def refuse_replicated_standby(policy: FailoverPolicy, replicas: Sequence[str], environment: str) -> None:
    """Refuse a standby region that has replicas: its stacks could not create their tables and the alias of their key.

    Args:
        policy: the settings of the standby region.
        replicas: the regions of replicas.
        environment: the environment's name.

    Raises:
        EnvironmentRefused: the standby region is one of them.
    """
    if policy.region in replicas:
        remedy = "name a region that is not in stores.replicas: its tables would have the replicas' names"
        raise EnvironmentRefused(f"{environment}.failover.region", policy.region, remedy)
