"""Settings of the tables (capacity, point-in-time recovery, replicas) and of their backups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.domain.regions import REGION, REGION_REMEDY, refuse_region
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.setting_rules import Text

TABLES = ("state", "tokens")
"""The tables whose capacity is a setting, by their short names."""

CAPACITIES = ("on-demand", "provisioned")
LOCKS = ("none", "governance", "compliance")
POINT_IN_TIME_DAYS = (1, 35)
UNITS = (1, 40_000)
# The target utilisation that Application Auto Scaling accepts for DynamoDB.
UTILISATION_PERCENT = (20, 90)
KEEP_DAYS = (1, 3650)


@dataclass(frozen=True)
class UnitsSettings:
    """Capacity units of one table: the limits of autoscaling."""

    least_reads: int
    most_reads: int
    least_writes: int
    most_writes: int


@dataclass(frozen=True)
class StoreSettings:
    """The tables of one environment.

    Attributes:
        units: by table, for provisioned capacity; None for on-demand capacity.
        target_utilisation_percent: the utilisation that autoscaling maintains.
        point_in_time_days: the window of point-in-time recovery.
        replicas: other regions with replicas of the tables; docs/guides/replicas.md describes the effect on codes.
    """

    units: Mapping[str, UnitsSettings] | None
    target_utilisation_percent: int
    point_in_time_days: int
    replicas: tuple[str, ...]

    @property
    def provisioned(self) -> bool:
        """Whether capacity is provisioned instead of on-demand."""
        return self.units is not None


@dataclass(frozen=True)
class BackupSettings:
    """Daily backups in a separate vault.

    Attributes:
        hour_utc: the hour at which they start.
        lock: `governance` prevents early deletion without a special permission; `compliance` prevents it for all
            principals, including root and AWS, after three days, and is irreversible.
        copy_region: another region that receives a copy of every backup; None without.
    """

    hour_utc: int
    keep_days: int
    lock: str
    copy_region: str | None
    copy_keep_days: int


def read_stores(table: SettingsReader, region: str, lost_region: str | None = None) -> StoreSettings:
    """Read the table ``[….stores]``.

    Args:
        table: the settings.
        region: the environment's current region.
        lost_region: the home region after a failover, else None.

    Raises:
        EnvironmentRefused: a setting is missing or invalid.
    """
    capacity = table.choice("capacity", CAPACITIES)
    stores = StoreSettings(
        units=_units(table.table("units")) if capacity == "provisioned" else None,
        target_utilisation_percent=table.whole_number("target_utilisation_percent", *UTILISATION_PERCENT),
        point_in_time_days=table.whole_number("point_in_time_days", *POINT_IN_TIME_DAYS),
        replicas=_replicas(table, region, lost_region),
    )
    if "units" in table:
        raise EnvironmentRefused(
            table.field("units"), table.take("units"), 'remove it, or set capacity = "provisioned"'
        )
    table.refuse_unknown_keys()
    return stores


def _units(table: SettingsReader) -> Mapping[str, UnitsSettings]:
    units = {}
    for name in TABLES:
        own = table.table(name)
        units[name] = UnitsSettings(*(own.whole_number(key, *UNITS) for key in UnitsSettings.__dataclass_fields__))
        own.refuse_unknown_keys()
        for kind in ("reads", "writes"):
            least, most = getattr(units[name], f"least_{kind}"), getattr(units[name], f"most_{kind}")
            if least > most:
                raise EnvironmentRefused(own.field(f"most_{kind}"), most, f"give at least the {least} of least_{kind}")
    table.refuse_unknown_keys()
    return units


def _replicas(table: SettingsReader, region: str, lost_region: str | None) -> tuple[str, ...]:
    replicas, home = table.texts("replicas", described_by=Text(matching=REGION)), lost_region or region
    for replica in replicas:
        refuse_region(table.field("replicas"), replica, EnvironmentRefused)
        if replica == home or replicas.count(replica) > 1:
            raise EnvironmentRefused(table.field("replicas"), replica, f"give each region other than {home} once")
    # After a failover to a replica's region, that replica is the table itself.
    return tuple(replica for replica in replicas if replica != region)


def read_backups(table: SettingsReader, region: str, lost_region: str | None = None) -> BackupSettings:
    """Read the table ``[….backups]``.

    Args:
        table: the settings.
        region: the environment's current region.
        lost_region: the home region after a failover, else None.

    Raises:
        EnvironmentRefused: a setting is missing or invalid.
    """
    backups = BackupSettings(
        hour_utc=table.whole_number("hour_utc", 0, 23),
        keep_days=table.whole_number("keep_days", *KEEP_DAYS),
        lock=table.choice("lock", LOCKS),
        copy_region=table.optional_text("copy_region", matching=REGION, remedy=REGION_REMEDY),
        copy_keep_days=table.whole_number("copy_keep_days", *KEEP_DAYS),
    )
    table.refuse_unknown_keys()
    if backups.copy_region == (lost_region or region):
        remedy = "give a region other than the environment's own"
        raise EnvironmentRefused(table.field("copy_region"), backups.copy_region, remedy)
    # After a failover to the copy region, backups are not copied to the region that they are in.
    return replace(backups, copy_region=None) if backups.copy_region == region else backups
