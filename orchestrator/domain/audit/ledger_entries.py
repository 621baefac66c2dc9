"""The entries of the ledger: deployments, rollbacks, recoveries, failovers, incidents, commands, overrides and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.audit.entry import SYSTEM, AuditEntry, Source
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.record import Deployment, EventRecord, OperatorCommand, RollbackTrigger
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.failover.steps import Direction
from orchestrator.domain.incidents.incident import ORCHESTRATOR, Entry
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.rollback.decision import PERSON
from orchestrator.domain.status_page.overrides import OverrideEntry

_BY = re.compile(r" by (?P<by>.+)")
_FROZEN_BY = re.compile(r"(?:un)?frozen by (?P<by>.+?)(?: since |: )")
_TRIGGERED_BY = re.compile(r"(?:.* \(by (?P<by>.+)\)|aborted by (?P<aborter>.+))", re.DOTALL)


def entries_of_deployment(
    deployment: Deployment,
    triggers: Iterable[RollbackTrigger] = (),
    command: OperatorCommand | None = None,
    approvals: Iterable[Approval] = (),
) -> Iterator[AuditEntry]:
    """Yield what happened to a deployment.

    Args:
        deployment: its record.
        triggers: what asked for its rollback.
        command: the newest operator command.
        approvals: of all its gates.
    """
    name, what = deployment.id, "repair" if deployment.repair else "deployment"
    detail = f"{deployment.plan.strategy}, release {deployment.release.digest}"
    if deployment.outside_calendar:
        detail += f", outside the calendar: {deployment.outside_calendar}"
    if deployment.requested_as:
        detail += f", with the credentials of {deployment.requested_as}"
    yield _entry(
        f"{name}/requested", deployment.requested_at, deployment.requested_by, f"{what} requested", name, detail=detail
    )
    for approval in approvals:
        yield _entry(
            f"{name}/approved/{approval.by}/{approval.at.isoformat()}", approval.at, approval.by, "approved", name
        )
    if command is not None:
        action = f"command {command.request}"
        yield _entry(f"{name}/command/{command.at.isoformat()}", command.at, command.by, action, name)
    for shift in deployment.shifts:
        key = f"{name}/shift/{shift.step}/{shift.at.isoformat()}"
        yield _entry(key, shift.at, SYSTEM, f"traffic shifted to {shift.weight_percent} %", name)
    for trigger in triggers:
        key = f"{name}/trigger/{trigger.source}/{trigger.at.isoformat()}"
        yield _entry(
            key,
            trigger.at,
            _actor_of_trigger(trigger),
            f"rollback triggered ({trigger.source})",
            name,
            detail=trigger.reason,
        )
    rollback = deployment.rollback
    if rollback is not None and rollback.reverted_at is not None:
        yield _entry(
            f"{name}/reverted", rollback.reverted_at, SYSTEM, "aliases reverted", name, detail=rollback.trigger.reason
        )
    if deployment.ended_at is not None:
        yield _entry(
            f"{name}/ended",
            deployment.ended_at,
            deployment.promoted_by or SYSTEM,
            f"{what} ended",
            name,
            outcome=str(deployment.outcome or ""),
            detail=deployment.reason,
        )


def _actor_of_trigger(trigger: RollbackTrigger) -> str:
    found = _TRIGGERED_BY.fullmatch(trigger.reason) if trigger.source == PERSON else None
    return (found["by"] or found["aborter"]) if found else SYSTEM


def entries_of_recovery(recovery: Recovery) -> Iterator[AuditEntry]:
    """Yield what happened to a drill, a restore or a failback."""
    name, what = recovery.id, "failback" if recovery.failback_of else str(recovery.kind)
    detail = f"to {recovery.point:%Y-%m-%d %H:%M:%S} UTC"
    if recovery.skip_comparison:
        detail += ", comparison skipped"
    yield _entry(
        f"{name}/requested", recovery.requested_at, recovery.requested_by, f"{what} requested", name, detail=detail
    )
    if recovery.ended_at is not None:
        outcome = str(recovery.outcome or "")
        yield _entry(
            f"{name}/ended", recovery.ended_at, SYSTEM, f"{what} ended", name, outcome=outcome, detail=recovery.reason
        )


def entries_of_failover(failover: Failover, approvals: Iterable[Approval] = ()) -> Iterator[AuditEntry]:
    """Yield what happened to a failover or a way back: its request, its approvals, each step, and its end."""
    name = failover.id
    what = "way back" if failover.direction is Direction.BACK else "failover"
    detail = f"from {failover.home} to {failover.region}: {failover.reason}"
    yield _entry(
        f"{name}/requested", failover.requested_at, failover.requested_by, f"{what} requested", name, detail=detail
    )
    for approval in approvals:
        key = f"{name}/approved/{approval.by}/{approval.at.isoformat()}"
        yield _entry(key, approval.at, approval.by, "approved", name)
    for done in failover.results:
        yield _entry(f"{name}/{done.step}", done.ended, SYSTEM, f"{what} {done.step}", name, detail=done.result)
    if failover.ended_at is not None:
        actor, outcome = failover.rejected_by or SYSTEM, str(failover.outcome or "")
        yield _entry(f"{name}/ended", failover.ended_at, actor, f"{what} ended", name, outcome=outcome)


def recorded_in(entry: AuditEntry, region: str) -> AuditEntry:
    """Return an entry of another region's ledger: it names the region, and its id is unique among those of this one."""
    detail = f"{entry.detail}; recorded in {region}" if entry.detail else f"recorded in {region}"
    return replace(entry, id=f"{region}/{entry.id}", detail=detail)


def entries_of_incident(incident_id: str, entries: Iterable[Entry]) -> Iterator[AuditEntry]:
    """Yield what happened to an incident: its opening, pages, acknowledgements, roles, updates and so on."""
    for number, entry in enumerate(entries, start=1):
        actor = SYSTEM if entry.by == ORCHESTRATOR else entry.by
        action = f"incident {entry.kind.lower().replace('_', ' ')}"
        yield _entry(f"{incident_id}/{number}", entry.at, actor, action, incident_id, detail=entry.text)


def entry_of_override(entry: OverrideEntry) -> AuditEntry:
    """Return the entry of an override of a component's state on the status page, or of its clearing."""
    override = entry.override
    key = f"status-override/{override.component}/{entry.at.isoformat()}"
    if entry.cleared:
        return _entry(key, entry.at, entry.by, "status override cleared", override.component)
    detail = f"until {override.until:%Y-%m-%d %H:%M} UTC: {override.reason}"
    action = f"status override set to {override.state}"
    return _entry(key, entry.at, entry.by, action, override.component, detail=detail)


def entry_of_event(event: EventRecord) -> AuditEntry:
    """Return the entry of an event: an operator command, an alarm, a schedule, or a request that was refused."""
    actor = actor_of_event(event)
    action = _BY.sub("", event.name) if event.source == PERSON else f"{event.source} {event.name}"
    return _entry(
        f"event/{event.id}",
        event.at,
        actor,
        action,
        event.deployment,
        outcome="acted" if event.acted else "ignored",
        detail=event.why,
    )


def actor_of_event(event: EventRecord) -> str:
    """Return who caused an event; older records of some commands do not name the person."""
    if event.source != PERSON:
        return SYSTEM
    found = _BY.search(event.name) or _FROZEN_BY.match(event.why)
    return found["by"] if found else PERSON


def _entry(
    key: str, at: datetime, actor: str, action: str, resource: str, *, outcome: str = "", detail: str = ""
) -> AuditEntry:
    return AuditEntry(at, Source.LEDGER, key, actor or SYSTEM, action, resource, outcome, detail)
