"""What an environment is expected to cost, and what that rests on."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

import environments
from orchestrator import prices
from orchestrator.cli.output import as_json, console, table_of
from orchestrator.domain.cost import Estimate, Usage, deployment_of, drill_of, month_of, task_memory_mb
from orchestrator.domain.errors import Refused
from orchestrator.domain.plan import Plan
from orchestrator.domain.policy import DeliveryPolicy
from orchestrator.domain.prices import Prices
from orchestrator.domain.strategy import read_strategy
from state_machines import definitions


def cost(env: str, assembly: Path | None, changes: Mapping[str, float | None], *, json: bool) -> None:
    """Estimate a month, a deployment and a drill; needs no cloud.

    Args:
        env: the environment.
        assembly: a cloud assembly whose templates are estimated; otherwise they are synthesised.
        changes: assumptions that differ from the settings this once; None where they do not.
        json: print one JSON object.

    Raises:
        Refused: there is no such environment or assembly, or an assumption makes no sense.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    environment = environments.load(env)
    given = {key: value for key, value in changes.items() if value is not None}
    usage = Usage.parse({**environment.usage, **given}, f"{env}.usage")
    region = prices.load(environment.region)
    estimates = estimates_of(environment, templates_in(assembly or _synthesised(env), env), usage, region)
    month, deployment, drill = estimates
    together = month.usd + usage.deployments_per_month * deployment.usd + usage.drills_per_month * drill.usd
    if json:
        as_json(
            {
                "environment": env,
                "region": region.region,
                "prices": {"as_of": region.as_of, "source": region.source},
                "usd_per_month": round(together, 2),
                "budget_usd_per_month": environment.budget.monthly_usd,
                "assumptions": asdict(usage),
                "estimates": [_told(estimate) for estimate in estimates],
            }
        )
        return
    _show(console(), environment, usage, region, estimates, together)


def estimates_of(
    environment: environments.Environment, templates: Sequence[Mapping[str, Any]], usage: Usage, region: Prices
) -> tuple[Estimate, Estimate, Estimate]:
    """A month without deployments and drills, one deployment by the default strategy, and one drill."""
    policy = DeliveryPolicy.parse(environment.delivery)
    plan, memory = Plan.of(read_strategy(None, policy), policy), task_memory_mb(templates)
    functions = environment.service.functions.values()
    warm_mb = sum(one.memory_mb * one.provisioned_concurrency for one in functions)
    return (
        month_of(
            templates,
            usage,
            region,
            retention_days=environment.log_retention_days,
            warm_mb=warm_mb,
        ),
        deployment_of(plan, memory, usage, region, warm_mb=warm_mb),
        drill_of(
            len(definitions.load("drill").states),
            memory,
            usage,
            region,
            by_export=environment.recovery["source_at_point"] == "export",
        ),
    )


def templates_in(assembly: Path, env: str) -> list[Mapping[str, Any]]:
    """The templates of an environment's stacks in a cloud assembly.

    Raises:
        Refused: there are none.
    """
    files = sorted(assembly.glob(f"*-{env}.template.json"))
    if not files:
        raise Refused("--assembly", str(assembly), f"name a folder that `cdk synth -c environment={env}` wrote")
    return [jsonlib.loads(file.read_bytes()) for file in files]


def _synthesised(env: str) -> Path:
    from orchestrator.local.stacks import synthesise  # noqa: PLC0415 - an estimate of an assembly needs no synthesis

    return synthesise({"environment": env, "without_code": "yes"})


def _told(estimate: Estimate) -> Mapping[str, Any]:
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


def _show(
    screen: Console,
    environment: environments.Environment,
    usage: Usage,
    region: Prices,
    estimates: Sequence[Estimate],
    together: float,
) -> None:
    for estimate in estimates:
        screen.print(f"{estimate.what}: {_usd(estimate.usd)}", style="bold", markup=False)
        rows = [
            (_usd(charge.usd), charge.what, f"{charge.amount:,.4g} {charge.price.unit}", charge.because)
            for charge in sorted(estimate.charges, key=lambda charge: -charge.usd)
        ]
        screen.print(table_of(("USD", "for", "amount", "because"), rows))
        if estimate.not_estimated:
            screen.print(f"not estimated: {', '.join(estimate.not_estimated)}", markup=False)
        screen.print()
    screen.print(
        f"{environment.name} a month, with {usage.deployments_per_month:g} deployments and {usage.drills_per_month:g} "
        f"drills: {_usd(together)}; its budget is {environment.budget.monthly_usd} USD",
        style="bold",
        markup=False,
    )
    rest = sum(estimate.unchecked_usd for estimate in estimates)
    screen.print(
        f"Assumed: {', '.join(f'{key} {value:,.10g}' for key, value in asdict(usage).items())} (environments.toml, "
        f"[….usage]). Prices: {region.source}, {region.as_of}, without free tiers; {_usd(rest)} of a month, a deployment and "
        "a drill rest on prices that were not looked up (orchestrator/prices.toml).",
        markup=False,
    )


def _usd(amount: float) -> str:
    return f"{amount:,.2f} USD" if amount >= 1 else f"{amount:.4f} USD"
