"""The settings of a restored table whose source no longer exists: what the stacks declare, and what its backup states.

A restore drops most settings, so the restored table itself shows none of them. A setting that neither the stacks nor
the backup state is reported as not covered: it is never PASS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.table_settings import (
    ON_DEMAND,
    PROVISIONED,
    TableSettings,
    WantedSettings,
    billing_mode,
    without_limits,
)
from orchestrator.domain.verdict import Json

DECLARED: Final = "as the stacks declare"
OF_BACKUP: Final = "as the source's backup states"

_OF_THE_STACKS: Final = ("time_to_live", "recovery", "deletion_protection", "table_class", "stream", "tags")
"""Settings that the stacks declare for every table of the service."""

_OF_THE_BACKUP: Final = ("keys", "indexes", "encryption")
"""Settings that a restore brings, and that the backup states."""

_ADVISORY: Final = frozenset({"encryption"})
"""A difference from the backup does not decide: AWS documents neither that a backup states each key, nor that a restore
keeps it, and the tables are gone.
"""

_UNSTATED: Final[Mapping[str, Json]] = {"indexes": {}, "encryption": "AWS_OWNED"}
"""What a setting is if the backup says nothing of it. A restored table that has more shows that the source had it."""


@dataclass(frozen=True)
class DeclaredUnits:
    """Capacity units of one table in the stacks: the bounds of autoscaling."""

    least_reads: int
    most_reads: int
    least_writes: int
    most_writes: int


@dataclass(frozen=True)
class DefaultTableSettings:
    """The stacks' settings of every table of the service, for a restored table whose source no longer exists.

    Attributes:
        time_to_live: its attribute.
        recovery: days of point-in-time recovery.
        deletion_protection: whether tables are protected.
        stream: view type of the streams.
        tags: of every table.
        units: of each table, for provisioned capacity; empty if the tables are on demand.
        target_utilisation_percent: the utilisation that autoscaling maintains; of provisioned tables only.
    """

    time_to_live: str
    recovery: int
    deletion_protection: bool
    stream: str = "NEW_AND_OLD_IMAGES"
    tags: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[Role, DeclaredUnits] = field(default_factory=dict)
    target_utilisation_percent: int = 0


@dataclass(frozen=True)
class BackedUpSettings:
    """The settings of a table that DynamoDB's backup of it states. The shapes are those of `TableSettings`."""

    keys: Json
    indexes: Mapping[str, Json]
    billing: Json
    encryption: Json


def defaults_without_source(restored: TableSettings, declared: DefaultTableSettings) -> TableSettings:
    """Return a restored table's settings with those that the stacks declare for every table and a restore drops."""
    return replace(
        restored,
        time_to_live=declared.time_to_live,
        recovery=declared.recovery,
        deletion_protection=declared.deletion_protection,
        stream=declared.stream,
    )


def wanted_without_source(
    role: Role, restored: TableSettings, declared: DefaultTableSettings, backup: BackedUpSettings | None
) -> WantedSettings:
    """Return the settings that a restored table must have if the source no longer exists.

    Args:
        role: of the table.
        restored: its settings. Of those that are not known, it keeps its own.
        declared: by the stacks.
        backup: what its backup states; None if there is no statement.
    """
    settings = defaults_without_source(restored, declared)
    # Tags in addition are the account's: it may tag each new table by itself.
    settings = replace(settings, table_class="STANDARD", tags={**restored.tags, **declared.tags})
    origins = dict.fromkeys(_OF_THE_STACKS, DECLARED)
    if backup is not None:
        stated = {name: getattr(backup, name) for name in _OF_THE_BACKUP}
        more = {name for name, none in _UNSTATED.items() if stated[name] == none != getattr(restored, name)}
        known = {name: value for name, value in stated.items() if name not in more}
        settings = replace(settings, **known)
        origins |= dict.fromkeys(known, OF_BACKUP)
    units = declared.units.get(role)
    by = OF_BACKUP if backup is not None else DECLARED
    mode = billing_mode(backup.billing) if backup is not None else (PROVISIONED if units else ON_DEMAND)
    if mode == ON_DEMAND:
        billing = backup.billing if backup is not None else without_limits(settings.indexes)
        origins |= {"billing": by, "autoscaling": by}
        return WantedSettings(
            replace(settings, billing=billing, autoscaling=None), MappingProxyType(origins), _ADVISORY
        )
    origins["billing"] = by
    if units is None:
        # The source may have been scaled; no statement is left of it.
        assert backup is not None
        return WantedSettings(
            replace(settings, billing=backup.billing, autoscaling={}), MappingProxyType(origins), _ADVISORY
        )
    origins["autoscaling"] = DECLARED
    settings = replace(
        settings,
        billing=_provisioned(units, settings.indexes, backup),
        autoscaling=_scaling(units, declared.target_utilisation_percent),
    )
    return WantedSettings(settings, MappingProxyType(origins), _ADVISORY)


def _provisioned(units: DeclaredUnits, indexes: Mapping[str, Json], backup: BackedUpSettings | None) -> Json:
    """Return provisioned billing: the units of the backup within the declared bounds, or the least ones without it."""
    least = [units.least_reads, units.least_writes]
    stated = backup.billing if backup is not None else None
    if not isinstance(stated, Mapping):
        return {"mode": PROVISIONED, "table": least, "indexes": dict.fromkeys(indexes, least)}
    most = [units.most_reads, units.most_writes]
    return {**stated, "table": _within(least, stated["table"], most)}


def _within(least: Sequence[int], stated: Sequence[int], most: Sequence[int]) -> Json:
    return [max(low, min(one, high)) for low, one, high in zip(least, stated, most, strict=True)]


def _scaling(units: DeclaredUnits, target_percent: int) -> Json:
    """Return the declared autoscaling of a table, in the shape of `TableSettings.autoscaling`."""
    bounds = {
        "Read": (units.least_reads, units.most_reads),
        "Write": (units.least_writes, units.most_writes),
    }
    return {
        f" dynamodb:table:{kind}CapacityUnits": {
            "min": least,
            "max": most,
            "policies": {
                f"{{table}}-{kind.lower()}-utilisation": {
                    "PredefinedMetricSpecification": {"PredefinedMetricType": f"DynamoDB{kind}CapacityUtilization"},
                    "TargetValue": float(target_percent),
                }
            },
        }
        for kind, (least, most) in bounds.items()
    }
