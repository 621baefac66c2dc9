"""Windows are planned, started, ended and cancelled; what is wrong is refused by field, value and remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import (
    MAX_OPEN,
    SILENCEABLE,
    Schedule,
    advance,
    cancel,
    end,
    find_window,
    plan,
    read_moment,
    start,
)
from orchestrator.domain.maintenance.window import CLOCK, WindowAction, WindowState
from orchestrator.domain.notifications.alarms import SEVERITIES
from tests.samples import NOW
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, POLICY, only, planned, request


def test_a_window_is_planned_with_what_it_allows_and_silences():
    window_request = request(
        allowed=("tables", "d-tables", "d-late"), silenced=("latency", "latency", "service-degraded")
    )
    change = plan(Schedule(), window_request, POLICY, NOW)
    window = only(change.schedule)
    assert change.windows == (window,)
    assert window.id.startswith(f"mnt-{window.starts_at:%Y%m%dT%H%MZ}-")
    assert window.state is WindowState.PLANNED
    assert (window.steps[0].action, window.steps[0].by, window.steps[0].at) == (WindowAction.PLAN, "ann", NOW)
    assert set(window.allowed_deployments) == {"d-tables", "d-late"}
    assert window.silenced_alarms == ("latency", "service-degraded")


@pytest.mark.parametrize(
    ("changes", "field", "remedy"),
    [
        ({"title": " "}, "--title", "give a text"),
        ({"title": "x" * 201}, "--title", "at most 200"),
        ({"text": ""}, "--text", "give a text"),
        ({"text": "\ud800"}, "--text", "surrogates"),
        ({"components": ()}, "--component", "give 1 to 20"),
        ({"components": [f"c{number}" for number in range(21)]}, "--component", "give 1 to 20"),
        ({"components": ("Token endpoint",)}, "--component", "lower-case letters"),
        ({"allowed": ("a b",)}, "--allow", "idempotency key"),
        ({"silenced": ("nothing",)}, "--silence", "give sections of docs/runbooks/alarms.md: .*latency"),
        ({"silenced": ("root-account-used",)}, "--silence", "a SEV1 alarm pages always"),
        ({"starts_at": NOW}, "--starts", "a time in the future; it is 20"),
        ({"ends_at": NOW + 100 * HOUR}, "--ends", "a time after the start"),
        ({"ends_at": NOW + 109 * HOUR}, "--ends", "at most 8 hours"),
        ({"starts_at": NOW + HOUR, "ends_at": NOW + 2 * HOUR}, "--starts", "72 hours ahead, .* --urgent REASON"),
        ({"urgent": "x" * 2000}, "--urgent", "at most 1024"),
    ],
)
def test_what_is_wrong_is_refused_by_field_and_remedy(changes, field, remedy):
    with pytest.raises(Refused, match=remedy) as refusal:
        plan(Schedule(), request(**changes), POLICY, NOW)
    assert refusal.value.field == field


def test_an_urgent_window_needs_a_reason_and_no_notice():
    window_request = request(HOUR, urgent="the key leaked")
    assert only(plan(Schedule(), window_request, POLICY, NOW).schedule).steps[0].reason == "the key leaked"
    assert plan(Schedule(), request(72 * HOUR), POLICY, NOW).windows, "the notice to the minute is enough"
    assert plan(Schedule(), request(MINUTE), MaintenancePolicy(notice_hours=0), NOW).windows


def test_a_window_that_overlaps_another_is_refused_with_its_times():
    schedule = planned()
    window = only(schedule)
    with pytest.raises(Refused, match=f"{window.id} takes 2026-.*Z to 2026-.*Z: choose another time") as refusal:
        plan(schedule, request(101 * HOUR), POLICY, NOW)
    assert refusal.value.field == "--starts"
    after = plan(schedule, request(102 * HOUR, title="the next"), POLICY, NOW).schedule
    after = plan(after, request(98 * HOUR, title="the one before"), POLICY, NOW).schedule
    assert [one.title for one in after.windows] == ["the one before", "New token table", "the next"]


def test_there_is_a_limit_of_open_windows():
    schedule = Schedule()
    for number in range(MAX_OPEN):
        schedule = plan(schedule, request((100 + 3 * number) * HOUR), POLICY, NOW).schedule
    with pytest.raises(Refused, match="cancel one"):
        plan(schedule, request(1000 * HOUR), POLICY, NOW)
    first = schedule.windows[0]
    schedule = cancel(schedule, first.id, "ann", "not needed", NOW).schedule
    assert len(plan(schedule, request(1000 * HOUR), POLICY, NOW).schedule.windows) == MAX_OPEN + 1, (
        "a cancelled one stays until it is announced"
    )


def test_the_clock_starts_and_ends_a_window_at_its_times_even_if_it_is_late():
    schedule = planned()
    window = only(schedule)
    assert advance(schedule, window.starts_at - MINUTE).windows == ()
    begun = advance(schedule, window.starts_at + 3 * MINUTE)
    assert only(begun.schedule).began_at == window.starts_at
    assert only(begun.schedule).steps[-1].by == CLOCK
    assert advance(begun.schedule, window.starts_at + 4 * MINUTE).windows == (), "a second run changes nothing"
    for before in (begun.schedule, schedule):
        ended = only(advance(before, window.ends_at + HOUR).schedule)
        assert (ended.state, ended.began_at, ended.ended_at) == (WindowState.ENDED, window.starts_at, window.ends_at)


def test_a_person_starts_it_early_and_ends_it_early():
    schedule = planned(lasts=HOUR)
    window = only(schedule)
    early = window.starts_at - HOUR
    begun = start(schedule, window.id, "bob", "all are here", POLICY, early).schedule
    assert begun.under_way(early) == only(begun)
    assert only(begun).steps[-1].reason == "all are here"
    ended = end(begun, window.id, "bob", "", early + MINUTE)
    assert (only(ended.schedule).ended_at, ended.schedule.under_way(early + MINUTE)) == (early + MINUTE, None)


def test_an_early_start_is_refused_if_it_would_be_too_long_or_overlap():
    schedule = plan(planned(), request(103 * HOUR, title="the next"), POLICY, NOW).schedule
    following = schedule.windows[1]
    with pytest.raises(Refused, match="more than 8 hours"):
        start(schedule, following.id, "bob", "we are ready", POLICY, NOW)
    with pytest.raises(Refused, match=f"{schedule.windows[0].id} takes"):
        start(schedule, following.id, "bob", "we are ready", POLICY, NOW + 101 * HOUR)
    with pytest.raises(Refused, match="give a text"):
        start(schedule, following.id, "bob", "", POLICY, NOW + 102 * HOUR)


def test_a_command_first_does_what_the_clock_has_not_done_yet():
    schedule = plan(planned(), request(102 * HOUR, title="the next"), POLICY, NOW).schedule
    first, following = schedule.windows
    change = end(schedule, following.id, "bob", "done", NOW + 103 * HOUR)
    assert [one.state for one in change.schedule.windows] == [WindowState.ENDED, WindowState.ENDED]
    assert [one.id for one in change.windows] == [first.id, following.id], "the window of the command is the last"
    with pytest.raises(Refused, match="it has begun: `orchestrator maintenance end`"):
        cancel(schedule, first.id, "bob", "not needed", NOW + 101 * HOUR)


def test_a_cancelled_window_is_none_any_more():
    schedule = planned()
    cancelled = cancel(schedule, only(schedule).id, "bob", "the provider is not ready", NOW).schedule
    assert only(cancelled).state is WindowState.CANCELLED
    assert cancelled.under_way(only(cancelled).starts_at) is None
    with pytest.raises(Refused, match="it is over"):
        cancel(cancelled, only(schedule).id, "bob", "again", NOW)
    with pytest.raises(Refused, match="give a text"):
        cancel(schedule, only(schedule).id, "bob", " ", NOW)


def test_a_window_that_does_not_exist_is_refused():
    with pytest.raises(Refused, match="orchestrator maintenance list"):
        find_window(replace(planned(), version=3), "mnt-1")


@pytest.mark.parametrize("text", ["tomorrow", "2026-12-24T20:00:00", "0001-01-01T00:00:00+14:00", ""])
def test_a_time_without_a_zone_or_that_is_none_is_refused(text):
    with pytest.raises(Refused, match="with its zone, such as"):
        read_moment("--starts", text)


@pytest.mark.parametrize("text", ["2026-12-24T20:00Z", "2026-12-24T21:00:00+01:00"])
def test_a_time_is_read_in_its_zone(text):
    assert read_moment("--starts", text) == datetime(2026, 12, 24, 20, tzinfo=UTC)


def test_the_guide_names_the_alarms_that_no_window_silences():
    guide = (Path(__file__).resolve().parents[4] / "docs/guides/maintenance.md").read_text(encoding="utf-8")
    sentence = guide.partition("because they always page:")[2].partition(".")[0]
    assert {name for name in SEVERITIES if f"`{name}`" in sentence} == set(SEVERITIES).difference(SILENCEABLE)
