"""How a recovery came out, said to those who run the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from orchestrator.domain.ending import cause_of
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Recovery, RecoveryAction, RecoveryDecision
from orchestrator.domain.verdict import Outcome


def message_of(
    recovery_id: str,
    kind: Kind,
    environment: str,
    recovery: Recovery | None,
    decision: RecoveryDecision,
    error: Mapping[str, str],
) -> tuple[str, str]:
    """Subject and text of the message that a recovery's end is told by."""
    ending = (recovery.ending if recovery else None) or (
        RecoveryAction.REFUSED if recovery is None else RecoveryAction.RED
    )
    lines = [f"{kind.title()} {recovery_id} of {environment}: {ending}.", decision.reason]
    if error:
        lines.append(f"It did not end as it should: {cause_of(error)}")
    if recovery is not None:
        done = f"Back from restore {recovery.back}" if recovery.back else f"Restored to {recovery.point.isoformat()}"
        lines.append(f"{done}; asked for by {recovery.requested_by}.")
        lines += [f"{finding.check}: {finding.verdict.reason}" for finding in bad_findings(recovery)]
        lines += [f"{name}: {told}" for name, told in measured_in_words(recovery).items()]
    lines.append(f"orchestrator explain {recovery_id} --env {environment}")
    return f"{environment}: {kind} {ending.lower()}", "\n".join(lines)


def bad_findings(recovery: Recovery) -> tuple[Finding, ...]:
    """The findings that are not PASS."""
    return tuple(finding for finding in recovery.findings if finding.verdict.outcome is not Outcome.PASS)


def measured_in_words(recovery: Recovery) -> Mapping[str, str]:
    """What was measured beside what is promised."""
    measured, promised = recovery.measured, recovery.objectives
    return {
        "recovery time": _beside(measured.recovery_time, promised.recovery_time),
        "data loss": _beside(measured.data_loss, promised.data_loss),
    }


def _beside(found: timedelta | None, promised: timedelta) -> str:
    told = "not measured" if found is None else f"{found.total_seconds():.0f} s"
    return f"{told}, promised {promised.total_seconds():.0f} s"
