"""Random interleavings of plans, commands and runs that are late, duplicated or die: once each, and one window at a time."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.announcements import LEASE_DURATION, due_announcement
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import cancel, end, plan, start
from orchestrator.domain.maintenance.window import Announcement, WindowState
from tests.samples import NOW
from tests.unit.domain.maintenance.worlds import MINUTE, Maintenance, request

POLICY = MaintenancePolicy(notice_hours=0)
DAY = 24 * 60
LAST = 6 * DAY

plans = st.tuples(st.just("plan"), st.integers(1, 5 * DAY), st.integers(1, 8 * 60))
commands = st.tuples(st.sampled_from(["start", "end", "cancel"]), st.integers(0, 5), st.just(0))
ticks = st.tuples(st.just("tick"), st.integers(1, 3), st.just(0))
acts = st.lists(st.tuples(st.integers(0, LAST), st.one_of(plans, commands, ticks)), max_size=40)
deaths = st.lists(st.sampled_from(["", "", "before", "after"]), max_size=40)


def act(world, what, first, second, now, dies):
    names = sorted(world.windows)
    with suppress(Refused):
        if what == "plan":
            world.write(plan(world.schedule, request(now - NOW + first * MINUTE, second * MINUTE), POLICY, now))
        elif what == "tick":
            for _ in range(first):
                world.tick(now, dies)
        elif names:
            name = names[first % len(names)]
            if what == "start":
                world.write(start(world.schedule, name, "ann", "ready", POLICY, now))
            else:
                world.write((end if what == "end" else cancel)(world.schedule, name, "ann", "over", now))


def check(world, now):
    under_way = [window for window in world.schedule.windows if window.is_under_way(now)]
    recorded = [one for one in world.windows.values() if one.state is WindowState.UNDER_WAY]
    assert len(under_way) <= 1
    assert len(recorded) <= 1, "never two windows under way"
    if recorded and now < recorded[0].ends_at:
        assert under_way == recorded


@settings(max_examples=300, deadline=None)
@given(acts, deaths)
def test_every_due_announcement_is_made_once_and_no_two_windows_are_under_way(acting, dying):
    world = Maintenance()
    left = list(dying)
    died = []

    def dies():
        death = left.pop() if left else ""
        died.append(death)
        return death

    for minute, (what, first, second) in sorted(acting, key=lambda one: one[0]):
        now = NOW + minute * MINUTE
        act(world, what, first, second, now, dies)
        check(world, now)
    # Afterwards the clock runs, and no run dies: everything that was planned is closed and announced.
    end_of_time = NOW + timedelta(days=12)
    for later in range(4):
        world.tick(end_of_time + later * LEASE_DURATION)
    assert world.schedule.windows == ()
    sent = Counter(world.sent)
    repeated = sum(count - 1 for count in sent.values())
    assert repeated <= died.count("after"), "only a run that died between sending and its note is repeated"
    for window in world.windows.values():
        assert due_announcement(window, end_of_time) is None
        made = [announcement for name, announcement in dict.fromkeys(world.sent) if name == window.id]
        assert set(window.announced) <= set(made)
        if "after" not in died:
            assert made == list(window.announced)
        assert made == sorted(made, key=tuple(Announcement).index)
        last = Announcement.CANCELLED if window.state is WindowState.CANCELLED else Announcement.ENDED
        assert made[-1] is last


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5 * DAY), st.integers(1, 8 * 60), st.integers(1, 4))
def test_a_clock_that_runs_every_minute_announces_all_that_is_due_and_each_in_its_minute(ahead, lasts, times):
    world = Maintenance()
    world.write(plan(world.schedule, request(ahead * MINUTE, lasts * MINUTE), POLICY, NOW))
    expected = {Announcement.STARTED: ahead, Announcement.ENDED: ahead + lasts}
    expected[Announcement.IN_1_HOUR] = max(ahead - 60, 0)
    if ahead > 60:  # otherwise the announcement of the hour says it as well
        expected[Announcement.IN_72_HOURS] = max(ahead - 72 * 60, 0)
    made = {}
    for minute in sorted({*expected.values(), *(one + 1 for one in expected.values())}):
        before = len(world.sent)
        for _ in range(times):
            world.tick(NOW + minute * MINUTE)
        made |= {announcement: minute for _, announcement in world.sent[before:]}
    assert made == expected
    assert len(world.sent) == len(expected)
