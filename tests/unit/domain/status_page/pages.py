"""Evidence, incidents and windows that the tests of the status page start from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.incidents.incident import ORCHESTRATOR, Draft, EntryKind, append
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.evidence import Evidence, components_of_alarm
from orchestrator.domain.status_page.history import PageRecord
from orchestrator.domain.status_page.maintenance import MaintenanceState, MaintenanceWindow
from orchestrator.domain.status_page.overrides import Override
from orchestrator.domain.status_page.page import PageInputs, StatusPage, decide_page
from orchestrator.domain.status_page.published_incidents import publish_incident
from orchestrator.domain.status_page.settings import DEFAULT_COMPONENTS, StatusPageSettings
from tests.samples import NOW

SETTINGS = StatusPageSettings(title="Example & Co. login", address="https://status.example.com")
LOGIN, TOKENS, USER_DATA = DEFAULT_COMPONENTS
QUIET = Evidence(alarms={"token-latency": False, "api-server-errors": False}, heartbeats={"tokens": NOW})
ALL = tuple(one.id for one in DEFAULT_COMPONENTS)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def of_alarm(name: str) -> tuple[str, ...]:
    return components_of_alarm(name.removeprefix("ib-oauth-").removesuffix("-test"), DEFAULT_COMPONENTS)


def firing(*alarms: str) -> Evidence:
    return replace(QUIET, alarms={**dict(QUIET.alarms or {}), **dict.fromkeys(alarms, True)})


def entries(*drafts: Draft, name: str = "i-1", at: datetime = NOW, incident=None):
    return append(name, incident, drafts, at)[1]


def opening(
    cause: str = "service", severity: str = "SEV2", by: str = ORCHESTRATOR, title: str = "d-1 is rolled back", **more
):
    details = {"cause": cause, "title": title, "severity": severity, **more}
    return Draft(EntryKind.OPENED, "7.7 % > 5 %", by, details)


def signalled(subject: str, at: datetime = NOW) -> dict[str, str]:
    """The details of a signal."""
    return {"subject": subject, "severity": "SEV2", "since": at.isoformat()}


def incident(*drafts: Draft, settings: StatusPageSettings = SETTINGS, **changes):
    return publish_incident(entries(*(drafts or (opening(),)), **changes), settings, of_alarm)


def window(**changes) -> MaintenanceWindow:
    planned = MaintenanceWindow(
        id="m-1",
        title="Database upgrade",
        text="Logins may take longer.",
        components=("login",),
        starts_at=NOW + minutes(60),
        ends_at=NOW + minutes(120),
        state=MaintenanceState.SCHEDULED,
        announced_at=NOW - minutes(60),
    )
    return replace(planned, **changes)


def override(**changes) -> Override:
    one = Override("tokens", ComponentState.MAJOR_OUTAGE, "The upstream is down.", NOW, NOW + minutes(60), "ann")
    return replace(one, **changes)


def decide(
    inputs: PageInputs | None = None, record: PageRecord | None = None, now: datetime = NOW
) -> tuple[StatusPage, PageRecord]:
    return decide_page(
        SETTINGS, "https://status.example.com", "test", inputs or PageInputs(QUIET), record or PageRecord(), now
    )


def busy_page() -> StatusPage:
    """A page with everything on it: an open incident, resolved ones, maintenance, and a history of some days."""
    resolved = incident(
        opening(by="ann", title='Logins <fail> & "stop"'),
        Draft(EntryKind.ACKNOWLEDGED, "on my way", "ann"),
        Draft(EntryKind.UPDATE, "The upstream <b>answers</b> again.\x1b[31m", "ann"),
        Draft(EntryKind.RESOLVED, "it answers", "ann"),
        at=NOW - timedelta(days=2),
    )
    old = incident(opening(severity="SEV1"), Draft(EntryKind.RESOLVED, "over"), name="i-0", at=NOW - timedelta(days=40))
    current = incident(name="i-2", at=NOW - minutes(5))
    assert resolved
    assert old
    assert current
    record = PageRecord()
    states = [QUIET, firing("token-latency"), QUIET, firing("api-server-errors"), replace(QUIET, alarms=None), QUIET]
    for number, evidence in enumerate(states):
        beats = replace(evidence, heartbeats={})
        for minute in range(0, 60, 5):
            at = NOW - timedelta(days=6 - number) + minutes(minute)
            record = decide(PageInputs(beats), record, at)[1]
    inputs = PageInputs(
        firing("token-latency"),
        (resolved, old, current),
        (window(), window(id="m-2", starts_at=NOW - minutes(5), components=("user-data",))),
        (override(),),
    )
    return decide(inputs, record)[0]
