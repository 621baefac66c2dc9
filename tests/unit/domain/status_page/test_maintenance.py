"""Maintenance windows on the status page: whose components they are, and in which state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.maintenance.schedule import cancel
from orchestrator.domain.maintenance.window import WindowState
from orchestrator.domain.status_page.maintenance import MaintenanceState, published, published_window
from orchestrator.domain.status_page.settings import DEFAULT_COMPONENTS
from tests.unit.domain.maintenance.worlds import HOUR, NOW, only, planned

WINDOW = only(planned(starts=100 * HOUR, lasts=2 * HOUR))


@pytest.mark.parametrize(
    ("named", "affected"),
    [
        (("tokens",), ("tokens",)),
        (("token",), ("tokens",)),  # a function: the component that uses it
        (("authorize", "public"), ("login", "user-data")),
        (("billing",), ("billing",)),  # no component of the page
        (("billing", "token"), ("tokens",)),
    ],
)
def test_a_window_affects_the_components_that_it_names_or_whose_functions_it_names(named, affected):
    shown = published_window(replace(WINDOW, components=named), DEFAULT_COMPONENTS, NOW)
    assert shown.components == affected
    assert [one.id for one in DEFAULT_COMPONENTS if shown.affects(one.id)] == [
        one for one in affected if one != "billing"
    ]


@pytest.mark.parametrize(
    ("changes", "at", "state"),
    [
        ({}, timedelta(0), MaintenanceState.SCHEDULED),
        ({}, 100 * HOUR, MaintenanceState.IN_PROGRESS),  # by the time, although no run has started it
        ({"state": WindowState.UNDER_WAY, "began_at": NOW + HOUR}, HOUR, MaintenanceState.IN_PROGRESS),
        ({"state": WindowState.ENDED, "ended_at": NOW + 101 * HOUR}, 101 * HOUR, MaintenanceState.COMPLETED),
        ({"state": WindowState.CANCELLED}, timedelta(0), MaintenanceState.CANCELLED),
    ],
)
def test_its_state_is_that_of_the_window(changes, at, state):
    assert published_window(replace(WINDOW, **changes), DEFAULT_COMPONENTS, NOW + at).state is state


def test_its_times_are_those_at_which_it_began_and_ended():
    early = replace(WINDOW, state=WindowState.ENDED, began_at=NOW + HOUR, ended_at=NOW + 2 * HOUR)
    shown = published_window(early, DEFAULT_COMPONENTS, NOW + 3 * HOUR)
    assert (shown.starts_at, shown.ends_at, shown.announced_at) == (NOW + HOUR, NOW + 2 * HOUR, WINDOW.steps[0].at)
    assert shown.closed_at == NOW + 2 * HOUR
    assert published_window(WINDOW, DEFAULT_COMPONENTS, NOW).closed_at is None


def test_a_cancelled_window_keeps_its_planned_period_and_stays_in_the_calendar_until_days_after_it():
    schedule = planned(starts=20 * 24 * HOUR, lasts=2 * HOUR)
    window = only(cancel(schedule, only(schedule).id, "ann", "not ready", NOW + HOUR).schedule)
    shown = published_window(window, DEFAULT_COMPONENTS, NOW + 2 * HOUR)
    assert (shown.starts_at, shown.ends_at) == (window.starts_at, window.ends_at)
    assert shown.ends_at > shown.starts_at
    assert shown.closed_at == NOW + HOUR
    assert published((shown,), window.ends_at + timedelta(days=15)) == (shown,)
    assert published((shown,), window.ends_at + timedelta(days=15, seconds=1)) == ()
