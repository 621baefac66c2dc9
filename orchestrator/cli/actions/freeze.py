"""The commands `freeze` and `unfreeze`."""

from __future__ import annotations

from orchestrator.cli.context import Context
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.deployment.freeze import Freeze, refuse_missing_reason


def freeze(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Refuse new deployments from now on, and print it. Raises as `freeze_environment`."""
    _print(context, *freeze_environment(context, reason, by), json=json)


def unfreeze(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Allow new deployments again, and print it. Raises as `unfreeze_environment`."""
    _print(context, *unfreeze_environment(context, reason, by), json=json)


def freeze_environment(context: Context, reason: str, by: str) -> tuple[Freeze, str]:
    """Refuse new deployments from now on; return the freeze, and what happens now in words.

    The freeze is written first, then its event and its announcement. If one of these fails, the same call again makes up
    for it.

    Raises:
        Refused: the reason is empty, or the environment is already frozen.
    """
    refuse_missing_reason("--reason", reason)
    cloud = context.cloud
    frozen = _announce_earlier(context)
    if frozen is None or not frozen.is_active or (frozen.by, frozen.reason) != (by, reason):
        frozen = _announce(context, cloud.freezes.freeze(by, reason, cloud.now()))
    lock = cloud.ledger.read_lock()
    message = f"{context.name} is {frozen.description}"
    if lock.held:
        message += f"; {lock.deployment} is in progress and continues: `orchestrator abort` rolls it back"
    return frozen, f"{message}{_not_announced(frozen)}"


def unfreeze_environment(context: Context, reason: str, by: str) -> tuple[Freeze, str]:
    """Allow new deployments again; return the freeze that has ended, and what happens now in words.

    It is repeatable as `freeze_environment` is.

    Raises:
        Refused: the reason is empty, or the environment is not frozen.
    """
    refuse_missing_reason("--reason", reason)
    cloud = context.cloud
    lifted = _announce_earlier(context)
    if lifted is None or lifted.is_active or (lifted.unfrozen_by, lifted.unfreeze_reason) != (by, reason):
        lifted = _announce(context, cloud.freezes.unfreeze(by, reason, cloud.now()))
    return lifted, f"{context.name} is no longer {lifted.description}{_not_announced(lifted)}"


def _announce_earlier(context: Context) -> Freeze | None:
    """Announce what an earlier command has written and not announced; return it, or None if there is nothing."""
    freeze = context.cloud.freezes.read_freeze()
    return None if freeze is None or freeze.announced else _announce(context, freeze)


def _announce(context: Context, freeze: Freeze) -> Freeze:
    """Record and announce a freeze, or its end; return it, marked if the bus has accepted the event.

    The record of the event has the time of the freeze, so a repetition writes no second one.
    """
    cloud = context.cloud
    if freeze.unfrozen_at is None:
        record_action(context, f"freeze-{freeze.at.isoformat()}", "freeze", freeze.description, at=freeze.at)
        deployment = cloud.ledger.read_lock().deployment
        accepted = cloud.announce("EnvironmentFrozen", deployment, by=freeze.by, reason=freeze.reason)
    else:
        by, reason = freeze.unfrozen_by, freeze.unfreeze_reason
        why = f"unfrozen by {by}: {reason} (it was {freeze.description})"
        at = freeze.unfrozen_at
        record_action(context, f"unfreeze-{at.isoformat()}", "unfreeze", why, at=at)
        accepted = cloud.announce("EnvironmentUnfrozen", "", by=by, reason=reason)
    return cloud.freezes.mark_announced(freeze) if accepted else freeze


def _not_announced(freeze: Freeze) -> str:
    if freeze.announced:
        return ""
    event = "EnvironmentFrozen" if freeze.is_active else "EnvironmentUnfrozen"
    return f"; EventBridge has not accepted {event}: run the command again"


def _print(context: Context, freeze: Freeze, message: str, *, json: bool) -> None:
    if json:
        print_json({"environment": context.name, "frozen": freeze.is_active, "freeze": freeze})
    else:
        console().print(message, markup=False)
