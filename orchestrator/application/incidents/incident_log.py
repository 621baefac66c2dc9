"""Changes of incidents: read the register, decide, write in one transaction, and announce what was written.

The bus may fail after the write. So the register notes which entries were announced, and the reconcile handler announces
the rest. Events are put before they are noted: an event may come twice, but none is lost, and notifications recognize a
repetition by their dedup keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.domain.errors import OrchestratorError, Throttled
from orchestrator.domain.incidents.announcements import events_of
from orchestrator.domain.incidents.incident import Draft, Incident, append, replay
from orchestrator.domain.incidents.paging import PAGES, due_drafts
from orchestrator.domain.incidents.policy import IncidentPolicy, decode_policy
from orchestrator.domain.incidents.regions import forget_losses, signal_of_settings
from orchestrator.domain.incidents.register import Change, Register, after_change, announced, receive_signal
from orchestrator.domain.incidents.signals import Signal, signal_of
from orchestrator.domain.maintenance.effects import silences_incident

ATTEMPTS = 10
"""How often a change is decided again because another writer was faster."""

Decide = Callable[[Register], Change | None]


def policy_of(cloud: Cloud) -> IncidentPolicy:
    """Return the environment's settings of incidents."""
    return decode_policy(cloud.settings["INCIDENTS"])


def read_open_incidents(cloud: Cloud) -> list[Incident]:
    """Return the incidents that are not resolved, oldest first."""
    causes = cloud.incidents.read_register().causes.values()
    return [
        cloud.incidents.read_incident(name) for name in sorted(one.incident for one in causes if not one.resolved_at)
    ]


def receive_event(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Have an event of the bus or of an alarm open, continue or resolve an incident, and page at once if one is due.

    A duplicate changes nothing, and announces what its first delivery could not.

    Returns:
        What it did, for the log.

    Raises:
        Throttled, Unreachable: the ledger or the bus did not answer; the event is delivered again.
    """
    signal = signal_of(event, cloud.environment)
    if signal is None:
        return "the event is about no incident"
    return apply_signal(signal, cloud)


def apply_signal(signal: Signal, cloud: Cloud) -> str:
    """Have a signal open, continue or resolve the incident of its cause, and page at once if a page is due.

    A failover calls it with `regions.region_lost` when it begins, and with `regions.region_replaced` when the service
    runs in the other region. A repetition changes nothing.

    Returns:
        What it did, for the log.

    Raises:
        Throttled, Unreachable: the ledger or the bus did not answer; call it again.
    """
    policy = policy_of(cloud)
    incident = change_incident(
        cloud,
        lambda register: receive_signal(signal, register, cloud.incidents.read_incident, policy, cloud.now()),
    )
    if incident is None:
        known = cloud.incidents.read_register().causes.get(signal.cause)
        if known is not None:
            attend_incident(cloud, known.incident)
        return f"{signal.subject}: nothing changes"
    attend_incident(cloud, incident.id)
    return f"{signal.subject}: {incident.id} is {incident.state}"


def change_incident(cloud: Cloud, decide: Decide) -> Incident | None:
    """Write a change; return the incident afterwards, or None if no incident changed.

    Args:
        cloud: the environment.
        decide: decides from the register, and is called again if another writer was faster.

    Raises:
        Refused: `decide` refuses it.
        Throttled: other writers were always faster.
    """
    for _ in range(ATTEMPTS):
        change = decide(cloud.incidents.read_register())
        if change is None:
            return None
        now = cloud.now()
        if not change.drafts:
            if cloud.incidents.commit(after_change(change, None, now), ()):
                return None
            continue
        incident, entries = append(change.incident_id, change.incident, change.drafts, now)
        if cloud.incidents.commit(after_change(change, incident, now), entries):
            return incident
    raise Throttled(f"an incident could not be changed in {ATTEMPTS} attempts: other writers were always faster")


def command_incident(
    cloud: Cloud, incident_id: str, decide: Callable[[Incident, Register], Sequence[Draft] | Change]
) -> Incident:
    """Carry out a person's command to an incident, announce it, and return the incident.

    Args:
        cloud: the environment.
        incident_id: the incident.
        decide: the command: its entries, or a whole change.

    Raises:
        Refused: there is no such incident, or the command is refused.
        Throttled: other writers were always faster.
    """

    def change(register: Register) -> Change:
        incident = cloud.incidents.read_incident(incident_id)
        decided = decide(incident, register)
        return decided if isinstance(decided, Change) else Change(register, incident_id, incident, tuple(decided))

    incident = change_incident(cloud, change)
    assert incident is not None, "a command has entries"
    announce_soon(cloud, incident.id)
    return incident


def announce_soon(cloud: Cloud, incident_id: str) -> None:
    """Page and announce what a person's command made due. What fails is left to the reconcile handler, within a minute."""
    try:
        attend_incident(cloud, incident_id)
    except (OrchestratorError, ClientError) as error:
        logger.warning("an incident is announced later", extra={"incident": incident_id, "error": str(error)})


def attend_incidents(cloud: Cloud) -> str:
    """Page, remind and announce what is due of every incident; return what failed.

    The loss of a region that the settings name opens its incident, too. A failure of one incident does not keep the others
    waiting.
    """
    try:
        register = cloud.incidents.read_register()
    except (OrchestratorError, ClientError) as error:
        return f"the register of incidents was not read: {error}"
    failures = []
    try:
        _follow_settings(register, cloud)
    except (OrchestratorError, ClientError) as error:
        failures.append(f"the lost region of the settings: {error}")
    for incident_id in sorted(register.attended):
        try:
            attend_incident(cloud, incident_id)
        except (OrchestratorError, ClientError) as error:
            failures.append(f"{incident_id}: {error}")
    return "; ".join(failures)


def _follow_settings(register: Register, cloud: Cloud) -> None:
    """Report the loss of a region that the settings name, or its end."""
    lost = cloud.settings["LOST_REGION"]
    signal = signal_of_settings(register, lost, cloud.settings["AWS_REGION"], cloud.now())
    if signal is not None:
        apply_signal(signal, cloud)
    elif forget_losses(register, lost):
        change_incident(cloud, lambda current: forget_losses(current, lost))


def attend_incident(cloud: Cloud, incident_id: str) -> None:
    """Append what is due of an incident, and announce its entries. A second call at the same time changes nothing.

    Raises:
        Throttled, Unreachable: the ledger or the bus did not answer. The next call continues.
    """
    policy = policy_of(cloud)

    def due(register: Register) -> Change | None:
        incident = cloud.incidents.read_incident(incident_id)
        drafts = due_drafts(incident, policy, cloud.now())
        if any(draft.kind in PAGES for draft in drafts) and _is_silenced(cloud, incident):
            drafts = tuple(draft for draft in drafts if draft.kind not in PAGES)
        return Change(register, incident_id, incident, drafts) if drafts else None

    change_incident(cloud, due)
    _announce_entries(cloud, incident_id)


def _is_silenced(cloud: Cloud, incident: Incident) -> bool:
    """Return whether a maintenance window silences the pages of an incident. They are due when it ends."""
    return silences_incident(cloud.maintenance.read_schedule(), incident, cloud.environment, cloud.now())


def _announce_entries(cloud: Cloud, incident_id: str) -> None:
    """Put the events of an incident that have not been announced on the bus, in order, and note it."""
    register = cloud.incidents.read_register()
    entries = cloud.incidents.read_entries(incident_id)
    number = len(entries)
    for event in events_of(entries, register.attended.get(incident_id, number)):
        cloud.bus.put_event(event.detail_type, {"environment": cloud.environment, **event.detail})

    def noted(current: Register) -> Change | None:
        after = announced(current, replay(cloud.incidents.read_entries(incident_id)), number)
        return Change(after) if after else None

    change_incident(cloud, noted)
