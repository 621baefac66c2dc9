"""Which points standing grants cover, and the choice of one set or of a random point."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.standing_grants.coverage import (
    LIFETIME,
    StandingGrants,
    choose_standing,
    draw_point,
    find_standing_of_backups,
)
from tests.samples import NOW

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
WRITTEN = NOW - 48 * HOUR
CHANGED = StandingGrants(WRITTEN, WRITTEN + HOUR)
HOURLY = [StandingGrants(WRITTEN + hour * HOUR, WRITTEN + (hour + 1) * HOUR + SECOND / 2) for hour in range(3)]


@pytest.mark.parametrize(
    ("one", "point", "now", "covered"),
    [
        (CHANGED, WRITTEN, NOW, True),
        (CHANGED, WRITTEN - SECOND, NOW, False),
        (CHANGED, WRITTEN + HOUR - SECOND, NOW, True),
        (CHANGED, WRITTEN + HOUR, NOW, False),
        (StandingGrants(WRITTEN, WRITTEN + 20 * HOUR), WRITTEN + LIFETIME, NOW, False),
        (StandingGrants(WRITTEN), WRITTEN, NOW, False),
        (StandingGrants(WRITTEN), WRITTEN, WRITTEN + HOUR, True),
    ],
)
def test_a_set_covers_the_points_from_its_writing_until_its_changes_or_its_end(one, point, now, covered):
    assert one.covers(point, now) is covered


def test_the_newest_set_that_covers_the_point_is_tried():
    chosen = choose_standing(HOURLY, None, WRITTEN + HOUR, NOW, "")
    assert chosen == HOURLY[1]


@pytest.mark.parametrize(
    ("begin", "end", "found"),
    [
        (HOUR + SECOND, HOUR + 60 * SECOND, HOURLY[1]),
        (HOUR - SECOND, HOUR - SECOND / 2, HOURLY[0]),
        (HOUR - 60 * SECOND, HOUR + 60 * SECOND, None),
        (-HOUR, -HOUR, None),
    ],
)
def test_backups_hold_a_set_that_was_unchanged_at_all_times_that_their_content_may_be_of(begin, end, found):
    assert find_standing_of_backups(HOURLY, WRITTEN + begin, WRITTEN + end, NOW) == found


def test_a_point_that_no_set_covers_is_refused_with_the_earliest_later_time():
    with pytest.raises(Refused) as refused:
        choose_standing([], WRITTEN, WRITTEN - HOUR, NOW, "")
    text = str(refused.value)
    assert text.startswith(f"to: '{(WRITTEN - HOUR).isoformat()}' is refused: no standing grants of before it are kept")
    assert text.endswith(f"the earliest later time that can be drilled is {WRITTEN.isoformat()}")


def test_without_any_later_set_the_remedy_is_the_setting():
    with pytest.raises(Refused, match=r"omit it for the latest time, or set recovery\.standing_grants"):
        choose_standing([CHANGED], None, WRITTEN + HOUR, NOW, "")


@pytest.mark.parametrize(
    ("schedule", "remedy"),
    [
        ("cron(0 * * * ? *)", f"gives the next ones by {(NOW + HOUR).replace(minute=0):%Y-%m-%dT%H:%M}"),
        (None, "wait for the next standing grants if recovery.standing_grants is set; set it otherwise"),
        ("rate(30 minutes)", f"gives the next ones by {NOW + HOUR / 2:%Y-%m-%dT%H:%M}"),
        ("cron(0 0 1 1 ? 2020)", r"correct recovery\.standing_grants: cron\(0 0 1 1 \? 2020\) is never due again"),
    ],
)
def test_a_schedule_of_grants_changes_the_remedy_to_the_time_of_the_next_ones(schedule, remedy):
    with pytest.raises(Refused, match=remedy) as refused:
        choose_standing([CHANGED], None, WRITTEN + HOUR, NOW, schedule)
    assert "set recovery.standing_grants" not in str(refused.value)
    with pytest.raises(Refused, match=remedy):
        draw_point([], NOW - 31 * HOUR, NOW, "dr-1", NOW, schedule)


def test_a_random_point_is_covered_and_the_same_for_every_attempt_of_a_drill():
    points = {name: draw_point(HOURLY, WRITTEN - HOUR, NOW, name, NOW, "") for name in map(str, range(50))}
    for name, point in points.items():
        assert point == draw_point(HOURLY[::-1], WRITTEN - HOUR, NOW, name, NOW, "")
        assert point.microsecond == 0
        choose_standing(HOURLY, None, point, NOW, "")
    assert len(set(points.values())) > 40
    of_set = {choose_standing(HOURLY, None, point, NOW, "").written_at for point in points.values()}
    assert of_set == {one.written_at for one in HOURLY}


def test_a_random_point_is_within_the_window():
    window = (WRITTEN + HOUR + 10 * SECOND, WRITTEN + HOUR + 11 * SECOND)
    assert {draw_point(HOURLY, *window, str(name), NOW, "") for name in range(20)} == set(window)


@pytest.mark.parametrize("kept", [[], HOURLY, [StandingGrants(NOW - 30 * HOUR)]])
def test_without_a_point_that_is_covered_none_is_drawn(kept):
    with pytest.raises(Refused, match=r"select: 'random' is refused: no standing grants from .* are kept"):
        draw_point(kept, NOW - 31 * HOUR, NOW, "dr-1", NOW, "")
