"""What a deployment came to, as its ledger record and its clients saw it; the demo writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.records import Deployment, Signal
from orchestrator.local.observations import Response


def report_of(deployment: Deployment, responses: Sequence[Response], signals: Sequence[Signal]) -> dict[str, Any]:
    """Put one deployment together.

    Args:
        deployment: as the ledger has it at its end.
        responses: what the clients got while it ran, in order.
        signals: events that reached the intakes, newest first.
    """
    report: dict[str, Any] = {
        "deployment": deployment.id,
        "strategy": deployment.plan.strategy,
        "outcome": deployment.ending,
        "reason": deployment.reason,
        "steps": _steps(deployment, responses),
        "requests": len(responses),
        "bad_responses": sum(response.bad for response in responses),
    }
    if deployment.rollback:
        report["rollback"] = _rollback(deployment, responses, signals)
    return report


def _steps(deployment: Deployment, responses: Sequence[Response]) -> list[dict[str, Any]]:
    restored = deployment.rollback.restored_at if deployment.rollback else None
    ends = [*(shift.at for shift in deployment.shifts[1:]), restored or deployment.ended_at or datetime.now(UTC)]
    canaries = {one.name: one.canary_version for one in deployment.functions if one.changed}
    steps = []
    for shift, end in zip(deployment.shifts, ends, strict=False):  # without a shift there is an end and no step
        seen = [
            response
            for response in responses
            if response.function in canaries and shift.at.timestamp() <= response.at < end.timestamp()
        ]
        by_canary = sum(response.version == canaries[response.function] for response in seen)
        steps.append(
            {
                "weight_percent": shift.weight_percent,
                "observed_percent": round(100 * by_canary / len(seen), 1) if seen else None,
                "requests": len(seen),
                "seconds": round((end - shift.at).total_seconds(), 1),
            }
        )
    return steps


def _rollback(deployment: Deployment, responses: Sequence[Response], signals: Sequence[Signal]) -> dict[str, Any]:
    rollback, since = deployment.rollback, deployment.first_shift_at
    assert rollback is not None, "the caller has looked"
    canaries = {one.name: one.canary_version for one in deployment.functions if one.changed}
    bad = [
        response.at for response in responses if response.bad and canaries.get(response.function) == response.version
    ]
    served = [response.at for response in responses if canaries.get(response.function) == response.version]
    alarm = next((signal for signal in signals if signal.acted and signal.deployment == deployment.id), None)
    restored = rollback.restored_at.timestamp() if rollback.restored_at else None
    first_bad = min(bad, default=None)
    return {
        "trigger": rollback.trigger.source,
        "shifted_at": since.isoformat() if since else None,
        "first_bad_response_at": _iso(first_bad),
        "alarm_at": alarm.at.isoformat() if alarm else None,
        "alarm": alarm.name if alarm else None,
        "all_aliases_restored_at": _iso(restored),
        "last_response_of_canary_at": _iso(max(served, default=None)),
        "seconds_from_first_bad_response": round(restored - first_bad, 2) if restored and first_bad else None,
        "seconds_from_alarm": round(restored - alarm.at.timestamp(), 2) if restored and alarm else None,
    }


def _iso(at: float | None) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat() if at is not None else None
