"""When a schedule of the local cloud is due."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.local.emulator.eventbridge.schedules import due, is_complete, with_attributes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def schedule(expression, **changes):
    return {"ScheduleExpression": expression, "State": "ENABLED", "CreationDate": NOON.timestamp(), **changes}


@pytest.mark.parametrize(
    ("found", "after", "expected"),
    [
        (schedule("rate(5 minutes)"), NOON, NOON + timedelta(minutes=5)),
        (schedule("rate(5 minutes)"), NOON + timedelta(minutes=5), NOON + timedelta(minutes=10)),
        (
            schedule("rate(1 hour)", StartDate=(NOON + timedelta(minutes=10)).timestamp()),
            NOON,
            NOON + timedelta(minutes=10),
        ),
        (
            schedule("rate(1 hour)", StartDate=(NOON + timedelta(minutes=10)).timestamp()),
            NOON + timedelta(minutes=10),
            NOON + timedelta(minutes=70),
        ),
        (schedule("cron(30 * * * ? *)", StartDate=(NOON + timedelta(minutes=40)).timestamp()), NOON, None),
        (schedule("rate(1 minute)", State="DISABLED"), NOON, None),
        (schedule("cron(30 13 * * ? *)"), NOON, NOON.replace(hour=13, minute=30)),
        (schedule("cron(0 22 * * ? *)", ScheduleExpressionTimezone="Asia/Tokyo"), NOON, NOON.replace(hour=13)),
        (schedule("cron(0 14 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin"), NOON, NOON.replace(hour=13)),
        (schedule("at(2026-03-01T13:00:00)"), NOON, NOON.replace(hour=13)),
        (schedule("at(2026-03-01T12:00:00)"), NOON, None),
        (schedule("rate(1 hour)", EndDate=(NOON + timedelta(minutes=59)).timestamp()), NOON, None),
        (schedule("every day"), NOON, None),
    ],
)
def test_the_next_time_of_a_schedule(found, after, expected):
    assert due(found, after, NOON + timedelta(hours=2)) == expected


def test_a_time_in_the_future_is_not_due_yet():
    assert due(schedule("rate(5 minutes)"), NOON, NOON + timedelta(minutes=4, seconds=59)) is None


def test_a_daylight_saving_time_moves_the_time_in_utc():
    summer = NOON.replace(month=7)
    found = schedule("cron(0 14 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin")
    assert due(found, summer - timedelta(hours=1), summer + timedelta(hours=2)) == summer


def test_a_schedule_is_complete_after_its_only_time_or_its_end():
    assert is_complete(schedule("at(2026-03-01T12:00:00)"), NOON)
    assert not is_complete(schedule("at(2026-03-01T12:00:01)"), NOON)
    assert is_complete(schedule("rate(1 hour)", EndDate=NOON.timestamp()), NOON + timedelta(seconds=1))
    assert not is_complete(schedule("rate(1 hour)"), NOON)


def test_the_context_attributes_are_replaced():
    text = "<aws.scheduler.scheduled-time> <aws.scheduler.schedule-arn> <aws.scheduler.execution-id> <aws.scheduler.attempt-number>"
    assert with_attributes(text, "arn", NOON, "e-1") == "2026-03-01T12:00:00Z arn e-1 1"
