"""The states of a maintenance window, and what is refused in each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.window import TRANSITIONS, WindowAction, WindowState, WindowStep, apply
from tests.samples import NOW
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, only, planned

WINDOW = only(planned())
PATHS = {
    WindowState.PLANNED: (),
    WindowState.UNDER_WAY: (WindowAction.START,),
    WindowState.ENDED: (WindowAction.START, WindowAction.END),
    WindowState.CANCELLED: (WindowAction.CANCEL,),
}


def in_state(state):
    window = WINDOW
    for action in PATHS[state]:
        window = apply(window, WindowStep(action, WINDOW.starts_at, "ann"))
    return window


@pytest.mark.parametrize("state", WindowState)
@pytest.mark.parametrize("action", [WindowAction.START, WindowAction.END, WindowAction.CANCEL])
def test_an_action_is_in_the_table_or_is_refused_with_a_remedy(state, action):
    window = in_state(state)
    assert window.state is state
    step = WindowStep(action, WINDOW.starts_at + MINUTE, "ann", "now")
    if (state, action) in TRANSITIONS:
        after = apply(window, step)
        assert (after.state, after.steps[-1]) == (TRANSITIONS[state, action], step)
        return
    with pytest.raises(Refused, match=f"{action} of {WINDOW.id}, which is {state}.*(it is|it has)"):
        apply(window, step)


def test_it_is_under_way_by_the_time_whatever_was_recorded():
    begins, ends = WINDOW.starts_at, WINDOW.ends_at
    assert not WINDOW.is_under_way(begins - MINUTE)
    assert WINDOW.is_under_way(begins), "although no run has started it"
    assert not WINDOW.is_under_way(ends), "although no run has ended it"
    assert not in_state(WindowState.CANCELLED).is_under_way(begins)
    assert not in_state(WindowState.ENDED).is_under_way(begins + HOUR)


def test_a_person_starts_it_earlier_and_it_is_under_way_from_then():
    early = apply(WINDOW, WindowStep(WindowAction.START, NOW + HOUR, "ann", "we are ready"))
    assert (early.start, early.is_under_way(NOW + HOUR)) == (NOW + HOUR, True)


def test_a_cancelled_window_keeps_its_planned_period_and_says_when_it_was_closed():
    cancelled = apply(WINDOW, WindowStep(WindowAction.CANCEL, NOW + HOUR, "ann", "not ready"))
    assert (cancelled.ended_at, cancelled.end, cancelled.closed_at) == (None, WINDOW.ends_at, NOW + HOUR)


def test_a_window_that_an_earlier_release_cancelled_keeps_its_planned_period_too():
    stored = replace(in_state(WindowState.CANCELLED), ended_at=NOW + HOUR)
    assert (stored.end, stored.closed_at) == (WINDOW.ends_at, WINDOW.starts_at)


def test_a_window_is_closed_when_it_ended_and_an_open_one_is_not_closed():
    begun = apply(WINDOW, WindowStep(WindowAction.START, WINDOW.starts_at, "ann"))
    late = apply(begun, WindowStep(WindowAction.END, WINDOW.ends_at + MINUTE, "orchestrator"), WINDOW.ends_at)
    assert (late.end, late.closed_at) == (WINDOW.ends_at, WINDOW.ends_at)
    early = apply(begun, WindowStep(WindowAction.END, WINDOW.starts_at + MINUTE, "ann"))
    assert (early.end, early.closed_at) == (WINDOW.starts_at + MINUTE, WINDOW.starts_at + MINUTE)
    assert [(one.end, one.closed_at) for one in (WINDOW, begun)] == [(WINDOW.ends_at, None)] * 2


def test_a_window_may_begin_when_another_ends():
    assert not WINDOW.overlaps(WINDOW.ends_at, WINDOW.ends_at + HOUR)
    assert not WINDOW.overlaps(WINDOW.starts_at - HOUR, WINDOW.starts_at)
    assert WINDOW.overlaps(WINDOW.starts_at - HOUR, WINDOW.starts_at + MINUTE)
    assert not in_state(WindowState.CANCELLED).overlaps(WINDOW.starts_at, WINDOW.ends_at)
