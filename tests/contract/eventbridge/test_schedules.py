"""Schedules of EventBridge Scheduler fire by themselves.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
"""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.contract.conftest import ROLE
from tests.contract.waiting import eventually

INPUT = json.dumps({"scheduled": "<aws.scheduler.scheduled-time>", "arn": "<aws.scheduler.schedule-arn>"})


@pytest.fixture
def queue(cloud):
    url = cloud.client("sqs").create_queue(QueueName=cloud.name("queue"))["QueueUrl"]
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, attributes["QueueArn"]


def create(cloud, queue, expression, **settings):
    name = cloud.name("schedule")
    target = {"Arn": queue[1], "RoleArn": ROLE, "Input": INPUT}
    cloud.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
        **settings,
    )
    return name


def received(cloud, queue):
    found = cloud.client("sqs").receive_message(QueueUrl=queue[0], MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(one["Body"]) for one in found]


def at(time):
    return f"at({time:%Y-%m-%dT%H:%M:%S})"


def test_a_schedule_fires_once_at_its_time_with_the_time_and_its_arn(cloud, queue):
    time = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    name = create(cloud, queue, at(time), ActionAfterCompletion="DELETE")
    arn = cloud.client("scheduler").get_schedule(Name=name)["Arn"]
    (message,) = eventually(lambda: received(cloud, queue) or None)
    assert message == {"scheduled": f"{time:%Y-%m-%dT%H:%M:%SZ}", "arn": arn}
    eventually(lambda: not [one for one in listed(cloud) if one == name] or None)


def listed(cloud):
    return [one["Name"] for one in cloud.client("scheduler").list_schedules()["Schedules"]]


def test_a_time_is_one_of_the_time_zone(cloud, queue):
    zone = "Asia/Tokyo"
    time = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    create(cloud, queue, at(time.astimezone(ZoneInfo(zone))), ScheduleExpressionTimezone=zone)
    (message,) = eventually(lambda: received(cloud, queue) or None)
    assert message["scheduled"] == f"{time:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.timeout(150)
def test_a_rate_counts_from_the_creation_and_a_disabled_schedule_does_not_fire(cloud, queue):
    begun = datetime.now(UTC)
    create(cloud, queue, "rate(1 minute)")
    create(cloud, queue, "rate(1 minute)", State="DISABLED")
    messages = eventually(lambda: received(cloud, queue) or None, 80)
    assert len(messages) == 1
    scheduled = datetime.fromisoformat(messages[0]["scheduled"])
    assert timedelta(seconds=58) < scheduled - begun < timedelta(seconds=64)
