"""Cost estimates from an environment's templates: a month, one deployment, one drill. Each line has its reason.

Every resource type of a template has a price, has no fixed price, or is listed as not estimated.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from orchestrator.domain.cost.fixed_costs import HOURS, UNIT_NAMES, UNIT_REASONS, is_known_type, units_of
from orchestrator.domain.cost.prices import Charge, Prices, total_usd, unverified_usd
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import Observer, SettingsReader

METRICS_PER_EVALUATION = 200
"""Metrics that one evaluation reads, at most: twenty per function and version (three and two), and the alarms."""

MAX_AMOUNT = 1e12
"""No assumption about a month is larger."""

MAX_BY_FIELD: Mapping[str, float] = {"traced_percent": 100, "drill_hours": 24}
"""A share, and the longest drill (drill.asl.json)."""

COUNTS = frozenset({"custom_metrics", "backups_kept"})
"""Assumptions that are whole. Numbers of requests, deployments and drills are averages of several months."""

_MILLION, _MB_PER_GB, _KB_PER_GB, _MS_PER_S = 1_000_000, 1024, 1024 * 1024, 1000
_DAYS_OF_MONTH = 30
_READ_UNIT_KB = 4
_MINUTES = {"minute": 1, "hour": 60, "day": 60 * 24}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")

Template = Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """The assumptions about a month.

    Attributes:
        milliseconds_per_request: billed time of a service function.
        reads_per_request, writes_per_request: DynamoDB units; a transaction counts double.
        signatures_per_request: signatures by the signing key, each of which is a request to KMS.
        task_milliseconds: billed time of one task or event handler of the orchestrator.
        drill_hours: lifetime of a drill's tables.
        backups_kept: full copies of the tables in the vault at any time.
    """

    requests_per_month: float
    milliseconds_per_request: float
    logged_kb_per_request: float
    answered_kb_per_request: float
    reads_per_request: float
    writes_per_request: float
    signatures_per_request: float
    traced_percent: float
    stored_gb: float
    custom_metrics: float
    task_milliseconds: float
    deployments_per_month: float
    drills_per_month: float
    drill_hours: float
    backups_kept: float

    @classmethod
    def parse(cls, table: Mapping[str, object], place: str, observer: Observer | None = None) -> Usage:
        """Read the assumptions. `place`: of the table; `observer`: the table's.

        Raises:
            Refused: an assumption is missing, unknown or out of range. The error names field, value and remedy.
        """
        settings = SettingsReader(place, table, Refused, observer)
        usage = cls(**{field.name: _assumption(settings, field.name) for field in fields(cls)})
        settings.refuse_unknown_keys()
        return usage


def _assumption(settings: SettingsReader, name: str) -> float:
    high = MAX_BY_FIELD.get(name, MAX_AMOUNT)
    return settings.whole_number(name, 0, int(high)) if name in COUNTS else settings.number(name, 0, high)


@dataclass(frozen=True)
class Estimate:
    """An estimate of expected cost.

    Attributes:
        not_estimated: resource types whose cost depends on unknown usage.
    """

    what: str
    charges: tuple[Charge, ...]
    not_estimated: tuple[str, ...] = ()

    @property
    def usd(self) -> float:
        """The sum of all charges."""
        return total_usd(self.charges)

    @property
    def unchecked_usd(self) -> float:
        """The part of the sum whose prices were not verified."""
        return unverified_usd(self.charges)


def estimate_month(
    templates: Sequence[Template], usage: Usage, prices: Prices, *, retention_days: int, warm_mb: int
) -> Estimate:
    """Estimate a month of an environment, without deployments and drills.

    Args:
        templates: templates of all stacks.
        usage: the assumptions.
        prices: prices of the environment's region.
        retention_days: retention of logs.
        warm_mb: memory of all provisioned execution environments of one release, which is in no template.
    """
    resources = [resource for template in templates for resource in template["Resources"].values()]
    fixed: Counter[str] = Counter()
    for resource in resources:
        fixed.update(units_of(resource["Type"], resource.get("Properties", {})))
    charges = [
        prices.charge(UNIT_NAMES[unit], unit, amount, UNIT_REASONS.get(unit, "by the template"))
        for unit, amount in fixed.items()
    ]
    charges += _schedule_charges(templates, usage, prices)
    charges += _request_charges(resources, usage, prices, retention_days)
    charges += _storage_charges(resources, usage, prices)
    because = f"{warm_mb} MB provisioned"
    charges += _provisioned_concurrency_charges(warm_mb, timedelta(hours=HOURS), because, prices)
    unknown = {resource["Type"] for resource in resources if not is_known_type(resource["Type"])}
    return Estimate("a month", tuple(charges), tuple(sorted(unknown)))


def estimate_deployment(plan: Plan, task_memory_mb: int, usage: Usage, prices: Prices, *, warm_mb: int) -> Estimate:
    """Estimate one deployment that succeeds without extended bakes.

    Two versions have provisioned concurrency from the publication to the end of the rollback window.
    """
    tasks = plan.transitions
    both_warm = sum((step.bake for step in plan.steps), plan.limits.after_bake + plan.limits.rollback_window)
    because = f"{warm_mb} MB of a second version for {both_warm.total_seconds() / 60:.0f} min"
    return Estimate(
        f"a deployment, {plan.strategy}",
        (
            *_state_machine_charges(plan.transitions, task_memory_mb, usage, prices),
            prices.charge(
                "metrics read by evaluations",
                "cloudwatch_million_metrics_requested",
                plan.evaluations * METRICS_PER_EVALUATION / _MILLION,
                f"{plan.evaluations} evaluations, {METRICS_PER_EVALUATION} metrics each",
            ),
            # A decision is one transaction of two writes and a check, after one more read.
            prices.charge(
                "the ledger", "dynamodb_million_write_units", 6 * tasks / _MILLION, f"{tasks} states, 6 units each"
            ),
            prices.charge(
                "the ledger's reads",
                "dynamodb_million_read_units",
                4 * tasks / _MILLION,
                f"{tasks} states, 4 units each",
            ),
            *_provisioned_concurrency_charges(warm_mb, both_warm, because, prices),
        ),
    )


def estimate_drill(
    transitions: int, task_memory_mb: int, usage: Usage, prices: Prices, *, exports: int = 0, what: str = "a drill"
) -> Estimate:
    """Estimate one drill: restore the tables, read source and restored tables, keep the restored tables until expiry.

    Args:
        transitions: state transitions of the drill.
        task_memory_mb: memory of its tasks.
        usage: the assumptions about the tables.
        prices: prices of the environment's region.
        exports: how often each source is exported.
        what: the estimate's title.
    """
    gigabytes, share = usage.stored_gb, usage.drill_hours / HOURS
    exported, because = exports * gigabytes, f"{exports} of each table"
    reads = 2 * gigabytes * _KB_PER_GB / _READ_UNIT_KB
    return Estimate(
        what,
        (
            *_state_machine_charges(transitions, task_memory_mb, usage, prices),
            *([prices.charge("exporting", "dynamodb_export_gb", exported, because)] if exports else []),
            prices.charge("restoring", "dynamodb_restore_gb", gigabytes, f"{gigabytes:g} GB"),
            prices.charge(
                "reading both sides",
                "dynamodb_million_read_units",
                reads / _MILLION,
                f"twice {gigabytes:g} GB, a unit per {_READ_UNIT_KB} KB, consistently",
            ),
            prices.charge(
                "keeping the restored tables",
                "dynamodb_storage_gb_month",
                gigabytes * share,
                f"{usage.drill_hours:g} h",
            ),
        ),
    )


def task_memory_mb(templates: Sequence[Template]) -> int:
    """Return the memory of the largest task function in the templates."""
    sizes_mb = [
        resource["Properties"].get("MemorySize", 128)
        for template in templates
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
        and str(resource["Properties"].get("Handler", "")).startswith("orchestrator.tasks.")
    ]
    return max(sizes_mb, default=128)


def _schedule_charges(templates: Sequence[Template], usage: Usage, prices: Prices) -> list[Charge]:
    """Return the charges of rules with a rate, each with the memory of its function."""
    runs, gigabyte_seconds = 0.0, 0.0
    for template in templates:
        for resource in template["Resources"].values():
            rate = _RATE.fullmatch(str(resource.get("Properties", {}).get("ScheduleExpression", "")))
            if not rate:
                continue
            times = HOURS * 60 / (int(rate[1]) * _MINUTES[rate[2]])
            memory = _memory_of_target(template, resource["Properties"])
            runs += times
            gigabyte_seconds += times * memory / _MB_PER_GB * usage.task_milliseconds / _MS_PER_S
    because = f"{runs:.0f} runs by the rules' rates, {usage.task_milliseconds:g} ms each"
    return [
        prices.charge("functions on a schedule", "lambda_arm64_gb_second", gigabyte_seconds, because),
        prices.charge("functions on a schedule, by run", "lambda_arm64_million_requests", runs / _MILLION, because),
    ]


def _memory_of_target(template: Template, properties: Mapping[str, Any]) -> int:
    names = [
        target["Arn"]["Fn::GetAtt"][0] for target in properties.get("Targets", []) if "Fn::GetAtt" in target["Arn"]
    ]
    sizes_mb = [template["Resources"][name]["Properties"].get("MemorySize", 128) for name in names]
    return max(sizes_mb, default=128)


def _request_charges(
    resources: Sequence[Mapping[str, Any]], usage: Usage, prices: Prices, retention_days: int
) -> list[Charge]:
    kinds = Counter(resource["Type"] for resource in resources)
    requests, millions = usage.requests_per_month, usage.requests_per_month / _MILLION
    memory = _service_memory_mb(resources)
    seconds = requests * usage.milliseconds_per_request / _MS_PER_S
    logged = requests * usage.logged_kb_per_request / _KB_PER_GB
    charges = [
        prices.charge("the API", "api_gateway_rest_million_requests", millions, f"{requests:,.0f} requests"),
        prices.charge(
            "the service's functions",
            "lambda_arm64_gb_second",
            seconds * memory / _MB_PER_GB,
            f"{usage.milliseconds_per_request:g} ms in {memory:.0f} MB",
        ),
        prices.charge("the service's functions, by request", "lambda_arm64_million_requests", millions),
        prices.charge("logs", "cloudwatch_logs_ingested_gb", logged, f"{usage.logged_kb_per_request:g} KB a request"),
        prices.charge(
            "stored logs",
            "cloudwatch_logs_stored_gb_month",
            logged * retention_days / _DAYS_OF_MONTH,
            f"{retention_days} days, uncompressed",
        ),
        prices.charge("signatures", "kms_million_asymmetric_requests", millions * usage.signatures_per_request),
        prices.charge(
            "traces", "xray_million_traces", millions * usage.traced_percent / 100, f"{usage.traced_percent:g} %"
        ),
        prices.charge("metrics of our own", "cloudwatch_metric_month", usage.custom_metrics),
        prices.charge("data to clients", "data_out_gb", requests * usage.answered_kb_per_request / _KB_PER_GB),
    ]
    if kinds["AWS::WAFv2::WebACL"]:
        charges.append(prices.charge("requests through the web ACL", "waf_million_requests", millions))
    if not _provisioned(resources):
        charges += [
            prices.charge(
                "reads on demand",
                "dynamodb_million_read_units",
                millions * usage.reads_per_request,
                f"{usage.reads_per_request:g} units a request",
            ),
            prices.charge(
                "writes on demand",
                "dynamodb_million_write_units",
                millions * usage.writes_per_request,
                f"{usage.writes_per_request:g} units a request",
            ),
        ]
    return charges


def _provisioned_concurrency_charges(warm_mb: int, length: timedelta, because: str, prices: Prices) -> list[Charge]:
    if not warm_mb:
        return []
    amount = warm_mb / _MB_PER_GB * length.total_seconds()
    return [prices.charge("provisioned concurrency", "lambda_provisioned_arm64_gb_second", amount, because)]


def _storage_charges(resources: Sequence[Mapping[str, Any]], usage: Usage, prices: Prices) -> list[Charge]:
    gigabytes = usage.stored_gb
    charges = [
        prices.charge("tables", "dynamodb_storage_gb_month", gigabytes, f"{gigabytes:g} GB"),
        prices.charge("point-in-time recovery", "dynamodb_pitr_gb_month", gigabytes, f"{gigabytes:g} GB"),
    ]
    if any(resource["Type"] == "AWS::Backup::BackupPlan" for resource in resources):
        because = f"{usage.backups_kept:g} full copies of {gigabytes:g} GB"
        charges.append(prices.charge("backups", "dynamodb_backup_gb_month", gigabytes * usage.backups_kept, because))
    return charges


def _state_machine_charges(transitions: int, memory_mb: int, usage: Usage, prices: Prices) -> tuple[Charge, ...]:
    because = f"{transitions} states"
    seconds = transitions * usage.task_milliseconds / _MS_PER_S
    return (
        prices.charge("state transitions", "step_functions_million_transitions", transitions / _MILLION, because),
        prices.charge(
            "task functions",
            "lambda_arm64_gb_second",
            seconds * memory_mb / _MB_PER_GB,
            f"{because}, {usage.task_milliseconds:g} ms in {memory_mb} MB",
        ),
        prices.charge("task functions, by run", "lambda_arm64_million_requests", transitions / _MILLION, because),
    )


def _service_memory_mb(resources: Sequence[Mapping[str, Any]]) -> float:
    sizes_mb = [
        resource["Properties"].get("MemorySize", 128)
        for resource in resources
        if resource["Type"] == "AWS::Lambda::Function"
        and str(resource["Properties"].get("Handler", "")).startswith("service.")
    ]
    return sum(sizes_mb) / len(sizes_mb) if sizes_mb else 128


def _provisioned(resources: Sequence[Mapping[str, Any]]) -> bool:
    tables = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::DynamoDB::Table"]
    return any("ProvisionedThroughput" in table for table in tables)
