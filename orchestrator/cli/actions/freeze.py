"""The commands `freeze` and `unfreeze`."""

from __future__ import annotations

from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.freeze import Freeze, refuse_missing_reason
from orchestrator.domain.deployment.record import EventRecord


def freeze(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Refuse new deployments from now on, and print it. Raises as `freeze_environment`."""
    _print(context, *freeze_environment(context, reason, by), json=json)


def unfreeze(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Allow new deployments again, and print it. Raises as `unfreeze_environment`."""
    _print(context, *unfreeze_environment(context, reason, by), json=json)


def freeze_environment(context: Context, reason: str, by: str) -> tuple[Freeze, str]:
    """Refuse new deployments from now on; return the freeze, and what happens now in words.

    Raises:
        Refused: the reason is empty, or the environment is already frozen.
    """
    refuse_missing_reason("--reason", reason)
    cloud = context.cloud
    frozen, lock = cloud.freezes.freeze(by, reason, cloud.now()), cloud.ledger.read_lock()
    _record_event(context, "freeze", frozen.description)
    cloud.announce("EnvironmentFrozen", lock.deployment, by=by, reason=reason)
    message = f"{context.name} is {frozen.description}"
    if lock.held:
        message += f"; {lock.deployment} is in progress and continues: `orchestrator abort` rolls it back"
    return frozen, message


def unfreeze_environment(context: Context, reason: str, by: str) -> tuple[Freeze, str]:
    """Allow new deployments again; return the freeze that has ended, and what happens now in words.

    Raises:
        Refused: the reason is empty, or the environment is not frozen.
    """
    refuse_missing_reason("--reason", reason)
    cloud = context.cloud
    lifted = cloud.freezes.unfreeze(by, reason, cloud.now())
    _record_event(context, "unfreeze", f"unfrozen by {by}: {reason} (it was {lifted.description})")
    cloud.announce("EnvironmentUnfrozen", "", by=by, reason=reason)
    return lifted, f"{context.name} is no longer {lifted.description}"


def _record_event(context: Context, name: str, why: str) -> None:
    at = context.cloud.now()
    context.cloud.ledger.record_event(EventRecord(f"{name}-{at.isoformat()}", at, "person", name, acted=True, why=why))


def _print(context: Context, freeze: Freeze, message: str, *, json: bool) -> None:
    if json:
        print_json({"environment": context.name, "frozen": freeze.is_active, "freeze": freeze})
    else:
        console().print(message, markup=False)
