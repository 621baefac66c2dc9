"""The events of a deployment or a recovery, one JSON object a line: `--json` together with `--watch`.

Every line has `time` and `type`, and then the fields of the event. The first line is the request, the last the result.
docs/guides/operations.md lists the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.cli.live.snapshots import DeploymentSnapshot, RecoverySnapshot
from orchestrator.cli.rendering.deployment_timeline import pause_as_json
from orchestrator.cli.rendering.output import print_json_line
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.recovery.record import Recovery

Event = Mapping[str, Any]


def print_request(now: datetime, environment: str, **fields: object) -> None:
    """Print the first line: what is followed, in which environment, and who requested it."""
    print_json_line({"time": now, "type": "request", "environment": environment, **fields})


def print_result(now: datetime, result: Mapping[str, object]) -> None:
    """Print the last line: the object that the command prints without `--watch`, or that its end is."""
    print_json_line({"time": now, "type": "result", **result})


def deployment_events(before: DeploymentSnapshot | None, after: DeploymentSnapshot) -> list[Event]:
    """Return what happened between two snapshots, earliest first. before: None for everything so far."""
    former, now = before.deployment if before else None, after.deployment
    events: list[Event] = [] if former else [_planned(now)]
    if former is None or former.phase is not now.phase:
        events.append({"time": after.now, "type": "phase", "phase": now.phase})
    events += [
        {"time": shift.at, "type": "shift", "step": shift.step, "weight_percent": shift.weight_percent}
        for shift in now.shifts
        if former is None or shift not in former.shifts
    ]
    known = len(before.decisions) if before else 0
    events += [{"time": entry.at, "type": "decision", "decision": entry} for entry in after.decisions[known:]]
    events += _gates(former, now)
    if after.pause is not None and (before is None or before.pause != after.pause):
        events.append({"time": after.pause.since, "type": "pause", "pause": pause_as_json(now, after.pause)})
    events += [
        {"time": approval.at, "type": "approval", "by": approval.by}
        for approval in after.approvals
        if before is None or approval not in before.approvals
    ]
    events += _rollback(former, now)
    return sorted(events, key=lambda event: event["time"])


def recovery_events(before: RecoverySnapshot | None, after: RecoverySnapshot) -> list[Event]:
    """Return what happened between two snapshots of a recovery, earliest first."""
    former, now = before.recovery if before else None, after.recovery
    events: list[Event] = [] if former else [_planned_recovery(now)]
    events += [
        {"time": phase.ended, "type": "phase", "phase": phase.name, "began": phase.began}
        for phase in _complete(now)
        if former is None or phase not in _complete(former)
    ]
    events += [
        {"time": after.now, "type": "check", "check": result}
        for result in now.check_results
        if former is None or result not in former.check_results
    ]
    return sorted(events, key=lambda event: event["time"])


def _planned(deployment: Deployment) -> Event:
    plan = deployment.plan
    return {
        "time": deployment.requested_at,
        "type": "planned",
        "deployment": deployment.id,
        "requested_by": deployment.requested_by,
        "release": deployment.release.digest,
        "strategy": plan.strategy,
        "steps": plan.steps,
        "gates": [gate.description for gate in plan.gates],
        "functions": deployment.functions,
        "execution": deployment.execution,
    }


def _gates(former: Deployment | None, deployment: Deployment) -> list[Event]:
    before = former.gates if former else ()
    events: list[Event] = []
    for number, record in enumerate(deployment.gates):
        gate = deployment.plan.gates[record.gate]
        fields = {"gate": gate.name, "waits_for": gate.description}
        known = before[number] if number < len(before) else None
        if known is None:
            events.append({"time": record.reached_at, "type": "gate reached", **fields})
        if record.passed_at is not None and (known is None or known.passed_at is None):
            events.append({"time": record.passed_at, "type": "gate passed", **fields, "by": record.by})
    return events


def _rollback(former: Deployment | None, deployment: Deployment) -> list[Event]:
    rollback = deployment.rollback
    if rollback is None:
        return []
    before = former.rollback if former else None
    events: list[Event] = []
    if before is None or before.trigger != rollback.trigger:
        trigger = rollback.trigger
        events.append({"time": trigger.at, "type": "rollback", "source": trigger.source, "reason": trigger.reason})
    if rollback.locked_at is not None and (before is None or before.locked_at is None):
        events.append({"time": rollback.locked_at, "type": "lock acquired", "fencing_token": deployment.fencing_token})
    if rollback.reverted_at is not None and (before is None or before.reverted_at is None):
        events.append({"time": rollback.reverted_at, "type": "aliases reverted", "traffic_to": rollback.traffic_to})
    return events


def _planned_recovery(recovery: Recovery) -> Event:
    return {
        "time": recovery.requested_at,
        "type": "planned",
        "recovery": recovery.id,
        "kind": recovery.kind,
        "requested_by": recovery.requested_by,
        "point": recovery.point,
        "tables": [{"source": table.source, "target": table.target} for table in recovery.tables],
        "execution": recovery.execution,
    }


def _complete(recovery: Recovery) -> tuple[Any, ...]:
    """Return the phases that have ended: the last one may continue until the recovery ends."""
    return recovery.phases if recovery.ended_at is not None else recovery.phases[:-1]
