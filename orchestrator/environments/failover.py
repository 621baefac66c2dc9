"""Settings of the standby region: ``[….failover]``. The table is optional."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.failover.policy import SHORTEST_LEASE_SECONDS, FailoverPolicy, read_failover
from orchestrator.domain.names import bucket_name, resource_name
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader

if TYPE_CHECKING:
    from orchestrator.environments import Environment


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


def failover_settings(environment: Environment, account: str) -> Mapping[str, str]:
    """Return what a process needs to move an environment between two regions, as a function's variables say it.

    Args:
        environment: as it is in one of its two regions; it has a standby region.
        account: of the topics and buckets, 12 digits.
    """
    assert environment.failover is not None, "the caller has refused an environment without a standby region"
    domain, name = environment.api.domain, environment.name
    service = Service(
        functions={function: resource_name(function, name) for function in environment.service.functions},
        alias="live",
        api_url="",
        issuer="",
        tables=(),
        alarms=(),
        metric_namespace="",
        api_name="",
        stage=name,
        synthetic_key_id=f"alias/{resource_name('synthetic', name)}",
        tls=not environment.local,
    )
    sources = {Role.STATE: environment.service.state_table, Role.TOKENS: environment.service.tokens_table}
    topics = {
        f"{audience.upper()}_TOPIC": f"arn:aws:sns:{environment.region}:{account}:{resource_name(audience, name)}"
        for audience in ("operators", "clients")
    }
    return {
        "FAILOVER_POLICY": json.dumps(environment.failover.encode(), allow_nan=False),
        "HOME_REGION": environment.lost_region or environment.region,
        "SOURCE_TABLES": json.dumps(sources, allow_nan=False),
        "SERVICE": json.dumps(asdict(service), allow_nan=False),
        "DATA_KEY": f"alias/{resource_name('data', name)}" if environment.customer_managed_keys else "",
        "API_DOMAIN": domain.name if domain else "",
        "HOSTED_ZONE_ID": (domain.hosted_zone_id or "") if domain else "",
        "OPERATORS": str(len(environment.contacts["operators"]) + len(environment.notifications)),
        "REVOCATIONS_TABLE": resource_name("revocations", name),
        **topics,
        # infrastructure/orchestrator/buckets.py
        "HOME_EVIDENCE_BUCKET": bucket_name("evidence", name, account, None),
        "EVIDENCE_COPIES_BUCKET": bucket_name("evidence-copies", name, account, environment.failover.region),
    }
