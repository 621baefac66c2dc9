"""The state of each component, decided from alarms, probes, heartbeats, incidents, maintenance and overrides.

| precedence | evidence                          | state                                                       |
|------------|-----------------------------------|-------------------------------------------------------------|
| 1          | an active override                | the override's                                              |
| 2          | an active maintenance window      | under maintenance                                           |
| 3          | an alarm of the component fires, not only for what was rolled back | latency: degraded; all others: partial outage |
|            | `FAILED_PROBES` probes in a row fail | partial outage; `LOST_PROBES`: major outage              |
|            | no heartbeat for `SILENT`         | partial outage of the components that write                 |
|            | an open incident, not only monitored | SEV1: major outage; SEV2: degraded; SEV3: as it is       |
| 4          | something of it could not be read | not known                                                   |
| 5          | none of these                     | operational                                                 |

The worst of row 3 applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.status_page.component_state import ComponentState, worst_of
from orchestrator.domain.status_page.incident_steps import Step
from orchestrator.domain.status_page.maintenance import MaintenanceWindow
from orchestrator.domain.status_page.overrides import Override
from orchestrator.domain.status_page.published_incidents import PublishedIncident
from orchestrator.domain.status_page.settings import FUNCTIONS, Component

FAILED_PROBES, LOST_PROBES = 2, 5
"""Probes that fail in a row until a component counts as partly or completely out. One that fails may be chance."""

SILENT = timedelta(minutes=3)
"""A heartbeat is written every second, by a function that starts every minute."""

PROBE_INTERVAL = timedelta(seconds=20)
"""Several events within a second decide the page several times. Probes of that second are one."""

PROBES: Mapping[str, tuple[str, str]] = {
    "authorize": ("GET", "/authorize"),
    "token": ("POST", "/token"),
    "public": ("GET", "/.well-known/jwks.json"),
}
"""The request that shows whether a function answers. An answer that refuses the empty request is an answer."""

SERVER_ERROR = 500
"""From this status on, an answer is a failure of the service."""

WRITERS = frozenset({"authorize", "token"})
"""The functions whose requests write to the monitored tables."""

FUNCTION_OF_ALARM = {"refused-grants": "token"}
"""Alarms whose names do not begin with the function's, to the function."""

OF_SEVERITY: Mapping[IncidentSeverity, ComponentState] = {
    IncidentSeverity.SEV1: ComponentState.MAJOR_OUTAGE,
    IncidentSeverity.SEV2: ComponentState.DEGRADED,
    IncidentSeverity.SEV3: ComponentState.OPERATIONAL,
}


@dataclass(frozen=True)
class Evidence:
    """What the machines know.

    Attributes:
        alarms: the short name of each alarm of the service, such as ``token-latency``, to whether it fires for what
            the service does now (`rolled_back_changes.py`), None if it does not exist; None for the mapping if they could
            not be read.
        failed_probes: the function's short name to the number of its newest probes that failed in a row; without an
            entry it was not probed.
        heartbeats: a monitored table to its newest acknowledged heartbeat, None if it has none; None for the mapping
            if they could not be read. Empty without heartbeats.
    """

    alarms: Mapping[str, bool | None] | None
    failed_probes: Mapping[str, int] = field(default_factory=dict)
    heartbeats: Mapping[str, datetime | None] | None = field(default_factory=dict)


@dataclass(frozen=True)
class ComponentStatus:
    """The state of a component, and why, in sentences for clients; none if it is operational."""

    component: Component
    state: ComponentState
    reasons: tuple[str, ...] = ()


def component_status(
    component: Component,
    evidence: Evidence,
    incidents: Sequence[PublishedIncident],
    windows: Sequence[MaintenanceWindow],
    overrides: Sequence[Override],
    now: datetime,
) -> ComponentStatus:
    """Decide the state of a component.

    Args:
        component: the component.
        evidence: of the machines.
        incidents: the published ones; those that are resolved do not count.
        windows: of maintenance; those that are not active do not count.
        overrides: those that are not active, or of other components, do not count.
        now: the current time.
    """
    for override in overrides:
        if override.component == component.id and override.is_active(now):
            return ComponentStatus(component, override.state, (override.reason,))
    for window in windows:
        if window.affects(component.id) and window.is_active(now):
            return ComponentStatus(component, ComponentState.MAINTENANCE, (window.title,))
    found = [
        *_of_alarms(component, evidence),
        *_of_probes(component, evidence),
        *_of_heartbeats(component, evidence, now),
        *_of_incidents(component, incidents),
    ]
    state = worst_of(state for state, _ in found)
    reasons = tuple(dict.fromkeys(reason for one, reason in found if one is state and reason))
    return ComponentStatus(component, state, () if state is ComponentState.OPERATIONAL else reasons)


def function_of_alarm(alarm: str) -> str:
    """Return the function of an alarm by its short name; empty for an alarm of all functions, such as of the API."""
    if alarm in FUNCTION_OF_ALARM:
        return FUNCTION_OF_ALARM[alarm]
    return next((function for function in FUNCTIONS if alarm.startswith(f"{function}-")), "")


def components_of_alarm(alarm: str, components: Sequence[Component]) -> tuple[str, ...]:
    """Return the ids of the components that an alarm is about, by its short name: of its function, or all."""
    function = function_of_alarm(alarm)
    return tuple(one.id for one in components if not function or function in one.functions)


_Finding = tuple[ComponentState, str]


def _of_alarms(component: Component, evidence: Evidence) -> Iterator[_Finding]:
    if evidence.alarms is None:
        yield ComponentState.UNKNOWN, "The monitoring does not answer."
        return
    for alarm, fires in evidence.alarms.items():
        if function_of_alarm(alarm) in {"", *component.functions}:
            if fires is None:
                yield ComponentState.UNKNOWN, "Some of the monitoring is missing."
            elif not fires:
                continue
            elif alarm.endswith("-latency"):
                yield ComponentState.DEGRADED, "Responses are slower than usual."
            else:
                yield ComponentState.PARTIAL_OUTAGE, "Some requests fail."


def _of_probes(component: Component, evidence: Evidence) -> Iterator[_Finding]:
    failed = max((evidence.failed_probes.get(function, 0) for function in component.functions), default=0)
    if failed >= LOST_PROBES:
        yield ComponentState.MAJOR_OUTAGE, "Our test requests get no answer."
    elif failed >= FAILED_PROBES:
        yield ComponentState.PARTIAL_OUTAGE, "Some of our test requests get no answer."


def _of_heartbeats(component: Component, evidence: Evidence, now: datetime) -> Iterator[_Finding]:
    if not WRITERS.intersection(component.functions):
        return
    if evidence.heartbeats is None:
        yield ComponentState.UNKNOWN, "The monitoring of the stored data does not answer."
        return
    if any(newest is None or now - newest > SILENT for newest in evidence.heartbeats.values()):
        yield ComponentState.PARTIAL_OUTAGE, "Some data cannot be written."


def _of_incidents(component: Component, incidents: Sequence[PublishedIncident]) -> Iterator[_Finding]:
    for incident in incidents:
        # The cause of what is monitored is removed: what the service does now, the alarms and the probes say.
        if incident.is_open and incident.step is not Step.MONITORING and component.id in incident.components:
            yield OF_SEVERITY[incident.severity], f"{incident.title}."


def probes_are_due(observed_at: datetime | None, now: datetime) -> bool:
    """Return whether the functions are to be probed again."""
    return observed_at is None or now - observed_at >= PROBE_INTERVAL


def count_failed_probes(before: Mapping[str, int], answers: Mapping[str, int | None]) -> Mapping[str, int]:
    """Return how many probes of each function failed in a row, after one more of each.

    Args:
        before: as it was.
        answers: the function to the HTTP status of its answer; None if it did not answer.
    """
    return {
        function: 0 if status is not None and status < SERVER_ERROR else before.get(function, 0) + 1
        for function, status in answers.items()
    }
