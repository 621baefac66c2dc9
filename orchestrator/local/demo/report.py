"""The demo's report of a deployment, from its ledger record and its clients' responses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.deployment.record import Deployment, EventRecord
from orchestrator.local.traffic_observations import ObservedResponse


def deployment_report(
    deployment: Deployment, responses: Sequence[ObservedResponse], events: Sequence[EventRecord]
) -> dict[str, Any]:
    """Return the report of one deployment.

    Args:
        deployment: its final record in the ledger.
        responses: the responses that clients received while it ran, in order.
        events: the event records of the event handlers, newest first.
    """
    report: dict[str, Any] = {
        "deployment": deployment.id,
        "strategy": deployment.plan.strategy,
        "outcome": deployment.outcome,
        "reason": deployment.reason,
        "steps": _steps(deployment, responses),
        "requests": len(responses),
        "bad_responses": sum(response.bad for response in responses),
    }
    if deployment.rollback:
        report["rollback"] = _rollback(deployment, responses, events)
    return report


def _steps(deployment: Deployment, responses: Sequence[ObservedResponse]) -> list[dict[str, Any]]:
    reverted_at = deployment.rollback.reverted_at if deployment.rollback else None
    ends = [*(shift.at for shift in deployment.shifts[1:]), reverted_at or deployment.ended_at or datetime.now(UTC)]
    canaries = {function.name: function.canary_version for function in deployment.functions if function.changed}
    steps = []
    for shift, end in zip(deployment.shifts, ends, strict=False):  # without a shift there is one end and no step
        received = [
            response
            for response in responses
            if response.function in canaries and shift.at.timestamp() <= response.at < end.timestamp()
        ]
        by_canary = sum(response.version == canaries[response.function] for response in received)
        steps.append(
            {
                "weight_percent": shift.weight_percent,
                "observed_percent": round(100 * by_canary / len(received), 1) if received else None,
                "requests": len(received),
                "seconds": round((end - shift.at).total_seconds(), 1),
            }
        )
    return steps


def _rollback(
    deployment: Deployment, responses: Sequence[ObservedResponse], events: Sequence[EventRecord]
) -> dict[str, Any]:
    rollback, since = deployment.rollback, deployment.first_shift_at
    assert rollback is not None, "the caller has checked"
    canaries = {function.name: function.canary_version for function in deployment.functions if function.changed}
    bad = [
        response.at for response in responses if response.bad and canaries.get(response.function) == response.version
    ]
    served = [response.at for response in responses if canaries.get(response.function) == response.version]
    alarm = next((event for event in events if event.acted and event.deployment == deployment.id), None)
    reverted = rollback.reverted_at.timestamp() if rollback.reverted_at else None
    first_bad = min(bad, default=None)
    return {
        "trigger": rollback.trigger.source,
        "shifted_at": since.isoformat() if since else None,
        "first_bad_response_at": _iso(first_bad),
        "alarm_at": alarm.at.isoformat() if alarm else None,
        "alarm": alarm.name if alarm else None,
        "all_aliases_reverted_at": _iso(reverted),
        "last_response_of_canary_at": _iso(max(served, default=None)),
        "seconds_from_first_bad_response": round(reverted - first_bad, 2) if reverted and first_bad else None,
        "seconds_from_alarm": round(reverted - alarm.at.timestamp(), 2) if reverted and alarm else None,
    }


def _iso(at: float | None) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat() if at is not None else None
