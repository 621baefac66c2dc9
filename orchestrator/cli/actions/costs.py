"""The command `cost`: the estimated cost of an environment, with its assumptions."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator import environments
from orchestrator.application import prices
from orchestrator.cli.extras import require
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.cost.estimate import (
    Estimate,
    Usage,
    estimate_deployment,
    estimate_drill,
    estimate_month,
    task_memory_mb,
)
from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import BackupKind, exports_of
from orchestrator.domain.recovery.policy import RecoveryPolicy
from state_machines import definitions


@dataclass(frozen=True)
class CostEstimate:
    """The estimated cost of an environment, with its assumptions.

    Attributes:
        estimates: of a month without deployments and drills, of one deployment, and of one drill of point-in-time
            recovery and of a backup.
        scheduled: drills of other kinds of backup that their schedules start in a month, on average.
        total_usd: of a month with its deployments and drills.
    """

    environment: environments.Environment
    usage: Usage
    prices: Prices
    estimates: tuple[Estimate, Estimate, Estimate, Estimate]
    scheduled: Mapping[str, float]
    total_usd: float

    def to_json(self) -> dict[str, Any]:
        """Return what `cost --json` prints."""
        return {
            "environment": self.environment.name,
            "region": self.prices.region,
            "prices": {"as_of": self.prices.as_of, "source": self.prices.source},
            "usd_per_month": round(self.total_usd, 2),
            "budget_usd_per_month": self.environment.budget.monthly_usd,
            "scheduled_drills_per_month": {kind: round(runs, 2) for kind, runs in self.scheduled.items()},
            "assumptions": asdict(self.usage),
            "estimates": [_estimate_object(estimate) for estimate in self.estimates],
        }


def estimate_cost(env: str, assembly: Path | None, changes: Mapping[str, float | None], *, json: bool) -> None:
    """Estimate the cost of a month, a deployment and a drill, and print it. Raises as `read_estimate`."""
    estimate = read_estimate(env, assembly, changes)
    if json:
        print_json(estimate.to_json())
        return
    _show(console(), estimate)


def read_estimate(env: str, assembly: Path | None, changes: Mapping[str, float | None]) -> CostEstimate:
    """Estimate the cost of a month, a deployment and a drill. Needs no cloud.

    Args:
        env: the environment's name.
        assembly: the cloud assembly to estimate; None synthesises one.
        changes: assumptions that replace the settings; None keeps a setting.

    Raises:
        Refused: there is no such environment or assembly, or an assumption is invalid.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    environment = environments.load(env)
    overrides = {key: value for key, value in changes.items() if value is not None}
    usage = Usage.parse({**environment.usage, **overrides}, f"{env}.usage")
    region = prices.load_prices(environment.region)
    estimates = estimates_of(environment, templates_in(assembly or _synthesised(env), env), usage, region)
    month, deployment, drill, backup_drill = estimates
    scheduled = drills_by_kind(environment, datetime.now(UTC))
    drills_usd = usage.drills_per_month * drill.usd + sum(scheduled.values()) * backup_drill.usd
    total_usd = month.usd + usage.deployments_per_month * deployment.usd + drills_usd
    return CostEstimate(environment, usage, region, estimates, scheduled, total_usd)


def drills_by_kind(environment: environments.Environment, now: datetime) -> Mapping[str, float]:
    """Return how many drills of other kinds of backup are scheduled in a month, on average, by kind."""
    drills = RecoveryPolicy.parse(environment.recovery).drills
    return {kind.value: drill.per_month(now) for kind, drill in drills.items()}


def estimates_of(
    environment: environments.Environment, templates: Sequence[Mapping[str, Any]], usage: Usage, region: Prices
) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    """Return the estimates of a month without deployments and drills, of one default deployment, and of drills.

    The drills are one of point-in-time recovery, and one of a backup that is older than the streams.
    """
    policy = DeliveryPolicy.parse(environment.delivery)
    plan, memory = Plan.from_strategy(read_strategy(None, policy), policy), task_memory_mb(templates)
    functions = environment.service.functions.values()
    states = len(definitions.load("drill").states)
    point_exports = 1 if environment.recovery["source_at_point"] == "export" else 0
    backup_exports = exports_of(BackupKind.VAULT)
    warm_mb = sum(function.memory_mb * function.provisioned_concurrency for function in functions)
    return (
        estimate_month(
            templates,
            usage,
            region,
            retention_days=environment.log_retention_days,
            warm_mb=warm_mb,
        ),
        estimate_deployment(plan, memory, usage, region, warm_mb=warm_mb),
        estimate_drill(states, memory, usage, region, exports=point_exports),
        estimate_drill(states, memory, usage, region, exports=backup_exports, what="a drill of a backup"),
    )


def templates_in(assembly: Path, env: str) -> list[Mapping[str, Any]]:
    """Return the templates of an environment's stacks in a cloud assembly.

    Raises:
        Refused: the assembly has none, or one cannot be read.
    """
    files = sorted(assembly.glob(f"*-{env}.template.json"))
    if not files:
        raise Refused("--assembly", str(assembly), f"name a folder that `npx cdk synth -c environment={env}` wrote")
    try:
        return [jsonlib.loads(file.read_bytes()) for file in files]
    except (OSError, ValueError) as error:
        remedy = f"synthesise again: a template cannot be read ({type(error).__name__})"
        raise Refused("--assembly", str(assembly), remedy) from error


def _synthesised(env: str) -> Path:
    require("infrastructure")
    from orchestrator.local.cdk_deploy import synthesise  # noqa: PLC0415 - not needed for an existing assembly

    return synthesise({"environment": env, "without_code": "yes"})


def _estimate_object(estimate: Estimate) -> Mapping[str, Any]:
    return {
        "what": estimate.what,
        "usd": round(estimate.usd, 4),
        "usd_at_prices_not_looked_up": round(estimate.unchecked_usd, 4),
        "not_estimated": estimate.not_estimated,
        "charges": [
            {
                "what": charge.what,
                "usd": round(charge.usd, 6),
                "amount": round(charge.amount, 6),
                "unit": charge.price.unit,
                "usd_per_unit": charge.price.usd,
                "sku": charge.price.sku,
                "because": charge.because,
            }
            for charge in estimate.charges
        ],
    }


def _show(screen: Console, cost: CostEstimate) -> None:
    environment, usage, region = cost.environment, cost.usage, cost.prices
    for estimate in cost.estimates:
        screen.print(f"{estimate.what}: {usd_in_words(estimate.usd)}", style="bold", markup=False)
        rows = [
            (usd_in_words(charge.usd), charge.what, f"{charge.amount:,.4g} {charge.price.unit}", charge.because)
            for charge in sorted(estimate.charges, key=lambda charge: -charge.usd)
        ]
        screen.print(text_table(("USD", "for", "amount", "because"), rows))
        if estimate.not_estimated:
            screen.print(f"not estimated: {', '.join(estimate.not_estimated)}", markup=False)
        screen.print()
    screen.print(
        f"{environment.name} per month, with {usage.deployments_per_month:g} deployments and "
        f"{usage.drills_per_month:g} drills{_in_words(cost.scheduled)}: {usd_in_words(cost.total_usd)}; the budget is {environment.budget.monthly_usd} USD",
        style="bold",
        markup=False,
    )
    unverified = sum(estimate.unchecked_usd for estimate in cost.estimates)
    screen.print(
        f"Assumptions: {', '.join(f'{key} {value:,.10g}' for key, value in asdict(usage).items())} (environments.toml, "
        f"[….usage]). Prices: {region.source}, {region.as_of}, without free tiers. {usd_in_words(unverified)} of the estimates "
        "use prices that were not looked up (orchestrator/application/prices.toml).",
        markup=False,
    )


def _in_words(scheduled: Mapping[str, float]) -> str:
    return "".join(f", {runs:.3g} of kind {kind}" for kind, runs in scheduled.items())


def usd_in_words(amount: float) -> str:
    """Return an amount in US dollars, a small one with four decimals."""
    return f"{amount:,.2f} USD" if amount >= 1 else f"{amount:.4f} USD"
