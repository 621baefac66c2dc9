"""When deployments may start: weekly windows, time zones, blackouts, and the settings for them."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.deployment.calendar import (
    ALWAYS,
    DAYS,
    HORIZON_DAYS,
    MAX_WAIT,
    Blackout,
    Calendar,
    WhenClosed,
    next_opening,
    read_calendar,
    refuse_closed,
)
from orchestrator.domain.deployment.gates import MAX_DEADLINE_SECONDS, GateKind, calendar_gate
from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader
from tests.samples import policy

MONDAY = datetime.fromisoformat("2026-11-23T00:00:00+00:00")
YEAR_END = {"from": "2026-12-21", "until": "2027-01-03", "reason": "year-end freeze"}
TABLE = {
    "time_zone": "Europe/Berlin", "windows": ["Mon-Thu 08:00-16:00"], "blackouts": [YEAR_END], "when_closed": "REFUSE",
}  # fmt: skip
CALENDAR = Calendar(
    "Europe/Berlin", ("Mon-Thu 08:00-16:00",), (Blackout(date(2026, 12, 21), date(2027, 1, 3), "year-end freeze"),)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def read(table: dict) -> Calendar:
    return read_calendar(SettingsReader("delivery.calendar", table, Refused))


@pytest.mark.parametrize(
    ("windows", "after", "expected"),
    [
        (("Mon-Thu 08:00-16:00",), timedelta(hours=7), timedelta(hours=1)),
        (("Mon-Thu 08:00-16:00",), timedelta(hours=8), timedelta(0)),
        (("Mon-Thu 08:00-16:00",), timedelta(hours=15, minutes=59, seconds=59), timedelta(0)),
        (("Mon-Thu 08:00-16:00",), timedelta(hours=16), timedelta(hours=16)),
        (("Mon-Thu 08:00-16:00",), timedelta(days=3, hours=16), timedelta(days=3, hours=16)),
        (("Mon 08:00-16:00",), timedelta(hours=17), timedelta(days=6, hours=15)),
        (("Fri-Mon 00:00-24:00",), timedelta(days=6, hours=23), timedelta(0)),
        (("Fri-Mon 00:00-24:00",), timedelta(days=1), timedelta(days=3)),
        (("Sun 08:00-09:00", "Tue 08:00-09:00"), timedelta(hours=12), timedelta(hours=20)),
    ],
)
def test_a_window_opens_at_its_next_beginning(windows, after, expected):
    now = MONDAY + after
    assert next_opening(windows, now) - now == expected


@given(
    st.sampled_from(DAYS), st.sampled_from(DAYS), st.integers(0, 23), st.integers(1, 24), st.integers(0, 7 * 24 * 60)
)
def test_after_the_wait_a_window_is_open_and_a_wait_is_shorter_than_a_week(first, last, opens, hours, minutes):
    window = f"{first}-{last} {opens:02}:00-{min(24, opens + hours):02}:00"
    now = MONDAY + timedelta(minutes=minutes)
    opens = next_opening((window,), now)
    assert now <= opens < now + timedelta(days=7)
    assert next_opening((window,), opens) == opens


def test_a_calendar_is_read_as_it_is_written():
    assert read(TABLE) == CALENDAR
    assert read({"time_zone": "UTC", "when_closed": "WAIT"}) == Calendar(when_closed=WhenClosed.WAIT)
    assert policy(calendar=TABLE).calendar == CALENDAR
    assert policy().calendar is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"time_zone": "Europe"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": "/etc/localtime"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"time_zone": 1}, "time_zone"),
        ({"windows": []}, "windows"),
        ({"windows": ["Mo 08:00-16:00"]}, "windows"),
        ({"windows": ["Mon 16:00-08:00"]}, "windows"),
        ({"windows": ["Mon 08:00-24:30"]}, "windows"),
        ({"when_closed": "HOLD"}, "when_closed"),
        ({"surprise": 1}, "surprise"),
        ({"blackouts": [{**YEAR_END, "from": "2026-12-32"}]}, "blackouts[0].from"),
        ({"blackouts": [{**YEAR_END, "from": date(2026, 12, 21)}]}, "blackouts[0].from"),
        ({"blackouts": [YEAR_END, {**YEAR_END, "until": "2026-12-20"}]}, "blackouts[1].until"),
        ({"blackouts": [{**YEAR_END, "until": "2028-12-20"}]}, "blackouts[0].until"),
        ({"blackouts": [{**YEAR_END, "reason": " "}]}, "blackouts[0].reason"),
        ({"blackouts": [{**YEAR_END, "reason": "x" * 5000}]}, "blackouts[0].reason"),
        ({"blackouts": [{**YEAR_END, "surprise": 1}]}, "blackouts[0].surprise"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_field(change, field):
    with pytest.raises(Refused) as refused:
        read({**TABLE, **change})
    assert refused.value.field == f"delivery.calendar.{field}"


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-23T06:59:59", "2026-11-23T07:00:00"),  # eight o'clock in winter
        ("2026-06-22T05:59:59", "2026-06-22T06:00:00"),  # in summer
        ("2026-11-23T14:59:59", "2026-11-23T14:59:59"),
        ("2026-11-23T15:00:00", "2026-11-24T07:00:00"),
        ("2026-11-26T15:00:00", "2026-11-30T07:00:00"),  # Thursday evening
        ("2026-12-17T15:00:00", "2027-01-04T07:00:00"),  # the blackout is longer than the week
        ("2026-12-20T23:00:00", "2027-01-04T07:00:00"),  # its first day has begun in Berlin
        ("2026-03-29T12:00:00", "2026-03-30T06:00:00"),  # the clocks have gone forward this night
        ("2026-10-25T12:00:00", "2026-10-26T07:00:00"),  # and back
    ],
)
def test_it_opens_by_the_clock_of_its_time_zone_outside_of_blackouts(now, opens):
    assert CALENDAR.opens_at(at(now)) == at(opens)


@pytest.mark.parametrize("window", ["Sun 02:00-03:00", "Sun 02:15-02:45", "Sun 02:00-02:01", "Sun 02:59-03:00"])
def test_a_window_within_the_hour_that_the_clocks_skip_is_none(window):
    # In summer time, an hour earlier in UTC.
    next_sunday = at(f"2026-04-05T00:{window[7:9]}:00")
    assert next_opening((window,), at("2026-03-29T00:30:00"), "Europe/Berlin") == next_sunday


@pytest.mark.parametrize(
    ("zone", "window", "opens", "closes"),
    [
        ("Europe/Berlin", "Sun 01:00-02:30", "2026-03-29T00:00:00", "2026-03-29T01:00:00"),
        ("Europe/Berlin", "Sun 02:30-03:30", "2026-03-29T01:00:00", "2026-03-29T01:30:00"),
        ("Europe/Berlin", "Sun 01:30-03:00", "2026-03-29T00:30:00", "2026-03-29T01:00:00"),
        ("America/Santiago", "Sun 00:15-02:00", "2026-09-06T04:00:00", "2026-09-06T05:00:00"),
        ("America/Santiago", "Sat 23:00-24:00", "2026-09-06T03:00:00", "2026-09-06T04:00:00"),
        ("Australia/Lord_Howe", "Sun 02:10-02:45", "2026-10-03T15:30:00", "2026-10-03T15:45:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_the_moment_at_which_they_do(zone, window, opens, closes):
    minute, week = timedelta(minutes=1), timedelta(days=7)
    assert next_opening((window,), at(opens) - minute, zone) == at(opens)
    assert next_opening((window,), at(closes) - minute, zone) == at(closes) - minute
    assert next_opening((window,), at(closes), zone) > at(closes) + week / 2


@given(st.integers(0, 2 * 366 * 24 * 60), st.sampled_from(["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"]))
def test_at_its_opening_it_is_open(minutes, zone):
    calendar = Calendar(zone, ("Mon-Thu 01:30-02:30", "Sun 02:00-24:00"), CALENDAR.blackouts)
    now = MONDAY + timedelta(minutes=minutes)
    opens = calendar.opens_at(now)
    assert opens >= now
    assert calendar.opens_at(opens) == opens


def test_a_calendar_of_blackouts_alone_never_opens_while_they_last():
    calendar = Calendar(blackouts=(Blackout(date(2026, 11, 23), date(2028, 1, 1), "closed for good"),))
    assert calendar.opens_at(MONDAY) is None
    assert calendar.describe_closure(MONDAY) == f"closed for the next {HORIZON_DAYS} days: closed for good"
    with pytest.raises(Refused, match="closed for good"):
        refuse_closed(Calendar("UTC", ALWAYS, calendar.blackouts, WhenClosed.WAIT), MONDAY, "")


WAITS = Calendar("UTC", ALWAYS, CALENDAR.blackouts, WhenClosed.WAIT)


def test_a_deployment_that_would_wait_longer_than_a_gate_may_is_refused_with_the_opening():
    refuse_closed(WAITS, at("2026-12-29T00:00:00"), "")
    with pytest.raises(Refused) as refused:
        refuse_closed(WAITS, at("2026-12-28T23:59:59"), "")
    assert refused.value.value == "closed until Mon 2027-01-04 00:00 UTC: year-end freeze"
    assert "within 6 days" in refused.value.remedy
    assert "--outside-calendar REASON" in refused.value.remedy
    refuse_closed(WAITS, at("2026-12-22T00:00:00"), "an incident")


def test_a_deployment_outside_of_the_windows_is_refused_with_the_reason_and_the_next_opening():
    with pytest.raises(Refused) as refused:
        refuse_closed(CALENDAR, at("2026-11-27T12:00:00"), "")
    assert refused.value.field == "delivery.calendar"
    assert refused.value.value == "closed until Mon 2026-11-30 08:00 CET: open Mon-Thu 08:00-16:00 Europe/Berlin"
    assert "--outside-calendar REASON" in refused.value.remedy
    with pytest.raises(Refused, match="closed until Mon 2027-01-04 08:00 CET: year-end freeze"):
        refuse_closed(CALENDAR, at("2026-12-22T12:00:00"), "")


@pytest.mark.parametrize(
    ("calendar", "now", "override"),
    [
        (None, "2026-11-27T12:00:00", ""),
        (CALENDAR, "2026-11-26T12:00:00", ""),
        (CALENDAR, "2026-11-27T12:00:00", "a fix for the incident of this morning"),
        (Calendar("UTC", ("Mon 08:00-09:00",), (), WhenClosed.WAIT), "2026-11-27T12:00:00", ""),
    ],
)
def test_it_refuses_nothing_else(calendar, now, override):
    refuse_closed(calendar, at(now), override)


def test_a_deployment_that_waits_has_a_gate_before_its_first_traffic():
    gate = calendar_gate(CALENDAR, timedelta(days=6))
    assert (gate.kind, gate.name, gate.before_step) == (GateKind.WINDOW, "calendar", 0)
    assert gate.deadline == MAX_WAIT == timedelta(seconds=MAX_DEADLINE_SECONDS)
    assert gate.description == "calendar: Mon-Thu 08:00-16:00 Europe/Berlin"
    assert gate.blackouts == CALENDAR.blackouts
