"""The tables: how much they take, how far back they go, where else they are, and the backups kept of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from environments.tables import EnvironmentRefused, Table

TABLES = ("state", "tokens")
"""The service's tables whose capacity is a setting, by their short names."""

CAPACITIES = ("on-demand", "provisioned")
LOCKS = ("none", "governance", "compliance")
POINT_IN_TIME_DAYS = (1, 35)
UNITS = (1, 40_000)
# What Application Auto Scaling takes as a target for DynamoDB.
UTILISATION_PERCENT = (20, 90)
KEEP_DAYS = (1, 3650)

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


@dataclass(frozen=True)
class UnitsSettings:
    """Capacity units of one table: as few and as many as autoscaling goes between."""

    least_reads: int
    most_reads: int
    least_writes: int
    most_writes: int


@dataclass(frozen=True)
class StoreSettings:
    """The tables of one environment.

    Attributes:
        units: by table, where capacity is provisioned; None where it is on demand.
        target_utilisation_percent: of provisioned capacity, at which autoscaling adds some.
        point_in_time_days: how far back a table can be restored.
        replicas: other regions with a replica of the tables. What that does to single-use codes is in docs/replicas.md.
    """

    units: Mapping[str, UnitsSettings] | None
    target_utilisation_percent: int
    point_in_time_days: int
    replicas: tuple[str, ...]

    @property
    def provisioned(self) -> bool:
        """Whether capacity is provisioned, rather than on demand."""
        return self.units is not None


@dataclass(frozen=True)
class BackupSettings:
    """Daily backups in a vault of their own.

    Attributes:
        hour_utc: when they begin.
        lock: `governance` keeps everybody without a special right from deleting a backup early; `compliance` keeps everybody
            from it, root and AWS included, once three days have passed, and cannot be undone.
        copy_region: another region with a copy of every backup; None without.
    """

    hour_utc: int
    keep_days: int
    lock: str
    copy_region: str | None
    copy_keep_days: int


def read_stores(table: Table, region: str, lost_region: str | None = None) -> StoreSettings:
    """Take what is said of the tables of an environment in this region, where it may have come from a region that was lost."""
    capacity = table.choice("capacity", CAPACITIES)
    stores = StoreSettings(
        units=_units(table.table("units")) if capacity == "provisioned" else None,
        target_utilisation_percent=table.whole("target_utilisation_percent", *UTILISATION_PERCENT),
        point_in_time_days=table.whole("point_in_time_days", *POINT_IN_TIME_DAYS),
        replicas=_replicas(table, region, lost_region),
    )
    if "units" in table:
        raise EnvironmentRefused(
            table.field("units"), table.take("units"), 'remove it, or set capacity = "provisioned"'
        )
    table.end()
    return stores


def _units(table: Table) -> Mapping[str, UnitsSettings]:
    units = {}
    for name in TABLES:
        own = table.table(name)
        units[name] = UnitsSettings(*(own.whole(key, *UNITS) for key in UnitsSettings.__dataclass_fields__))
        own.end()
        for kind in ("reads", "writes"):
            least, most = getattr(units[name], f"least_{kind}"), getattr(units[name], f"most_{kind}")
            if least > most:
                raise EnvironmentRefused(own.field(f"most_{kind}"), most, f"give at least the {least} of least_{kind}")
    table.end()
    return units


def _replicas(table: Table, region: str, lost_region: str | None) -> tuple[str, ...]:
    replicas, home = table.texts("replicas"), lost_region or region
    for one in replicas:
        if not REGION.fullmatch(one) or one == home or replicas.count(one) > 1:
            raise EnvironmentRefused(table.field("replicas"), one, f"give each region other than {home} once")
    # Where it had to go there may be a replica already, which is then the table itself.
    return tuple(one for one in replicas if one != region)


def read_backups(table: Table, region: str, lost_region: str | None = None) -> BackupSettings:
    """Take what is said of backups of an environment in this region, where it may have come from a region that was lost."""
    backups = BackupSettings(
        hour_utc=table.whole("hour_utc", 0, 23),
        keep_days=table.whole("keep_days", *KEEP_DAYS),
        lock=table.choice("lock", LOCKS),
        copy_region=table.optional_text("copy_region", matching=REGION, remedy="give a region"),
        copy_keep_days=table.whole("copy_keep_days", *KEEP_DAYS),
    )
    table.end()
    if backups.copy_region == (lost_region or region):
        remedy = "give a region other than the environment's own"
        raise EnvironmentRefused(table.field("copy_region"), backups.copy_region, remedy)
    # Where it had to go there may be the copies already: none are sent from there to there.
    return replace(backups, copy_region=None) if backups.copy_region == region else backups
