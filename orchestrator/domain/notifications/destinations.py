"""Destinations of notifications, ``[[….notifications]]``: where messages go, and which.

E-mail of kind ``email`` is sent by Amazon SES (``[….mail]``). In addition, the addresses of ``[….contacts]`` subscribe to
SNS topics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.deployment.custom_checks import NAME, NAME_REMEDY, URL
from orchestrator.domain.mail.settings import ADDRESS, ADDRESS_REMEDY
from orchestrator.domain.notifications.notification import Audience, EventKind, Notification, Severity, Transition
from orchestrator.domain.schema import SettingsReader, read_named
from orchestrator.domain.setting_rules import Text

MAX_DESTINATIONS = 10
"""An event becomes at most one message of the queue a destination and notification."""

MAX_ADDRESSES = 10
"""Of one destination of e-mail."""

LARGEST_SETTINGS_BYTES = 2400
"""Lambda allows 4 KB for all variables of a function."""

SECRET_ARN = re.compile(r"arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+")
ARN_REMEDY = "give the ARN of a secret in Secrets Manager"
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}")
_ADDRESS_REMEDY = "give the https address of the provider's API, such as https://api.eu.opsgenie.com"


class DestinationKind(StrEnum):
    """The providers."""

    SLACK = "slack"
    TEAMS = "teams"
    GOOGLE_CHAT = "google_chat"
    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    GRAFANA_ONCALL = "grafana_oncall"
    GITHUB = "github"
    WEBHOOK = "webhook"
    EMAIL = "email"
    CLOUDEVENTS = "cloudevents"


PAGERS = frozenset({DestinationKind.PAGERDUTY, DestinationKind.OPSGENIE, DestinationKind.GRAFANA_ONCALL})
"""Providers that open an alert with the first message of a dedup key and close it with the last one."""

ADDRESSES: Mapping[DestinationKind, str] = {
    DestinationKind.PAGERDUTY: "https://events.pagerduty.com",
    DestinationKind.OPSGENIE: "https://api.opsgenie.com",
    DestinationKind.GITHUB: "https://api.github.com",
}
"""The APIs whose address is no secret. Their secret is a key; that of the other providers is the whole address."""

AUDIENCES = tuple(Audience)
KINDS = tuple(kind for kind in EventKind if kind not in {EventKind.TEST, EventKind.NOTICE})
OF_COMMITS = (EventKind.DEPLOYMENT, EventKind.ROLLBACK)
"""What GitHub can show: events of a deployment."""

MINIMUM_OF_PAGERS = tuple(severity for severity in Severity if severity is not Severity.INFO)


@dataclass(frozen=True)
class Destination:
    """One destination.

    Attributes:
        secret: ARN of the secret with the address or the key; empty for e-mail.
        minimum_severity: of the notifications that it gets.
        audiences: whose notifications it gets.
        events: the kinds of events that it gets.
        address: of the provider's API; empty if the secret has it.
        repository: at GitHub, ``owner/name``; empty for other providers.
        to: the addresses of e-mail; empty for other providers.
        webhook_secret: ARN of the secret with which the pager's webhook proves itself; empty if it sends none.
    """

    name: str
    kind: DestinationKind
    secret: str
    minimum_severity: Severity
    audiences: tuple[Audience, ...]
    events: tuple[EventKind, ...]
    address: str = ""
    repository: str = ""
    to: tuple[str, ...] = ()
    webhook_secret: str = ""

    @property
    def pages(self) -> bool:
        """Whether it opens and closes alerts."""
        return self.kind in PAGERS

    @property
    def shows_states(self) -> bool:
        """Whether it shows the state that a dedup key has: an alert at a pager, a deployment's status at GitHub."""
        return self.pages or self.kind is DestinationKind.GITHUB


def read_destinations(settings: SettingsReader) -> tuple[Destination, ...]:
    """Read the ``notifications`` of an environment's table.

    Raises:
        Refused: a destination is wrong. The error names the field, the value and the remedy.
    """
    return read_named(settings, "notifications", "destination", MAX_DESTINATIONS, _read_destination)


def _read_destination(table: SettingsReader) -> Destination:
    kind = DestinationKind(table.choice("kind", tuple(DestinationKind)))
    address = ADDRESSES.get(kind, "")
    if address and "address" in table:
        address = table.text("address", matching=URL, remedy=_ADDRESS_REMEDY).rstrip("/")
    kinds = OF_COMMITS if kind is DestinationKind.GITHUB else KINDS
    mails = kind is DestinationKind.EMAIL
    destination = Destination(
        name=table.text("name", matching=NAME, remedy=NAME_REMEDY),
        kind=kind,
        secret="" if mails else table.text("secret", matching=SECRET_ARN, remedy=ARN_REMEDY),
        minimum_severity=Severity(
            table.choice("minimum_severity", MINIMUM_OF_PAGERS if kind in PAGERS else tuple(Severity))
        ),
        audiences=tuple(Audience(name) for name in _each_once(table, "audiences", AUDIENCES)),
        events=tuple(EventKind(name) for name in _each_once(table, "events", kinds)) if "events" in table else kinds,
        address=address,
        repository=table.text("repository", matching=_REPOSITORY, remedy="give owner/name")
        if kind is DestinationKind.GITHUB
        else "",
        to=_read_addresses(table) if mails else (),
        webhook_secret=table.text("webhook_secret", matching=SECRET_ARN, remedy=ARN_REMEDY)
        if kind in PAGERS and "webhook_secret" in table
        else "",
    )
    if kind in PAGERS and Audience.CLIENTS in destination.audiences:
        remedy = "a pager is for operators and security; give clients a chat or a webhook"
        raise table.refused("audiences", list(destination.audiences), remedy)
    table.refuse_unknown_keys()
    return destination


def _read_addresses(table: SettingsReader) -> tuple[str, ...]:
    addresses = table.texts("to", at_least=1, described_by=Text(ADDRESS_REMEDY, ADDRESS))
    if len(addresses) > MAX_ADDRESSES:
        raise table.refused("to", f"{len(addresses)} addresses", f"give at most {MAX_ADDRESSES}: one may be a list")
    for address in addresses:
        if not ADDRESS.fullmatch(address):
            raise table.refused("to", address, ADDRESS_REMEDY)
    return addresses


def _each_once(table: SettingsReader, key: str, known: Sequence[str]) -> tuple[str, ...]:
    names = table.texts(key)
    if not names or not set(names) <= set(known) or len(set(names)) != len(names):
        raise table.refused(key, list(names), f"give a list out of {', '.join(known)}, each once")
    return names


def encode_destinations(destinations: Sequence[Destination]) -> str:
    """Return destinations as the text of an environment variable. It contains no secret."""
    tables = []
    for destination in destinations:
        table: dict[str, object] = {
            "name": destination.name,
            "kind": destination.kind,
            **({"to": destination.to} if destination.to else {"secret": destination.secret}),
            "minimum_severity": destination.minimum_severity,
            "audiences": destination.audiences,
        }
        if destination.events != (OF_COMMITS if destination.kind is DestinationKind.GITHUB else KINDS):
            table["events"] = destination.events
        if destination.address != ADDRESSES.get(destination.kind, ""):
            table["address"] = destination.address
        if destination.repository:
            table["repository"] = destination.repository
        if destination.webhook_secret:
            table["webhook_secret"] = destination.webhook_secret
        tables.append(table)
    return json.dumps(tables, separators=(",", ":"), allow_nan=False)


def decode_destinations(text: str) -> tuple[Destination, ...]:
    """Return the destinations that `encode_destinations` encoded."""
    return read_destinations(SettingsReader("", {"notifications": json.loads(text)}))


def destinations_of(
    notification: Notification, destinations: Sequence[Destination], only: str = ""
) -> tuple[Destination, ...]:
    """Return who gets a notification.

    An ACKNOWLEDGE and a RESOLVE also go to a destination whose minimum is higher than their severity, because what they
    end may have been more severe before. The destination's record decides (`delivery.py`).

    Args:
        notification: the notification.
        destinations: of the environment.
        only: the name of the one destination that a test is for; empty for all.
    """
    return tuple(
        destination
        for destination in destinations
        if (not only or destination.name == only)
        and notification.audience in destination.audiences
        and not (notification.only_pagers and not destination.pages)
        and not (notification.only_states and not destination.shows_states)
        and not (notification.not_pagers and destination.pages)
        and (not notification.only_destinations or destination.name in notification.only_destinations)
        and _is_wanted(notification, destination)
    )


def _is_wanted(notification: Notification, destination: Destination) -> bool:
    if notification.kind is EventKind.TEST:
        # A test has an audience each; a destination with several gets the test of its first one.
        return notification.audience is destination.audiences[0]
    continues = notification.transition in {Transition.ACKNOWLEDGE, Transition.RESOLVE}
    return notification.kind in destination.events and (
        continues or notification.severity.at_least(destination.minimum_severity)
    )
