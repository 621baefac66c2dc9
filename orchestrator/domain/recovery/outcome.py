"""The outcome of a recovery in messages and lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.domain.deployment.outcome import cause_of
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryAction, RecoveryDecision
from orchestrator.domain.texts import measured_seconds
from orchestrator.domain.verdict import Outcome


def recovery_message(
    recovery_id: str,
    kind: Kind,
    environment: str,
    recovery: Recovery | None,
    decision: RecoveryDecision,
    error: Mapping[str, str],
) -> tuple[str, str]:
    """Return subject and text of the message about a recovery's end."""
    outcome = (recovery.outcome if recovery else None) or (
        RecoveryAction.REFUSED if recovery is None else RecoveryAction.FAILED
    )
    lines = [f"{kind.title()} {recovery_id} of {environment}: {outcome}.", decision.reason]
    if error:
        lines.append(f"It ended with an error: {cause_of(error)}")
    if recovery is not None:
        action = (
            f"Failback of restore {recovery.failback_of}"
            if recovery.failback_of
            else f"Restored to {recovery.point.isoformat()}"
        )
        lines.append(f"{action}; requested by {recovery.requested_by}.")
        lines += [f"{result.check}: {result.verdict.reason}" for result in failed_checks(recovery)]
        lines += [f"{name}: {words}" for name, words in objectives_in_words(recovery).items()]
    lines.append(f"orchestrator explain {recovery_id} --env {environment}")
    return f"{environment}: {kind} {outcome.lower()}", "\n".join(lines)


def failed_checks(recovery: Recovery) -> tuple[CheckResult, ...]:
    """Return the check results that are not PASS."""
    return tuple(result for result in recovery.check_results if result.verdict.outcome is not Outcome.PASS)


def summary_of(recovery: Recovery) -> Mapping[str, Any]:
    """Return a recovery as an entry of a list."""
    return {
        "recovery": recovery.id,
        "kind": recovery.kind,
        "requested_at": recovery.requested_at,
        "requested_by": recovery.requested_by,
        "point": recovery.point,
        "outcome": recovery.outcome,
        "reason": recovery.reason,
        "ended_at": recovery.ended_at,
    }


def objectives_in_words(recovery: Recovery) -> Mapping[str, str]:
    """Return the measured values next to the objectives."""
    measured, promised = recovery.measured, recovery.objectives
    return {
        "recovery time": _measured_and_promised(measured.recovery_time, promised.recovery_time),
        "data loss": _measured_and_promised(measured.data_loss, promised.data_loss),
    }


def _measured_and_promised(measured: timedelta | None, promised: timedelta) -> str:
    words = measured_seconds(measured)
    return f"{words}, objective {promised.total_seconds():.0f} s"
