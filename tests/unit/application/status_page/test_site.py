"""The site of the status page, read by parsers that others wrote: feed readers, a calendar, a client of Statuspage."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import feedparser
import icalendar
import pytest

from orchestrator.application.status_page.feeds import render_calendar
from orchestrator.application.status_page.pages import percent
from orchestrator.application.status_page.site import incident_path, render_site, site_digest
from orchestrator.domain.maintenance.schedule import cancel
from orchestrator.domain.status_page.component_state import LABELS, ComponentState
from orchestrator.domain.status_page.maintenance import MaintenanceState, published_window
from orchestrator.domain.status_page.page import PageInputs
from orchestrator.domain.status_page.settings import DEFAULT_COMPONENTS
from tests.samples import NOW
from tests.unit.domain.maintenance.worlds import HOUR, only
from tests.unit.domain.maintenance.worlds import planned as planned_window
from tests.unit.domain.status_page.pages import QUIET, busy_page, decide, minutes, override, window

ADDRESS = "https://status.example.com"
QUIET_PAGE = decide()[0]


@pytest.fixture(scope="module")
def page():
    return busy_page()


@pytest.fixture(scope="module")
def files(page):
    return {file.path: file for file in render_site(page, NOW)}


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def text_of(files, path):
    return files[path].content.decode()


def test_the_first_page_is_written_last_so_that_its_links_lead_somewhere(files, page):
    assert list(files)[-1] == "index.html"
    for path in [name for name in files if name.endswith(".html")]:
        for _, attributes in Tags(text_of(files, path)).tags:
            link = attributes.get("href", "")
            if link:
                assert re.sub(r"^\.\./", "", link) in files


def test_every_file_has_the_content_type_of_its_kind(files):
    types = {path: file.content_type for path, file in files.items()}
    assert types["index.html"] == "text/html; charset=utf-8"
    assert types["feed.json"] == "application/feed+json"
    assert types["summary.json"] == "application/json"
    assert types["maintenance.ics"] == "text/calendar; charset=utf-8"
    assert types["badge.svg"] == "image/svg+xml"


def test_no_page_has_a_script_a_style_of_its_own_or_anything_of_another_host(files):
    for path in [name for name in files if name.endswith(".html")]:
        found = Tags(text_of(files, path)).tags
        assert not [tag for tag, _ in found if tag in {"script", "style", "iframe", "form", "img", "base"}]
        attributes = [name for _, attrs in found for name in attrs]
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert "//" not in re.sub(r"<!doctype[^>]*>", "", text_of(files, path)).replace("http-equiv", "")
        policy = next(attrs["content"] for tag, attrs in found if tag == "meta" and "http-equiv" in attrs)
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")


def test_texts_of_people_are_shown_as_text(files):
    text = text_of(files, "incidents/i-1.html")
    assert "<b>" not in text
    assert "The upstream <b>answers</b> again.\\x1b[31m" in Tags(text).text
    assert 'Logins <fail> & "stop"' in Tags(text).text


def test_the_first_page_says_the_states_and_since_when_it_knows_them(files):
    text = " ".join(Tags(text_of(files, "index.html")).text.split())
    assert "Major outage" in text
    assert "The upstream is down." in text
    assert "Checked 23 November 2026, 03:00 UTC" in text
    assert "Database upgrade" in text
    assert "no person" not in text
    assert "ann" not in re.findall(r"\w+", text)


def test_a_quiet_page_says_so():
    files = {file.path: file for file in render_site(QUIET_PAGE, NOW)}
    text = Tags(text_of(files, "index.html")).text
    assert "All systems operational" in text
    assert "No incident was resolved in the last 15 days." in text
    assert "There was no incident." in Tags(text_of(files, "history.html")).text
    assert [entry.title for entry in feedparser.parse(text_of(files, "feed.atom")).entries] == []
    assert feedparser.parse(text_of(files, "feed.atom")).bozo is False


@pytest.mark.parametrize(("path", "version"), [("feed.rss", "rss20"), ("feed.atom", "atom10")])
def test_a_feed_reader_reads_every_incident(files, page, path, version):
    feed = feedparser.parse(files[path].content)
    assert (feed.bozo, feed.version) == (False, version)
    assert feed.feed.title == "Example & Co. login"
    assert feed.feed.link == f"{ADDRESS}/"
    assert [link.href for link in feed.feed.links if link.rel == "self"] == [f"{ADDRESS}/{path}"]
    assert [entry.link for entry in feed.entries] == [
        f"{ADDRESS}/incidents/{name}.html" for name in ("i-2", "i-1", "i-0")
    ]
    assert [entry.id for entry in feed.entries] == [entry.link for entry in feed.entries]
    newest = page.history[0].updated_at
    moment = feed.entries[0].published_parsed if path == "feed.rss" else feed.entries[0].updated_parsed
    assert datetime(*moment[:6], tzinfo=UTC) == newest
    content = feed.entries[1].summary if path == "feed.rss" else feed.entries[1].content[0].value
    assert "The upstream &lt;b&gt;answers&lt;/b&gt; again." in content


def test_a_feed_changes_only_when_an_incident_does(files, page):
    later = {file.path: file for file in render_site(page, NOW + minutes(3))}
    changed = {path for path in files if files[path] != later[path]}
    assert {"index.html", "summary.json", "api/v2/status.json"} <= changed
    assert not changed & {"feed.rss", "feed.atom", "feed.json", "maintenance.ics", "badge.svg", "status.css"}


def test_the_json_feed_has_what_version_1_1_requires(files):
    feed = json.loads(text_of(files, "feed.json"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"{ADDRESS}/feed.json"
    ids = [item["id"] for item in feed["items"]]
    assert len(set(ids)) == len(ids) == 3
    for item in feed["items"]:
        assert item["content_html"].startswith("<p>")
        assert datetime.fromisoformat(item["date_published"]) <= datetime.fromisoformat(item["date_modified"])


def test_a_calendar_reads_the_maintenance(files, page):
    calendar = icalendar.Calendar.from_ical(files["maintenance.ics"].content)
    events = {str(event["UID"]): event for event in calendar.walk("VEVENT")}
    assert set(events) == {"m-1@status.example.com", "m-2@status.example.com"}
    event = events["m-1@status.example.com"]
    assert (event.decoded("DTSTART"), event.decoded("DTEND")) == (NOW + minutes(60), NOW + minutes(120))
    assert str(event["SUMMARY"]) == "Database upgrade"
    assert all(event.errors == [] for event in events.values())


def test_a_calendar_has_the_planned_period_of_a_cancelled_window():
    planned = planned_window(starts=20 * 24 * HOUR)
    closed = cancel(planned, only(planned).id, "ann", "not ready", NOW + HOUR).schedule
    shown = published_window(only(closed), DEFAULT_COMPONENTS, NOW + HOUR)
    written = render_calendar(decide(PageInputs(QUIET, (), (shown,)), now=NOW + 2 * HOUR)[0])
    (event,) = icalendar.Calendar.from_ical(written).walk("VEVENT")
    assert str(event["STATUS"]) == "CANCELLED"
    assert event.decoded("DTSTART") == only(planned).starts_at
    assert event.decoded("DTEND") == only(planned).ends_at > event.decoded("DTSTART")


def test_a_window_that_ended_in_the_second_of_its_start_has_no_end_in_the_calendar():
    """By RFC 5545 DTEND is later than DTSTART; an event without it ends when it starts."""
    over = window(starts_at=NOW, ends_at=NOW + timedelta(milliseconds=900), state=MaintenanceState.COMPLETED)
    (event,) = icalendar.Calendar.from_ical(render_calendar(replace(QUIET_PAGE, calendar=(over,)))).walk("VEVENT")
    assert (event.decoded("DTSTART"), "DTEND" in event, event.errors) == (NOW, False, [])


def test_a_calendar_folds_long_lines_and_keeps_every_character():
    text = "Ünïcode, with; a \\ and\nlines — " * 12
    shown = replace(QUIET_PAGE, calendar=(window(text=text, state=MaintenanceState.CANCELLED),))
    written = render_calendar(shown)
    assert all(len(line.encode()) <= 75 for line in written.split("\r\n"))
    event = icalendar.Calendar.from_ical(written).walk("VEVENT")[0]
    assert str(event["DESCRIPTION"]) == text
    assert (str(event["STATUS"]), event["SEQUENCE"]) == ("CANCELLED", 1)


STATUSES = {"operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"}


@pytest.mark.parametrize("path", ["summary.json", "api/v2/summary.json"])
def test_a_client_of_statuspage_reads_the_summary(files, path):
    """The fields and values of https://metastatuspage.com/api, as clients use them."""
    summary = json.loads(text_of(files, path))
    assert set(summary) == {"page", "status", "components", "incidents", "scheduled_maintenances"}
    assert summary["page"]["url"] == ADDRESS
    assert summary["status"] == {"indicator": "critical", "description": "Major outage"}
    assert {one["id"]: one["status"] for one in summary["components"]} == {
        "login": "degraded_performance",
        "tokens": "major_outage",
        "user-data": "under_maintenance",
    }
    assert [one["position"] for one in summary["components"]] == [1, 2, 3]
    incident = summary["incidents"][0]
    assert (incident["id"], incident["status"], incident["impact"]) == ("i-2", "investigating", "major")
    assert incident["shortlink"] == f"{ADDRESS}/incidents/i-2.html"
    assert [one["id"] for one in incident["components"]] == ["login", "tokens", "user-data"]
    planned = {one["id"]: one["status"] for one in summary["scheduled_maintenances"]}
    assert planned == {"m-1": "scheduled", "m-2": "in_progress"}
    assert json.loads(text_of(files, "api/v2/status.json")) == {key: summary[key] for key in ("page", "status")}


def test_what_is_not_known_is_no_operational_component_for_a_client_of_statuspage():
    unknown = decide(PageInputs(replace(QUIET, alarms=None)))[0]
    files = {file.path: file for file in render_site(unknown, NOW)}
    summary = json.loads(text_of(files, "summary.json"))
    assert summary["status"]["indicator"] == "minor"
    assert {one["status"] for one in summary["components"]} == {"degraded_performance"}
    assert all("Not known." in one["description"] for one in summary["components"])


@pytest.mark.parametrize("state", list(ComponentState))
def test_the_badge_is_an_image_that_says_the_state(state):
    shown = decide(PageInputs(QUIET, overrides=(override(state=state),)))[0]
    files = {file.path: file for file in render_site(shown, NOW)}
    root = ET.fromstring(files["badge.svg"].content)
    assert root.get("aria-label") == f"status: {LABELS[state].lower()}"
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "title", "rect", "g", "text"}


def test_the_digest_is_of_what_a_reader_sees():
    first = site_digest(QUIET_PAGE)
    assert site_digest(decide(now=NOW + minutes(1))[0]) == first
    assert site_digest(decide(PageInputs(QUIET, overrides=(override(),)))[0]) != first
    assert site_digest(decide(now=NOW + timedelta(days=1))[0]) != first


def test_uptime_is_rounded_down():
    assert percent(99.9999) == "99.999 %"
    assert (percent(100.0), percent(0.0), percent(None)) == ("100 %", "0.000 %", "No data")


def test_an_incident_s_page_has_a_name_without_folders():
    assert incident_path("20261123T030000-../etc") == "incidents/20261123T030000-___etc.html"
