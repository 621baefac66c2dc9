"""What an environment costs, from its templates: a month of it, one deployment, one drill. Estimates, each line with its reason.

Every resource type of a template is priced, or has no price of its own, or is named as not estimated: nothing is forgotten in silence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from orchestrator.domain.cost_standing import BECAUSE, HOURS, WHAT, known, units_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.plan import Plan
from orchestrator.domain.prices import Charge, Prices, total, unchecked

METRICS_PER_LOOK = 200
"""Metrics that the probes of one look ask for, at most: twenty of each of three functions and two versions, and alarms."""

_MILLION, _MB_PER_GB, _KB_PER_GB, _MS_PER_S = 1_000_000, 1024, 1024 * 1024, 1000
_DAYS_OF_MONTH = 30
_READ_UNIT_KB = 4
_MINUTES = {"minute": 1, "hour": 60, "day": 60 * 24}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")

Template = Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """What an estimate assumes of a month.

    Attributes:
        milliseconds_per_request: billed time of a service function.
        reads_per_request, writes_per_request: DynamoDB's units, a transaction counting double.
        signatures_per_request: by the signing key, which is a request to KMS.
        task_milliseconds: billed time of one task or intake of the orchestrator.
        drill_hours: how long a drill's tables live.
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
    def parse(cls, table: Mapping[str, object], place: str) -> Usage:
        """Read assumptions.

        Raises:
            Refused: one is missing, unknown or no number of at least 0; names field, value and remedy.
        """
        names = [field.name for field in fields(cls)]
        for key in table:
            if key not in names:
                raise Refused(f"{place}.{key}", table[key], f"remove it; known keys are {', '.join(names)}")
        numbers: dict[str, float] = {}
        for name in names:
            value = table.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise Refused(f"{place}.{name}", value, "give a number of at least 0")
            numbers[name] = value
        return cls(**numbers)


@dataclass(frozen=True)
class Estimate:
    """What something is expected to cost.

    Attributes:
        not_estimated: resource types whose cost hangs on what nobody here can know.
    """

    what: str
    charges: tuple[Charge, ...]
    not_estimated: tuple[str, ...] = ()

    @property
    def usd(self) -> float:
        """All together."""
        return total(self.charges)

    @property
    def unchecked_usd(self) -> float:
        """What of it rests on prices that nobody looked up."""
        return unchecked(self.charges)


def month_of(
    templates: Sequence[Template], usage: Usage, prices: Prices, *, retention_days: int, warm_mb: int
) -> Estimate:
    """A month of an environment without deployments and drills.

    Args:
        templates: of all stacks.
        usage: what is assumed.
        prices: of the environment's region.
        retention_days: how long logs are kept.
        warm_mb: memory of all environments of one release that are kept warm (provisioned concurrency), which no template says.
    """
    resources = [resource for template in templates for resource in template["Resources"].values()]
    standing: Counter[str] = Counter()
    for resource in resources:
        standing.update(units_of(resource["Type"], resource.get("Properties", {})))
    charges = [
        prices.charge(WHAT[unit], unit, amount, BECAUSE.get(unit, "by the template"))
        for unit, amount in standing.items()
    ]
    charges += _of_schedules(templates, usage, prices)
    charges += _of_requests(resources, usage, prices, retention_days)
    charges += _of_storage(resources, usage, prices)
    charges += _of_warmth(warm_mb, timedelta(hours=HOURS), f"{warm_mb} MB kept warm", prices)
    unknown = {one["Type"] for one in resources if not known(one["Type"])}
    return Estimate("a month", tuple(charges), tuple(sorted(unknown)))


def deployment_of(plan: Plan, task_memory_mb: int, usage: Usage, prices: Prices, *, warm_mb: int) -> Estimate:
    """One deployment that succeeds without an extension. A second version is warm from its publication to the end of the rollback window."""
    tasks = plan.transitions
    both_warm = sum((step.bake for step in plan.steps), plan.after_bake + plan.rollback_window)
    because = f"{warm_mb} MB of a second version for {both_warm.total_seconds() / 60:.0f} min"
    return Estimate(
        f"a deployment, {plan.strategy}",
        (
            *_machine(plan.transitions, task_memory_mb, usage, prices),
            prices.charge(
                "metrics that the looks ask for",
                "cloudwatch_million_metrics_requested",
                plan.looks * METRICS_PER_LOOK / _MILLION,
                f"{plan.looks} looks, {METRICS_PER_LOOK} metrics each",
            ),
            # A decision is one transaction of two writes and a check; a look more is read before it.
            prices.charge(
                "the ledger", "dynamodb_million_write_units", 6 * tasks / _MILLION, f"{tasks} states, 6 units each"
            ),
            prices.charge(
                "the ledger's reads",
                "dynamodb_million_read_units",
                4 * tasks / _MILLION,
                f"{tasks} states, 4 units each",
            ),
            *_of_warmth(warm_mb, both_warm, because, prices),
        ),
    )


def drill_of(
    transitions: int, task_memory_mb: int, usage: Usage, prices: Prices, *, by_export: bool = False
) -> Estimate:
    """One drill: restore, read source and copy through, keep the copies for their lease.

    Args:
        transitions: of its machine.
        task_memory_mb: of its tasks.
        usage: how large the tables are.
        prices: what things cost.
        by_export: whether the sources are exported at the point, whatever their streams tell.
    """
    gigabytes, share = usage.stored_gb, usage.drill_hours / HOURS
    reads = 2 * gigabytes * _KB_PER_GB / _READ_UNIT_KB
    return Estimate(
        "a drill",
        (
            *_machine(transitions, task_memory_mb, usage, prices),
            *([prices.charge("exporting", "dynamodb_export_gb", gigabytes, f"{gigabytes:g} GB")] if by_export else []),
            prices.charge("restoring", "dynamodb_restore_gb", gigabytes, f"{gigabytes:g} GB"),
            prices.charge(
                "reading both through",
                "dynamodb_million_read_units",
                reads / _MILLION,
                f"twice {gigabytes:g} GB, a unit a {_READ_UNIT_KB} KB, consistently",
            ),
            prices.charge(
                "keeping the copies", "dynamodb_storage_gb_month", gigabytes * share, f"{usage.drill_hours:g} h"
            ),
        ),
    )


def task_memory_mb(templates: Sequence[Template]) -> int:
    """The memory of the largest function of a state machine, as the templates have it."""
    found = [
        resource["Properties"].get("MemorySize", 128)
        for template in templates
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
        and str(resource["Properties"].get("Handler", "")).startswith("orchestrator.tasks.")
    ]
    return max(found, default=128)


def _of_schedules(templates: Sequence[Template], usage: Usage, prices: Prices) -> list[Charge]:
    """What rules with a rate run, each in the memory of its function."""
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
    found = [template["Resources"][name]["Properties"].get("MemorySize", 128) for name in names]
    return max(found, default=128)


def _of_requests(
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
            "logs that are kept",
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


def _of_warmth(warm_mb: int, length: timedelta, because: str, prices: Prices) -> list[Charge]:
    if not warm_mb:
        return []
    amount = warm_mb / _MB_PER_GB * length.total_seconds()
    return [prices.charge("provisioned concurrency", "lambda_provisioned_arm64_gb_second", amount, because)]


def _of_storage(resources: Sequence[Mapping[str, Any]], usage: Usage, prices: Prices) -> list[Charge]:
    gigabytes = usage.stored_gb
    charges = [
        prices.charge("tables", "dynamodb_storage_gb_month", gigabytes, f"{gigabytes:g} GB"),
        prices.charge("point-in-time recovery", "dynamodb_pitr_gb_month", gigabytes, f"{gigabytes:g} GB"),
    ]
    if any(resource["Type"] == "AWS::Backup::BackupPlan" for resource in resources):
        because = f"{usage.backups_kept:g} full copies of {gigabytes:g} GB"
        charges.append(prices.charge("backups", "dynamodb_backup_gb_month", gigabytes * usage.backups_kept, because))
    return charges


def _machine(transitions: int, memory_mb: int, usage: Usage, prices: Prices) -> tuple[Charge, ...]:
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
    found = [
        resource["Properties"].get("MemorySize", 128)
        for resource in resources
        if resource["Type"] == "AWS::Lambda::Function"
        and str(resource["Properties"].get("Handler", "")).startswith("service.")
    ]
    return sum(found) / len(found) if found else 128


def _provisioned(resources: Sequence[Mapping[str, Any]]) -> bool:
    tables = [one["Properties"] for one in resources if one["Type"] == "AWS::DynamoDB::Table"]
    return any("ProvisionedThroughput" in table for table in tables)
