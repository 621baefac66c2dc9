"""The settings of a table, and which of them a restore drops.

DynamoDB's documentation is contradictory on throughput and table class, and silent on some others. So every setting is
read on both sides, reapplied if possible, and compared.

Provisioned capacity is the exception. A restored table is on demand while it is compared and rewritten, because the
units of its source would not suffice. It gets provisioned capacity and scaling last, once the service uses it: the
table of a drill never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from orchestrator.domain.deployment.cutover import unblocked_policy
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import CheckResult, Role
from orchestrator.domain.verdict import Json, Outcome, Verdict

OUR_TAGS = "ib-oauth:"
"""Prefix of the tags that identify a recovery; they are not the source's. AWS's own begin with ``aws:``."""


@dataclass(frozen=True)
class TableSettings:
    """A table's settings, as JSON values that are equal if the settings are.

    Attributes:
        keys: attribute and type of the partition key, and of the sort key.
        indexes: name to kind, keys and projection.
        billing: billing mode, and the provisioned or maximum throughput of the table and of each index.
        table_class: such as ``STANDARD``.
        encryption: kind of key, and the key.
        time_to_live: its attribute; empty if it is off.
        recovery: days of point-in-time recovery; 0 if it is off.
        deletion_protection: whether the table is protected.
        stream: view type of its stream; empty if it has none.
        tags: without ours and AWS's.
        resource_policy: its document, with ``{table}`` for the table; empty if there is none.
        contributor_insights: index, or an empty name for the table itself, to the mode of CloudWatch Contributor Insights;
            without those where it is off.
        autoscaling: dimension to bounds and policies. None for on-demand tables, which do not need it.
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
    contributor_insights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WantedSettings:
    """The settings that a restored table must have.

    Attributes:
        settings: the settings.
        origins: setting to the origin of its value, such as ``as in the source``. A setting without an origin is not
            known: the restored table keeps what it has, and it is not compared.
        advisory: settings whose difference is reported and does not decide.
    """

    settings: TableSettings
    origins: Mapping[str, str]
    advisory: frozenset[str] = frozenset()


AS_IN_THE_SOURCE: Final = "as in the source"


def as_in_source(source: TableSettings) -> WantedSettings:
    """Return the settings of a restored table whose source exists."""
    return WantedSettings(source, {setting.name: AS_IN_THE_SOURCE for setting in fields(TableSettings)})


def refuse_other_key(table: str, encryption: Json, key: str) -> None:
    """Refuse a restored table that another key encrypts than the environment's own.

    Args:
        table: its name.
        encryption: its setting.
        key: ARN of the environment's key; empty if it has none, and any encryption is right.

    Raises:
        Refused: another key encrypts it.
    """
    if key and encryption != ["KMS", key]:
        command = f"aws dynamodb update-table --table-name {table} --sse-specification"
        remedy = f"it must be {key}: `{command} Enabled=true,SSEType=KMS,KMSMasterKeyId={key}`, then resume"
        raise Refused(f"{table}.encryption", encryption, remedy)


REAPPLIED = (
    "tags",
    "time_to_live",
    "recovery",
    "resource_policy",
    "stream",
    "deletion_protection",
    "table_class",
    "contributor_insights",
    "billing",
    "autoscaling",
)
"""Settings that are reapplied, in this order. A restore itself must bring keys, indexes and encryption."""

CAPACITY = ("billing", "autoscaling")
"""Settings of provisioned capacity, which a restored table gets last."""

_FOR_LATER: Final = "on demand until the service uses the table"
"""The origin of these settings before that."""

BOTH_IMAGES: Final = "NEW_AND_OLD_IMAGES"
"""The view type of the streams from which late writes, and writes since a recovery point, are read."""


def turn_on_stream(table: str) -> str:
    """Return the command that turns on a table's stream with both images."""
    specification = f"StreamEnabled=true,StreamViewType={BOTH_IMAGES}"
    return f"aws dynamodb update-table --table-name {table} --stream-specification {specification}"


ON_DEMAND, PROVISIONED = "PAY_PER_REQUEST", "PROVISIONED"
"""The billing modes of DynamoDB."""

_NO_LIMITS: Json = [-1, -1]
"""Of the read and the write units of an on-demand table or index."""

MAX_ROUNDS = 20
"""Rounds of reapplying. A table takes one change at a time, and a stream two. Later differences are reported."""


def differing_settings(source: TableSettings, restored: TableSettings) -> tuple[str, ...]:
    """Return the names of the settings in which a restored table differs from its source."""
    before, after = asdict(_comparable(source, source)), asdict(_comparable(restored, source))
    return tuple(name for name in before if before[name] != after[name])


def _applicable_differences(source: TableSettings, restored: TableSettings) -> tuple[str, ...]:
    """Return the names of the settings that differ, apart from those of indexes that the restored table lacks.

    DynamoDB rejects changes of an index that does not exist. The missing index is reported by CompareSettings.
    """
    missing = source.indexes.keys() - restored.indexes.keys()
    if not missing:
        return differing_settings(source, restored)
    billing, scaling = source.billing, source.autoscaling
    if isinstance(billing, Mapping) and "indexes" in billing:
        units = {name: own for name, own in billing["indexes"].items() if name not in missing}
        billing = {**billing, "indexes": units}
    if isinstance(scaling, Mapping):
        scaling = {target: bounds for target, bounds in scaling.items() if index_of_target(target) not in missing}
    insights = {name: mode for name, mode in source.contributor_insights.items() if name not in missing}
    applicable = replace(source, billing=billing, autoscaling=scaling, contributor_insights=insights)
    return differing_settings(applicable, restored)


def index_of_target(target: str) -> str:
    """Return the index of a scaling target such as ``/index/by-day dynamodb:index:ReadCapacityUnits``.

    It is empty for the table's own target, `` dynamodb:table:ReadCapacityUnits``.
    """
    return target.partition(" ")[0].removeprefix("/index/")


def settings_to_reapply(source: TableSettings, restored: TableSettings) -> tuple[str, ...]:
    """Return the names of the settings to reapply before a restored table is in use, in order.

    They are those in which it differs from `settings_until_in_use`.
    """
    differing = _applicable_differences(settings_until_in_use(source), restored)
    # Scaling is for a provisioned table, and the limits of a table that gets its capacity last do not matter before.
    later = [*_capacity_for_later(source)] if billing_mode(restored.billing) == ON_DEMAND else ["autoscaling"]
    return tuple(name for name in REAPPLIED if name in differing and name not in later)


def settings_until_in_use(source: TableSettings) -> TableSettings:
    """Return the settings that a restored table must have until the service uses it: it is on demand, without limits.

    AWS Backup restores a table with the provisioned units that its source had at the backup, and without scaling.
    """
    if not _capacity_for_later(source):
        return source
    return replace(source, billing=without_limits(source.indexes), autoscaling=None)


def capacity_to_reapply(source: TableSettings, restored: TableSettings) -> tuple[str, ...]:
    """Return the names of the settings that give a restored table in use its provisioned capacity, in order.

    No other setting is applied then: the source's resource policy, for example, blocks the source by now.
    """
    differing = _applicable_differences(source, restored)
    # Only a provisioned table can be scaled: the next round does.
    waits = () if billing_mode(restored.billing) == PROVISIONED else ("autoscaling",)
    return tuple(name for name in _capacity_for_later(source) if name in differing and name not in waits)


def setting_check_results(
    role: Role, wanted: WantedSettings, restored: TableSettings, *, with_capacity: bool = True
) -> tuple[CheckResult, ...]:
    """Return one check result per setting, with expected and actual value. The access block is not compared.

    A setting whose right value is not known is INCONCLUSIVE, and does not decide.

    Args:
        role: the table's.
        wanted: the settings that the restored table must have.
        restored: the settings that it has.
        with_capacity: whether it must have its provisioned capacity. If not, it must be on demand.
    """
    source = wanted.settings
    expected = source if with_capacity else _with_capacity_for_later(source)
    before = asdict(_comparable(_without_block(expected), expected))
    after = asdict(_comparable(_without_block(restored), expected))
    if expected is not source:
        # The limits of an on-demand table are not the source's, which is provisioned.
        after["billing"] = {"mode": billing_mode(restored.billing)}
    origins = {**wanted.origins, **({} if expected is source else dict.fromkeys(CAPACITY, _FOR_LATER))}

    def judge(name: str) -> CheckResult:
        if name not in origins:
            return _not_covered(role, name, after[name])
        verdict = _judge_setting(name, before[name], after[name], origins[name])
        decides = verdict.outcome is Outcome.PASS or name not in wanted.advisory
        figures = {"expected": before[name], "found": after[name]}
        return CheckResult(f"settings.{role}.{name}", verdict, figures, decides=decides)

    return tuple(judge(name) for name in before)


def _not_covered(role: Role, name: str, found: Json) -> CheckResult:
    reason = (
        f"not covered: neither the stacks nor the backup state the {name.replace('_', ' ')} of the source, which no "
        f"longer exists; the restored table has {_text_of(found) if found else 'none'}"
    )
    return CheckResult(f"settings.{role}.{name}", Verdict.inconclusive(reason), {"found": found}, decides=False)


def capacity_check_results(role: Role, wanted: WantedSettings, restored: TableSettings) -> tuple[CheckResult, ...]:
    """Return the check results of provisioned capacity in a table that the service uses.

    A difference does not decide on the outcome: on demand, the table serves its clients as well.
    """
    names = {f"settings.{role}.{name}" for name in CAPACITY}
    return tuple(
        replace(result, decides=result.verdict.outcome is Outcome.PASS)
        for result in setting_check_results(role, wanted, restored)
        if result.check in names
    )


def billing_mode(billing: Json) -> Json:
    """Return the billing mode of the setting `billing`; empty if it has none."""
    return billing.get("mode", "") if isinstance(billing, Mapping) else ""


def without_limits(indexes: Iterable[str]) -> Json:
    """Return the setting `billing` of an on-demand table without limits.

    Args:
        indexes: names of its indexes.
    """
    return {"mode": ON_DEMAND, "table": _NO_LIMITS, "indexes": dict.fromkeys(indexes, _NO_LIMITS)}


def _capacity_for_later(source: TableSettings) -> tuple[str, ...]:
    """Return the settings of the source's capacity that a restored table gets last."""
    return CAPACITY if billing_mode(source.billing) == PROVISIONED else ()


def _with_capacity_for_later(source: TableSettings) -> TableSettings:
    """Return the settings that a restored table must have until it gets its capacity."""
    if not _capacity_for_later(source):
        return source
    return replace(source, billing={"mode": ON_DEMAND}, autoscaling=None)


def _comparable(settings: TableSettings, source: TableSettings) -> TableSettings:
    """Return settings with a word in place of the units that autoscaling chooses, if they are within its bounds.

    Autoscaling changes the units of the source and of the restored table independently. The bounds are compared with
    the setting `autoscaling`.
    """
    scaling, billing = source.autoscaling, settings.billing
    if not isinstance(scaling, Mapping) or not isinstance(billing, Mapping):
        return settings
    tables = {"": billing["table"], **{f"/index/{name}": units for name, units in billing["indexes"].items()}}
    scaled = {
        place: [
            _scaled_units(units[number], scaling.get(f"{place} dynamodb:{'index' if place else 'table'}:{dimension}"))
            for number, dimension in enumerate(("ReadCapacityUnits", "WriteCapacityUnits"))
        ]
        for place, units in tables.items()
    }
    indexes = {name: scaled[f"/index/{name}"] for name in billing["indexes"]}
    return replace(settings, billing={**billing, "table": scaled[""], "indexes": indexes})


def _scaled_units(units: Json, target: Any) -> Json:
    if target is None or not target["min"] <= units <= target["max"]:
        return units
    return f"autoscaled from {target['min']} to {target['max']}"


def _without_block(settings: TableSettings) -> TableSettings:
    policy = settings.resource_policy
    return replace(
        settings, resource_policy=(unblocked_policy(policy) or "") if isinstance(policy, Mapping) else policy
    )


def _judge_setting(name: str, expected: Json, actual: Json, origin: str) -> Verdict:
    words = name.replace("_", " ")
    if expected == actual:
        return Verdict.passed(f"{words} {origin}")
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        missing, other, extra = _key_differences(expected, actual)
        differences = [
            f"{what} {', '.join(names)}"
            for what, names in (("lacks", missing), ("differs in", other), ("has also", extra))
            if names
        ]
        return Verdict.failed(f"{words} of the restored table {'; '.join(differences)}")
    should_be = (
        f"of the source: {_text_of(expected)}" if origin == AS_IN_THE_SOURCE else f"{origin}: {_text_of(expected)}"
    )
    return Verdict.failed(f"{words} of the restored table: {_text_of(actual)}, {should_be}")


def _key_differences(
    expected: Mapping[str, Any], actual: Mapping[str, Any]
) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    missing = sorted(expected.keys() - actual.keys())
    extra = sorted(actual.keys() - expected.keys())
    other = sorted(key for key in expected.keys() & actual.keys() if expected[key] != actual[key])
    return missing, other, extra


def _text_of(value: Json) -> str:
    return str(value) if value not in (None, "") else "none"
