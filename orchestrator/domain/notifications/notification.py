"""A notification: one transition of something that people follow, such as a rollback or an alarm.

The dedup key names what is followed, for one time: a deployment, or an alarm from one ALARM to the next OK. Its first
notification is a TRIGGER, later ones are UPDATEs and ACKNOWLEDGEs, the last one is a RESOLVE.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.signed_links import SignedLink

LINK_TEXT = "Acknowledge"
"""What the button of a link says."""


class Severity(StrEnum):
    """How urgent a notification is, in PagerDuty's words. ERROR is SEV2 of the runbook, CRITICAL is SEV1."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    def at_least(self, other: Severity) -> bool:
        """Return whether this severity is the other one or higher."""
        order = tuple(Severity)
        return order.index(self) >= order.index(other)


class Audience(StrEnum):
    """Whom a notification is for, as in ``[….contacts]``."""

    OPERATORS = "operators"
    CLIENTS = "clients"
    SECURITY = "security"


class EventKind(StrEnum):
    """What a notification is about. A destination can select kinds."""

    DEPLOYMENT = "deployment"
    ROLLBACK = "rollback"
    RECOVERY = "recovery"
    FREEZE = "freeze"
    ALARM = "alarm"
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    NOTICE = "notice"  # a person writes to clients; no destination selects it
    FINDING = "finding"
    TEST = "test"


class Transition(StrEnum):
    """What happened to the subject of a dedup key."""

    TRIGGER = "trigger"
    UPDATE = "update"
    ACKNOWLEDGE = "acknowledge"  # a person works on it: a pager stops calling, and its alert stays open
    RESOLVE = "resolve"


@dataclass(frozen=True)
class Figure:
    """A number with its unit, and its threshold; None if it has none."""

    name: str
    value: str
    threshold: str | None = None

    @property
    def words(self) -> str:
        """The number next to its threshold."""
        return self.value if self.threshold is None else f"{self.value}, threshold {self.threshold}"


@dataclass(frozen=True)
class Notification:
    """One notification.

    Attributes:
        key: the dedup key.
        id: which transition of the key this is; a duplicate event has the same.
        environment: the environment's name.
        title: what happened, in one line.
        at: when it happened.
        since: since when the subject lasts; None for a single moment.
        reason: why, as the event reports it; a text for people.
        impact: who notices what.
        action: what is being done about it.
        command: where to look.
        figures: numbers with their thresholds.
        opened_as: the highest severity that the TRIGGER before a RESOLVE or an ACKNOWLEDGE may have had. These wait for
            a late one. None if no TRIGGER precedes.
        subject: id of the deployment or recovery; empty for anything else.
        commit: that the deployment's release was built from; empty if it is not known.
        failed: a RESOLVE reports a failure.
        only_pagers: it is for pagers, and no person needs to read it in a chat.
        only_states: the same, for pagers and GitHub, which show the state of a key.
        not_pagers: pagers get a notification of their own.
        only_destinations: names of the destinations that get it; empty for all.
        alarm: the section of the alarm runbook of an alarm; empty for anything else.
        link: what its reader may do without the command line; None if nothing.
        address: of the link, with its token. It is set when the message is sent, and is in no queue and no log.
    """

    key: str
    id: str
    transition: Transition
    kind: EventKind
    severity: Severity
    audience: Audience
    environment: str
    title: str
    at: datetime
    since: datetime | None = None
    reason: str = ""
    impact: str = ""
    action: str = ""
    command: str = ""
    figures: tuple[Figure, ...] = ()
    opened_as: Severity | None = None
    subject: str = ""
    commit: str = ""
    failed: bool = False
    only_pagers: bool = False
    only_states: bool = False
    not_pagers: bool = False
    only_destinations: tuple[str, ...] = ()
    alarm: str = ""
    link: SignedLink | None = None
    address: str = field(default="", repr=False)

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What a message says in addition to its title: names and texts, without those that are empty."""
        facts = [
            ("Severity", self.severity.value),
            ("Since", f"{self.since or self.at:%Y-%m-%d %H:%M:%S} UTC"),
            ("Why", self.reason),
            ("Impact", self.impact),
            *((figure.name, figure.words) for figure in self.figures),
            ("Being done", self.action),
            ("Where to look", self.command),
        ]
        return tuple((name, text) for name, text in facts if text)
