"""What a table is, apart from its items, and what of it a restore drops.

DynamoDB's pages disagree on throughput and table class, and say nothing of some others, so nothing is taken for granted:
every setting is read on both sides, put right where it can be, and compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from orchestrator.domain.cut_over import opened
from orchestrator.domain.recovery import Finding, Role
from orchestrator.domain.verdict import Json, Verdict

OUR_TAGS = "ib-oauth:"
"""Tags of this prefix say whose a copy is; they are not the source's. AWS's own begin with ``aws:`` and cannot be set."""


@dataclass(frozen=True)
class TableSettings:
    """A table's settings, each as JSON that is equal where the setting is the same.

    Attributes:
        keys: attribute and type of the partition key, and of the sort key.
        indexes: by name: kind, keys and projection.
        billing: mode, and what is provisioned or the most that is allowed, for the table and for each index.
        table_class: such as ``STANDARD``.
        encryption: whose key, and which.
        time_to_live: the attribute; empty where it is off.
        recovery: days of point-in-time recovery; 0 where it is off.
        deletion_protection: whether the table is protected.
        stream: what its stream shows; empty where it has none.
        tags: without ours and AWS's.
        resource_policy: its document, in which the table is ``{table}``; empty where there is none.
        autoscaling: by dimension: bounds and policies. None for a table on demand: there is nothing to scale.
    """

    keys: Json
    indexes: Mapping[str, Json] = field(default_factory=dict)
    billing: Json = ""
    table_class: str = "STANDARD"
    encryption: Json = ""
    time_to_live: str = ""
    recovery: int = 0
    deletion_protection: bool = False
    stream: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    resource_policy: Json = ""
    autoscaling: Json = None


@dataclass(frozen=True)
class Declared:
    """What the stack says of every table of the service, for a copy whose source is not there any more to be asked."""

    time_to_live: str
    recovery: int
    deletion_protection: bool


def wanted_without_source(copy: TableSettings, declared: Declared) -> TableSettings:
    """A copy's settings as they are to be where the source is gone: what the stack declares, and all else as the restore brought it."""
    return replace(
        copy,
        time_to_live=declared.time_to_live,
        recovery=declared.recovery,
        deletion_protection=declared.deletion_protection,
    )


REAPPLIED = (
    "tags",
    "time_to_live",
    "recovery",
    "resource_policy",
    "stream",
    "deletion_protection",
    "table_class",
    "billing",
    "autoscaling",
)
"""What is put right on a copy, in this order. Keys, indexes and encryption a restore must bring by itself: those are compared only."""

MOST_ROUNDS = 20
"""Rounds of putting right. A table takes one change at a time, and a stream two; what is not right after so many stays wrong."""


def differing(source: TableSettings, copy: TableSettings) -> tuple[str, ...]:
    """The names of the settings in which a copy is not as its source."""
    before, after = asdict(source), asdict(copy)
    return tuple(name for name in before if before[name] != after[name])


def to_reapply(source: TableSettings, copy: TableSettings) -> tuple[str, ...]:
    """The names of the settings that are to be put right on a copy, in the order in which that is done."""
    found = differing(source, copy)
    return tuple(name for name in REAPPLIED if name in found)


def compared(role: Role, source: TableSettings, copy: TableSettings) -> tuple[Finding, ...]:
    """Every setting as a finding, with what was expected and found. Whether a table is closed is no setting."""
    before, after = asdict(_opened(source)), asdict(_opened(copy))
    return tuple(
        Finding(
            f"settings.{role}.{name}",
            _judge(name, before[name], after[name]),
            {"expected": before[name], "found": after[name]},
        )
        for name in before
    )


def _opened(settings: TableSettings) -> TableSettings:
    policy = settings.resource_policy
    return replace(settings, resource_policy=(opened(policy) or "") if isinstance(policy, Mapping) else policy)


def _judge(name: str, expected: Json, found: Json) -> Verdict:
    words = name.replace("_", " ")
    if expected == found:
        return Verdict.passed(f"{words} as in the source")
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        gone, other, more = _between(expected, found)
        told = [
            f"{what} {', '.join(names)}"
            for what, names in (("lacks", gone), ("differs in", other), ("has also", more))
            if names
        ]
        return Verdict.failed(f"{words} of the copy {'; '.join(told)}")
    return Verdict.failed(f"{words} of the copy: {_shown(found)}, of the source: {_shown(expected)}")


def _between(
    expected: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    gone = sorted(expected.keys() - found.keys())
    more = sorted(found.keys() - expected.keys())
    other = sorted(key for key in expected.keys() & found.keys() if expected[key] != found[key])
    return gone, other, more


def _shown(value: Json) -> str:
    return str(value) if value not in (None, "") else "none"
