"""The feeds: RSS 2.0, Atom (RFC 4287), JSON Feed 1.1 of incidents, and iCalendar (RFC 5545) of maintenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from orchestrator.domain.printable import printable
from orchestrator.domain.status_page.maintenance import MaintenanceState, MaintenanceWindow
from orchestrator.domain.status_page.page import StatusPage
from orchestrator.domain.status_page.published_incidents import PublishedIncident

ATOM = "http://www.w3.org/2005/Atom"
_FOLD = 75
"""The most octets of a line of iCalendar."""

PathOf = Callable[[str], str]

register_namespace("atom", ATOM)


def render_rss(page: StatusPage, written_at: datetime, path_of: PathOf) -> str:
    """Return the incidents as RSS 2.0, with the link to itself that the RSS Advisory Board recommends."""
    root = Element("rss", {"version": "2.0"})
    channel = SubElement(root, "channel")
    _text(channel, "title", page.title)
    _text(channel, "link", f"{page.address}/")
    _text(channel, "description", f"Incidents of {page.title}")
    _text(channel, "language", "en")
    _text(channel, "lastBuildDate", format_datetime(_updated(page, written_at)))
    SubElement(
        channel,
        f"{{{ATOM}}}link",
        {"href": f"{page.address}/feed.rss", "rel": "self", "type": "application/rss+xml"},
    )
    for incident in page.history:
        item = SubElement(channel, "item")
        link = f"{page.address}/{path_of(incident.id)}"
        _text(item, "title", incident.title)
        _text(item, "link", link)
        _text(item, "guid", link)
        _text(item, "pubDate", format_datetime(incident.updated_at))
        _text(item, "description", _body(incident))
    return _document(root)


def render_atom(page: StatusPage, written_at: datetime, path_of: PathOf) -> str:
    """Return the incidents as Atom."""
    root = Element("feed", {"xmlns": ATOM})
    _text(root, "id", f"{page.address}/")
    _text(root, "title", page.title)
    _text(root, "updated", _timestamp(_updated(page, written_at)))
    SubElement(root, "link", {"rel": "self", "href": f"{page.address}/feed.atom", "type": "application/atom+xml"})
    SubElement(root, "link", {"rel": "alternate", "href": f"{page.address}/", "type": "text/html"})
    _text(SubElement(root, "author"), "name", page.title)
    for incident in page.history:
        entry = SubElement(root, "entry")
        link = f"{page.address}/{path_of(incident.id)}"
        _text(entry, "id", link)
        _text(entry, "title", incident.title)
        _text(entry, "published", _timestamp(incident.started_at))
        _text(entry, "updated", _timestamp(incident.updated_at))
        SubElement(entry, "link", {"rel": "alternate", "href": link, "type": "text/html"})
        content = _text(entry, "content", _body(incident))
        content.set("type", "html")
    return _document(root)


def render_json_feed(page: StatusPage, path_of: PathOf) -> str:
    """Return the incidents as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": page.title,
        "home_page_url": f"{page.address}/",
        "feed_url": f"{page.address}/feed.json",
        "language": "en",
        "items": [
            {
                "id": f"{page.address}/{path_of(incident.id)}",
                "url": f"{page.address}/{path_of(incident.id)}",
                "title": printable(incident.title),
                "content_html": _body(incident),
                "date_published": _timestamp(incident.started_at),
                "date_modified": _timestamp(incident.updated_at),
                "tags": [incident.severity.value, incident.step.value],
            }
            for incident in page.history
        ],
    }
    return f"{json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)}\n"


def render_calendar(page: StatusPage) -> str:
    """Return the maintenance windows as a calendar to subscribe to."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//ib-oauth//status page//EN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_escaped(page.title)}",
    ]
    for window in page.calendar:
        lines += _event(window, page)
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _event(window: MaintenanceWindow, page: StatusPage) -> list[str]:
    host = page.address.partition("//")[2].partition("/")[0]
    cancelled = window.state is MaintenanceState.CANCELLED
    starts, ends = _utc(window.starts_at), _utc(window.ends_at)
    return [
        "BEGIN:VEVENT",
        f"UID:{_escaped(window.id)}@{host}",
        f"DTSTAMP:{_utc(window.announced_at)}",
        f"DTSTART:{starts}",
        # DTEND must be later than DTSTART. Without it an event ends when it starts, as did what was ended at once.
        *([f"DTEND:{ends}"] if ends > starts else []),
        f"SUMMARY:{_escaped(window.title)}",
        f"DESCRIPTION:{_escaped(window.text)}",
        f"URL:{page.address}/",
        f"STATUS:{'CANCELLED' if cancelled else 'CONFIRMED'}",
        # A calendar replaces an event by a later sequence.
        f"SEQUENCE:{1 if cancelled else 0}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


def _body(incident: PublishedIncident) -> str:
    lines = [
        f"<p><strong>{update.step.capitalize()}</strong> ({update.at:%d %B %Y, %H:%M} UTC): "
        f"{escape(printable(update.text))}</p>"
        for update in incident.updates
    ]
    return "\n".join(lines)


def _updated(page: StatusPage, written_at: datetime) -> datetime:
    """Return when a feed changed last: at its newest update, or without any when it was written."""
    return max((incident.updated_at for incident in page.history), default=written_at)


def _text(parent: Element, tag: str, text: str) -> Element:
    element = SubElement(parent, tag)
    element.text = printable(text)
    return element


def _document(root: Element) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    escaped = printable(text).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return escaped.replace("\n", "\\n")


def _folded(line: str) -> Iterator[str]:
    """Yield a line in parts of at most 75 octets; the next parts begin with a space. No character is divided."""
    part, size = "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > _FOLD:
            yield part
            part, size = " ", 1
        part, size = part + character, size + octets
    yield part
