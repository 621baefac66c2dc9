"""Acknowledging an incident without the command line: by the link of a page's message, or in the pager itself.

A page is named by the incident, the episode and its key in it. What acknowledges an episode says nothing about the next
one: a link or a webhook that comes again after a reopening changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.deployment.custom_checks import URL
from orchestrator.domain.incidents.incident import Draft, EntryKind, Incident, IncidentState
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.signed_links import SignedLink
from orchestrator.domain.texts import MAX_NAME, shortened

PURPOSE = "acknowledge-incident"
PATH = "/incidents/acknowledgement"
"""Where the page of a link is."""

PAGERS_PATH = "/pagers/"
"""Where webhooks of pagers go, followed by the destination's name."""

LINK_LASTS = timedelta(hours=24)
ON_CALL = "on-call operator"
"""Who acknowledges the page of an environment without a rota, which names no person."""


@dataclass(frozen=True)
class AcknowledgementSettings:
    """``[….acknowledgement]``: whether there is an endpoint, and its address if it is not API Gateway's own."""

    enabled: bool = False
    address: str = ""


def read_acknowledgement(settings: SettingsReader) -> AcknowledgementSettings:
    """Read the table ``acknowledgement`` of an environment's table. It is optional.

    Raises:
        Refused: a setting is wrong. The error names the field, the value and the remedy.
    """
    if "acknowledgement" not in settings:
        return AcknowledgementSettings()
    table = settings.table("acknowledgement")
    address = ""
    if "address" in table:
        remedy = "give the https address under which your domain leads to the endpoint, such as https://ack.example.com"
        address = table.text("address", matching=URL, remedy=remedy).rstrip("/")
    found = AcknowledgementSettings(table.flag("enabled"), address)
    table.refuse_unknown_keys()
    return found


@dataclass(frozen=True)
class PageReference:
    """A page of an incident, and the person that it called; empty if it named none."""

    incident: str
    episode: int
    page: str
    person: str


def link_of(page: PageReference, paged_at: datetime) -> SignedLink:
    """Return the link that acknowledges a page. The same page has the same link, however often it is announced."""
    subject = (page.incident, str(page.episode), page.page, page.person)
    return SignedLink(PURPOSE, subject, paged_at + LINK_LASTS)


def page_of(link: SignedLink) -> PageReference:
    """Return the page that a link acknowledges."""
    incident, episode, page, person = link.subject
    return PageReference(incident, int(episode), page, person)


class Standing(StrEnum):
    """What an acknowledgement of a page would find."""

    WAITS = "waits"  # the incident is open, and no one has acknowledged it
    ACKNOWLEDGED = "acknowledged"
    OVER = "over"  # it is resolved, or was reopened: a newer page calls for it


def standing_of(incident: Incident, page: PageReference) -> Standing:
    """Return what an acknowledgement of a page finds now."""
    if incident.episode != page.episode or incident.state is IncidentState.RESOLVED:
        return Standing.OVER
    return Standing.ACKNOWLEDGED if incident.state is IncidentState.ACKNOWLEDGED else Standing.WAITS


def acknowledgement_drafts(incident: Incident, page: PageReference, means: str) -> tuple[Draft, ...]:
    """Return the entry of an acknowledgement; nothing if there is none to acknowledge, so that a repetition is harmless.

    Args:
        incident: as it is.
        page: what is acknowledged, and by whom.
        means: how, such as "the link of the page".
    """
    if standing_of(incident, page) is not Standing.WAITS:
        return ()
    by = shortened(page.person, MAX_NAME) if page.person.strip() else ON_CALL
    return (Draft(EntryKind.ACKNOWLEDGED, f"acknowledged by {means} (page {page.page})", by, _details(page)),)


def _details(page: PageReference) -> Mapping[str, str]:
    return {"page": page.page}
