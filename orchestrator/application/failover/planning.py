"""Plan a failover from the copies that the standby region has."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.releases import planned_release
from orchestrator.aws.dynamodb.backups import CrossRegionBackups
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.manual_plan import FailoverInputs, plan_failover
from orchestrator.domain.failover.policy import FailoverPolicy, read_failover
from orchestrator.domain.failover.record import CopiedTable, Failover
from orchestrator.domain.failover.steps import Direction
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.schema import SettingsReader


def failover_policy(cloud: Cloud) -> FailoverPolicy:
    """Return the environment's failover policy."""
    return read_failover(SettingsReader("failover", msgspec.json.decode(cloud.settings["FAILOVER_POLICY"])))


def copies_of_home(cloud: Cloud, region: str) -> CrossRegionBackups:
    """Return the adapter of the copies in the standby region, of the tables that the home region uses by its settings."""
    in_use = msgspec.json.decode(cloud.settings["SOURCE_TABLES"], type=dict[Role, str])
    return CrossRegionBackups(cloud.clients, cloud.environment, standby=region, in_use=in_use)


def plan_tables(cloud: Cloud, home: str, region: str, now: datetime) -> tuple[CopiedTable, ...]:
    """Return what a failover would restore: the newest copy of each table.

    Raises:
        Refused: the region has no copy of a table, or current copies of two tables of which one was in use.
    """
    backups, others = copies_of_home(cloud, region).list_with_others()
    plan = plan_failover(
        FailoverInputs(
            environment=cloud.environment,
            home=home,
            region=region,
            account=None,
            copy_region=None,
            domain=None,
            probes=(),
            backups=backups,
            others=others,
            now=now,
            assumed=True,
            oldest_copy=failover_policy(cloud).oldest_copy,
        )
    )
    return tuple(
        CopiedTable(table.backup.role, table.backup.arn, table.backup.as_of, table.name) for table in plan.tables
    )


def open_failover(cloud: Cloud, failover_id: str, requested_by: str, reason: str) -> ReadFailover:
    """Write the record of a failover; return the one that an earlier execution wrote.

    Raises:
        Refused: the region has no copy of a table, or it issues tokens already.
    """
    found = cloud.failovers.find_failover(failover_id)
    if found is not None:
        if found.failover.direction is Direction.BACK:
            raise Refused("failover", failover_id, f"it goes back: `orchestrator failover back run {failover_id}`")
        return found
    policy, now, home, region = failover_policy(cloud), cloud.now(), cloud.settings["HOME_REGION"], _region(cloud)
    assignment = cloud.failovers.read_assignment().assignment
    if assignment is None:
        raise Refused(
            "assignment", f"none in {region}", "run `orchestrator failover enable` while both regions are healthy"
        )
    if assignment.region == region:
        raise Refused(
            "assignment", f"{region} has it", "this region issues tokens already, or a failover is in progress"
        )
    return cloud.failovers.create(
        Failover(
            id=failover_id,
            environment=cloud.environment,
            home=home,
            region=region,
            requested_by=requested_by,
            reason=reason,
            requested_at=now,
            gate=policy.gate,
            lease=policy.lease,
            tables=plan_tables(cloud, home, region, now),
            release=planned_release(cloud),
        )
    )


def _region(cloud: Cloud) -> str:
    return cloud.settings["AWS_REGION"]
