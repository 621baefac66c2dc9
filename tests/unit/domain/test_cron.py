"""Schedule expressions: when they are due, how often in a month, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.cron import Cron, InvalidSchedule, Rate, next_run, read_schedule, runs_per_month

pytestmark = pytest.mark.decision
MONDAY = datetime(2026, 11, 30, 5, 0, tzinfo=UTC)


def due(expression: str, at: datetime) -> bool:
    schedule = read_schedule(expression)
    assert isinstance(schedule, Cron)
    return at.minute in schedule.minutes and at.hour in schedule.hours and schedule.runs_in(at, 1) > 0


@pytest.mark.parametrize(
    ("expression", "at", "expected"),
    [
        ("cron(0 5 * * ? *)", MONDAY, True),
        ("cron(0 5 * * ? *)", MONDAY + timedelta(seconds=59), True),
        ("cron(0 5 * * ? *)", MONDAY + timedelta(minutes=1), False),
        ("cron(0 5 * * ? *)", MONDAY + timedelta(hours=1), False),
        ("cron(0 5 ? * MON *)", MONDAY, True),
        ("cron(0 5 ? * 2 *)", MONDAY, True),
        ("cron(0 5 ? * SUN,tue-FRI *)", MONDAY, False),
        ("cron(0 5 ? * 1 *)", MONDAY - timedelta(days=1), True),
        ("cron(0 5 ? * SAT *)", MONDAY - timedelta(days=2), True),
        ("cron(0 5 30 * ? *)", MONDAY, True),
        ("cron(0 5 1 * ? *)", MONDAY, False),
        ("cron(0 5 * NOV-DEC ? *)", MONDAY, True),
        ("cron(0 5 * 1,3 ? *)", MONDAY, False),
        ("cron(*/15 5/6 * * ? *)", MONDAY + timedelta(hours=6, minutes=45), True),
        ("cron(*/15 5/6 * * ? *)", MONDAY + timedelta(hours=7), False),
        ("cron(0 5 * * ? 2027)", MONDAY, False),
    ],
)
def test_an_expression_is_due_in_the_minutes_that_its_fields_permit(expression, at, expected):
    assert due(expression, at) is expected


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("cron(0 5 * * ? *)", 365 / 12),
        ("cron(0 5 ? * SUN *)", 52 / 12),
        ("cron(0 5 1 * ? *)", 1),
        ("cron(0,30 5-6 1 * ? *)", 4),
        ("cron(0 5 1 1 ? 2020)", 0),
        ("rate(5 minutes)", 365 * 288 / 12),
        ("rate(1 hour)", 365 * 24 / 12),
        ("rate(7 days)", 52 / 12),
    ],
)
def test_a_month_has_as_many_runs_as_the_average_of_a_year(expression, runs):
    assert runs_per_month(read_schedule(expression), MONDAY) == pytest.approx(runs)


def test_a_rate_is_its_duration():
    assert read_schedule("rate(12 hours)") == Rate(timedelta(hours=12))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "neither"),
        ("cron(0 5 * * ?)", "six fields"),
        ("cron(0 5 * * * *)", "exactly one"),
        ("cron(0 5 ? * ? *)", "exactly one"),
        ("rate(0 minutes)", "neither"),
        ("rate(5 weeks)", "neither"),
        ("at(2026-11-30T05:00:00)", "neither"),
        ("cron(60 5 * * ? *)", "60 is none of 0 to 59"),
        ("cron(0 24 * * ? *)", "24 is none of 0 to 23"),
        ("cron(0 5 L * ? *)", "L is none of 1 to 31"),
        ("cron(0 5 ? * MON#2 *)", "MON#2 is none of 1 to 7"),
        ("cron(0 5 0 * ? *)", "0 is none of 1 to 31"),
        ("cron(10-5 5 * * ? *)", "ends before it begins"),
        ("cron(*/0 5 * * ? *)", "*/0 is none"),
        ("cron(-1 5 * * ? *)", "none of 0 to 59"),
        ("cron(99/5 5 * * ? *)", "99 is none of 0 to 59"),
        ("cron(0 5 * * ? 1969)", "1969 is none"),
        ("cron(٣ 5 * * ? *)", "none of 0 to 59"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(expression, reason):
    with pytest.raises(InvalidSchedule) as caught:
        read_schedule(expression)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "after"),
    [
        ("cron(0 * * * ? *)", timedelta(hours=1)),
        ("cron(5,59 5,4 * * ? *)", timedelta(minutes=5)),
        ("cron(0 5 * * ? *)", timedelta(days=1)),
        ("cron(0 4 ? * WED *)", timedelta(days=2, hours=-1)),
        ("rate(2 hours)", timedelta(hours=2)),
    ],
)
def test_the_next_run_is_after_the_time(expression, after):
    assert next_run(expression, MONDAY) == MONDAY + after


def test_a_schedule_that_is_over_has_no_next_run():
    assert next_run("cron(0 5 * * ? 2025)", MONDAY) is None
