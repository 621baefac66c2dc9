"""Recommend the capacity of the tables by consumed units: on demand, or provisioned and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from orchestrator.domain.cost.fixed_costs import HOURS
from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity
from orchestrator.domain.upkeep.result import CheckResult, found, not_checked

CAPACITY = "table-capacity"
LEAST_SAVING_USD = 1.0
FULL_PERCENT = 90
_MILLION = 1_000_000


@dataclass(frozen=True)
class UnitsUse:
    """Units of one kind that a table consumed in a week.

    Attributes:
        per_month: from those of the week.
        peak_per_second: the average of the busiest minute.
        average_per_second: of the week.
        most: the limit of autoscaling; None on demand.
        least: the units that autoscaling always provisions.
    """

    per_month: float
    peak_per_second: float
    average_per_second: float
    most: int | None = None
    least: int = 1

    def provisioned_units(self, target_percent: float) -> int:
        """Return how many units autoscaling would provision on average: those of the average, at least `least`."""
        return max(self.least, ceil(self.average_per_second * 100 / target_percent))

    @property
    def is_full(self) -> bool:
        """Whether the peak reached the limit."""
        return self.most is not None and self.peak_per_second >= self.most * FULL_PERCENT / 100


@dataclass(frozen=True)
class TableUse:
    """The use of a table. `table`: its short name in the settings."""

    table: str
    reads: UnitsUse
    writes: UnitsUse

    def on_demand_usd(self, prices: Prices) -> float:
        """Return the cost of a month on demand."""
        return (
            self.reads.per_month / _MILLION * prices.price_of("dynamodb_million_read_units").usd
            + self.writes.per_month / _MILLION * prices.price_of("dynamodb_million_write_units").usd
        )

    def provisioned_usd(self, prices: Prices, target_percent: float) -> float:
        """Return the cost of a month with autoscaling, whose units follow the use."""
        reads, writes = (units.provisioned_units(target_percent) for units in (self.reads, self.writes))
        return HOURS * (
            reads * prices.price_of("dynamodb_read_capacity_hour").usd
            + writes * prices.price_of("dynamodb_write_capacity_hour").usd
        )


def recommend_capacity(
    uses: Sequence[TableUse], prices: Prices, env: str, *, provisioned: bool, target_percent: float
) -> CheckResult:
    """Recommend the cheaper capacity, which all tables share, and higher limits for a table that reached them.

    Args:
        uses: of the tables of the settings.
        prices: of the environment's region.
        env: the environment's name.
        provisioned: whether the tables are provisioned.
        target_percent: the utilisation that autoscaling maintains.
    """
    if not uses:
        return not_checked(CAPACITY, "CloudWatch has no consumed units of the tables", "repeat it after some traffic")
    on_demand = sum(use.on_demand_usd(prices) for use in uses)
    scaled = sum(use.provisioned_usd(prices, target_percent) for use in uses)
    findings = [_full(use.table, kind, units, env) for use in uses for kind, units in _full_units(use)]
    now, other = (scaled, on_demand) if provisioned else (on_demand, scaled)
    if now - other >= LEAST_SAVING_USD and not findings:
        findings.append(_cheaper(uses, now, other, env, provisioned=provisioned))
    return found(
        CAPACITY,
        findings,
        f"{', '.join(use.table for use in uses)}: {on_demand:.2f} USD a month on demand, {scaled:.2f} USD provisioned",
    )


def _full_units(use: TableUse) -> list[tuple[str, UnitsUse]]:
    return [(kind, units) for kind, units in (("reads", use.reads), ("writes", use.writes)) if units.is_full]


def _full(table: str, kind: str, units: UnitsUse, env: str) -> Finding:
    wanted = ceil(2 * units.peak_per_second)
    setting = f"[{env}.stores.units.{table}] most_{kind} = {wanted}"
    return Finding(
        CAPACITY,
        f"{table} {kind}",
        Severity.HIGH,
        Owner.OPERATORS,
        f"the busiest minute consumed {units.peak_per_second:.1f} of {units.most} {kind} a second",
        {"peak_per_second": round(units.peak_per_second, 1), "most": units.most or 0},
        f"set {setting} in environments.toml, then npx cdk deploy",
        setting=setting,
    )


def _cheaper(uses: Sequence[TableUse], now: float, other: float, env: str, *, provisioned: bool) -> Finding:
    setting = f'[{env}.stores] capacity = "{"on-demand" if provisioned else "provisioned"}"'
    units = (
        ""
        if provisioned
        else "; "
        + "; ".join(
            f"[{env}.stores.units.{use.table}] most_reads = {max(1, ceil(2 * use.reads.peak_per_second))}, "
            f"most_writes = {max(1, ceil(2 * use.writes.peak_per_second))}"
            for use in uses
        )
    )
    return Finding(
        CAPACITY,
        "all tables",
        Severity.LOW,
        Owner.OPERATORS,
        f"the units cost {now:.2f} USD a month, and {other:.2f} USD with the other capacity",
        {
            "reads_per_month": round(sum(use.reads.per_month for use in uses)),
            "writes_per_month": round(sum(use.writes.per_month for use in uses)),
            "now_usd_per_month": round(now, 2),
            "then_usd_per_month": round(other, 2),
        },
        f"set {setting}{units} in environments.toml, then npx cdk deploy",
        setting=f"{setting}{units}",
        saving_usd_per_month=round(now - other, 2),
    )
