"""Who is on call: turns of a week, by the wall clock of the rota's time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.incidents.worlds import ROTA


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.strategy("Incident Response: Response team")
@pytest.mark.parametrize(
    ("moment", "person"),
    [
        ("2026-01-05T07:59:59", "cleo"),  # before the first handover the turns are counted backwards
        ("2026-01-05T08:00:00", "ann"),  # 09:00 in Berlin
        ("2026-01-11T23:59:59", "ann"),
        ("2026-01-12T07:59:59", "ann"),
        ("2026-01-12T08:00:00", "bob"),
        ("2026-01-19T08:00:00", "cleo"),
        ("2026-01-26T08:00:00", "ann"),
        ("2026-03-30T06:59:59", "cleo"),  # the first handover in summer time is an hour earlier in UTC
        ("2026-03-30T07:00:00", "ann"),
        ("2026-10-26T07:59:59", "cleo"),  # and the first in winter time an hour later
        ("2026-10-26T08:00:00", "ann"),
    ],
)
def test_a_turn_changes_at_the_handover_by_the_wall_clock(moment, person):
    assert ROTA.on_call(1, at(moment)) == person


def test_each_level_has_its_own_people():
    assert ROTA.on_call(2, at("2026-01-12T08:00:00")) == "dan"


def test_a_turn_lasts_an_hour_less_in_the_week_in_which_summer_time_begins_and_an_hour_more_in_the_one_in_which_it_ends():
    begins, ends = at("2026-03-23T08:00:00"), at("2026-10-19T07:00:00")
    assert ROTA.turn_ends_at(begins) - begins == timedelta(hours=167)
    assert ROTA.turn_ends_at(ends) - ends == timedelta(hours=169)


def test_a_handover_that_the_clock_skips_takes_place_after_the_skip_and_one_that_comes_twice_at_the_first_time():
    skipped = replace(ROTA, handover_day="Sun", handover_time=time(2, 30), starts=date(2026, 1, 4))
    assert skipped.turn_ends_at(at("2026-03-28T00:00:00")) == at("2026-03-29T01:30:00")
    assert skipped.turn_ends_at(at("2026-10-24T00:00:00")) == at("2026-10-25T00:30:00")


@given(st.integers(-3_000_000, 5_000_000), st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu"]))
def test_at_every_moment_one_person_is_on_call_until_the_next_handover(minute, zone):
    rota, now = replace(ROTA, time_zone=zone), at("2026-01-05T00:00:00") + timedelta(minutes=minute)
    ends = rota.turn_ends_at(now)
    assert now < ends <= now + timedelta(hours=169)
    assert rota.on_call(1, ends - timedelta(seconds=1)) == rota.on_call(1, now)
    people = ROTA.levels[0].people
    assert rota.on_call(1, ends) == people[(people.index(rota.on_call(1, now)) + 1) % len(people)]
