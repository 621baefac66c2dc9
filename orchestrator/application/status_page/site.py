"""The site: every file of the status page, from one value.

No page runs a script or loads anything from another host. The same page and time always give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from orchestrator.application.status_page.badge import render_badge
from orchestrator.application.status_page.feeds import render_atom, render_calendar, render_json_feed, render_rss
from orchestrator.application.status_page.pages import (
    STYLE,
    render_history,
    render_incident,
    render_index,
    style_sheet,
)
from orchestrator.application.status_page.subscription_pages import render_form
from orchestrator.application.status_page.summary import render_status, render_summary
from orchestrator.domain.status_page.page import StatusPage
from orchestrator.domain.subscribers.announcements import ANNOUNCEMENTS, announcements_of

HTML, CSS, JSON = "text/html; charset=utf-8", "text/css; charset=utf-8", "application/json"
CONTENT_TYPES: Mapping[str, str] = {
    "html": HTML,
    "css": CSS,
    "json": JSON,
    "svg": "image/svg+xml",
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "ics": "text/calendar; charset=utf-8",
}
"""Content type by the ending of a file."""

JSON_FEED = "feed.json"
STATE = "page.json"
"""The page as a value, for what watches it from its own stack. Like all files of the site it is public."""

_UNTIMED = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class SiteFile:
    """A file of the site: its path without a leading slash, its content type and its bytes."""

    path: str
    content_type: str
    content: bytes


def render_site(page: StatusPage, written_at: datetime) -> tuple[SiteFile, ...]:
    """Return all files of the site, in the order in which they are to be written: the first page is last.

    Args:
        page: the page.
        written_at: when it was checked, which the pages and feeds say.
    """
    texts = {
        STYLE: style_sheet(),
        **{incident_path(one.id): render_incident(page, one, written_at) for one in page.history},
        "history.html": render_history(page, written_at, incident_path),
        "feed.rss": render_rss(page, written_at, incident_path),
        "feed.atom": render_atom(page, written_at, incident_path),
        JSON_FEED: render_json_feed(page, incident_path),
        "maintenance.ics": render_calendar(page),
        "badge.svg": render_badge(page),
        "summary.json": render_summary(page, written_at, incident_path),
        # Where clients of Statuspage look.
        "api/v2/summary.json": render_summary(page, written_at, incident_path),
        "api/v2/status.json": render_status(page, written_at),
        STATE: msgspec.json.encode(page).decode(),
        "index.html": render_index(page, written_at, incident_path),
    }
    if page.takes_subscribers:
        announced = msgspec.json.encode(announcements_of(page, incident_path)).decode()
        texts = {ANNOUNCEMENTS: announced, "subscribe.html": render_form(page, written_at), **texts}
    return tuple(SiteFile(path, _content_type(path), text.encode()) for path, text in texts.items())


def site_digest(page: StatusPage) -> str:
    """Return the hex SHA-256 of the site, whenever it is written: it changes only if a reader would see a change."""
    digest = sha256()
    for file in render_site(page, _UNTIMED):
        # It has the time of the page.
        if file.path == STATE:
            continue
        digest.update(f"{len(file.path)} {len(file.content)} {file.path}".encode())
        digest.update(file.content)
    return digest.hexdigest()


def incident_path(incident_id: str) -> str:
    """Return the path of an incident's page."""
    return f"incidents/{_NOT_IN_NAMES.sub('_', incident_id)}.html"


def _content_type(path: str) -> str:
    return "application/feed+json" if path == JSON_FEED else CONTENT_TYPES[path.rpartition(".")[2]]
