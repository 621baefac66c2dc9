"""The events of incidents as notifications.

| event                 | pagers                                   | chats and webhooks                        |
|-----------------------|------------------------------------------|-------------------------------------------|
| IncidentOpened        | none                                     | TRIGGER of ``incident:ID:EPISODE``        |
| IncidentPaged         | TRIGGER of ``incident:ID:EPISODE:PAGE``  | UPDATE                                    |
| IncidentAcknowledged  | ACKNOWLEDGE of each page that they got   | UPDATE                                    |
| IncidentUpdated       | none                                     | UPDATE; after the resolution under a key  |
|                       |                                          | of its own                                |
| IncidentUnanswered    | none                                     | UPDATE, critical                          |
| IncidentResolved      | RESOLVE of each page that they got       | RESOLVE                                   |
| IncidentActionOverdue | none                                     | a TRIGGER of its own                      |

Each page has a dedup key of its own: a pager calls no one a second time for a key that is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from orchestrator.domain.incidents.acknowledgement import PageReference, link_of
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.domain.incidents.severity import NOTIFIED_AS, IncidentSeverity
from orchestrator.domain.notifications.alarms import IMPACTS, SECURITY, read_time
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Notification,
    Severity,
    Transition,
)

Translate = Callable[[Mapping[str, Any], str], tuple[Notification, ...]]

_TRIGGER, _UPDATE, _RESOLVE = Transition.TRIGGER, Transition.UPDATE, Transition.RESOLVE
_WORST = Severity.CRITICAL
"""An incident's severity changes, so what ends may have been opened with any severity."""
_UNACKNOWLEDGED = "a person has to acknowledge it: orchestrator incident ack"


def _message(
    detail: Mapping[str, Any], environment: str, transition: Transition, words: str, **more: Any
) -> Notification:
    """Return a notification to chats and webhooks, under the key of the incident's episode."""
    severity = NOTIFIED_AS[IncidentSeverity(str(detail["severity"]))]
    incident = str(detail["incident"])
    made = Notification(
        key=_key(detail),
        id=f"{detail['number']}-{transition}",
        transition=transition,
        kind=EventKind.INCIDENT,
        severity=severity,
        audience=Audience.SECURITY if detail["cause"] in SECURITY else Audience.OPERATORS,
        environment=environment,
        title=f"{environment}: {detail['severity']} incident {words}: {detail['title']}",
        at=_time(detail["at"]),
        since=_time(detail["since"]),
        reason=str(detail["text"]),
        impact=IMPACTS[severity],
        command=f"orchestrator incident show {incident} --env {environment}",
        subject=incident,
        not_pagers=True,
    )
    return replace(made, **more)


def _for_pages(
    detail: Mapping[str, Any], environment: str, transition: Transition, words: str
) -> tuple[Notification, ...]:
    """Return what ends the calls of the pages of an episode."""
    one = _message(detail, environment, transition, words, not_pagers=False, only_pagers=True)
    return tuple(
        replace(one, key=f"{_key(detail)}:{page}", id=transition.value, opened_as=_WORST) for page in detail["pages"]
    )


def _opened(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    again = "reopened" if int(detail["episode"]) > 1 else "opened"
    return (
        _message(
            detail, environment, _TRIGGER, again, action="the on-call operator is paged, unless maintenance silences it"
        ),
    )


def _paged(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    person = str(detail["person"])
    incident = str(detail["incident"])
    acknowledge = f"orchestrator incident ack {incident} --env {environment}"
    words = f"pages {person or 'the on-call operator'}"
    reference = PageReference(incident, int(detail["episode"]), str(detail["page"]), person)
    link = link_of(reference, _time(detail["at"]))
    page = _message(
        detail,
        environment,
        _TRIGGER,
        words,
        key=f"{_key(detail)}:{detail['page']}",
        action=f"without an acknowledgement it goes to the next level: {acknowledge}",
        not_pagers=False,
        only_pagers=True,
        only_destinations=tuple(str(name) for name in detail["destinations"]),
        link=link,
    )
    return (page, _message(detail, environment, _UPDATE, words, link=link))


def _acknowledged(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    words = f"acknowledged by {detail['by']}"
    update = _message(detail, environment, _UPDATE, words, action=f"{detail['by']} works on it")
    return (update, *_for_pages(detail, environment, Transition.ACKNOWLEDGE, words))


def _updated(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    words = f"update by {detail['by']}"
    if detail["state"] != IncidentState.RESOLVED:
        return (_message(detail, environment, _UPDATE, words),)
    # The key of the episode is closed. An UPDATE opens nothing at a receiver of webhooks that follows keys.
    key = f"{_key(detail)}:after:{detail['number']}"
    return (_message(detail, environment, _UPDATE, f"{words} after its resolution", key=key, impact="over"),)


def _unanswered(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    words = "not acknowledged by any level"
    return (_message(detail, environment, _UPDATE, words, severity=Severity.CRITICAL, action=_UNACKNOWLEDGED),)


def _resolved(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    words = f"resolved by {detail['by']}"
    ended = _message(detail, environment, _RESOLVE, words, impact="over")
    return (replace(ended, opened_as=_WORST), *_for_pages(detail, environment, _RESOLVE, words))


def _overdue(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    incident = str(detail["incident"])
    return (
        _message(
            detail,
            environment,
            _TRIGGER,
            f"has an overdue action item of {detail['owner']}",
            key=f"incident-action:{incident}:{detail['action']}:{detail['number']}",
            severity=Severity.WARNING,
            since=None,
            impact="the incident may happen again",
            action=f"{detail['owner']}: orchestrator incident action done {incident} {detail['action']}",
        ),
    )


INCIDENT_TRANSLATIONS: Mapping[str, Translate] = {
    "IncidentOpened": _opened,
    "IncidentPaged": _paged,
    "IncidentAcknowledged": _acknowledged,
    "IncidentUpdated": _updated,
    "IncidentUnanswered": _unanswered,
    "IncidentResolved": _resolved,
    "IncidentActionOverdue": _overdue,
}
"""Detail-type to its notifications."""


def _key(detail: Mapping[str, Any]) -> str:
    return f"incident:{detail['incident']}:{detail['episode']}"


def _time(text: object) -> datetime:
    return read_time(str(text))
