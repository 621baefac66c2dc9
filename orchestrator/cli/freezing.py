"""Freezing an environment and lifting the freeze."""

from __future__ import annotations

from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console
from orchestrator.domain.freeze import Freeze, refuse_no_reason
from orchestrator.domain.records import Signal


def freeze(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Let no deployment begin from now on.

    Raises:
        Refused: no reason is given, or it is frozen already.
    """
    refuse_no_reason("--reason", reason)
    cloud = context.cloud
    frozen, claim = cloud.freezes.freeze(by, reason, cloud.now()), cloud.ledger.claim()
    _keep(context, "freeze", frozen.told)
    cloud.announce("EnvironmentFrozen", claim.deployment, by=by, reason=reason)
    told = f"{context.name} is {frozen.told}"
    if claim.held:
        told += f"; {claim.deployment} is under way and goes on: `orchestrator abort` takes it back"
    _tell(context, frozen, told, json=json)


def thaw(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Let deployments begin again.

    Raises:
        Refused: no reason is given, or nothing is frozen.
    """
    refuse_no_reason("--reason", reason)
    cloud = context.cloud
    lifted = cloud.freezes.thaw(by, reason, cloud.now())
    _keep(context, "thaw", f"lifted by {by}: {reason} (it was {lifted.told})")
    cloud.announce("EnvironmentThawed", "", by=by, reason=reason)
    _tell(context, lifted, f"{context.name} is no longer {lifted.told}", json=json)


def _keep(context: Context, name: str, why: str) -> None:
    at = context.cloud.now()
    context.cloud.ledger.signal(Signal(f"{name}-{at.isoformat()}", at, "person", name, acted=True, why=why))


def _tell(context: Context, freeze: Freeze, told: str, *, json: bool) -> None:
    if json:
        as_json({"environment": context.name, "frozen": freeze.holds, "freeze": freeze})
    else:
        console().print(told, markup=False)
