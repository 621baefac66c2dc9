"""The profile `aws-timing`: aliases, events and logs come late. MiniStack has no such profile to compare with."""

import json
import time

import pytest

from orchestrator.local.cloud import LocalCloud
from orchestrator.local.emulator.delays import aliases
from orchestrator.local.emulator.delays import events as event_delays
from orchestrator.local.emulator.delays import logs as log_delays
from orchestrator.local.emulator.delays.aliases import RecentRoutings
from tests.contract.conftest import CloudUnderTest
from tests.contract.waiting import eventually


@pytest.fixture(scope="module")
def late_cloud(tmp_path_factory):
    with LocalCloud.start(tmp_path_factory.mktemp("late"), profile="aws-timing", seed=7) as local:
        yield CloudUnderTest(local, patched=True)


def test_invocations_follow_a_changed_alias_a_moment_later(late_cloud):
    client = late_cloud.client("lambda")
    name = late_cloud.function("def handler(event, context): return 'latest'")
    first, second = late_cloud.versions(
        name, "def handler(event, context): return 'first'", "def handler(event, context): return 'second'"
    )
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=first)

    def answer():
        return json.load(client.invoke(FunctionName=name, Qualifier="live")["Payload"])

    for version in (first, second):  # warm, so that no cold start is taken for lateness
        client.invoke(FunctionName=name, Qualifier=version)
    changed = time.monotonic()
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=second)
    assert client.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == second
    eventually(lambda: answer() == "second", within_seconds=aliases.LONGEST_SECONDS + 1)
    assert time.monotonic() - changed >= aliases.SHORTEST_SECONDS


def test_events_come_out_of_order_and_some_of_them_twice(late_cloud):
    sqs, events = late_cloud.client("sqs"), late_cloud.client("events")
    queue = sqs.create_queue(QueueName=late_cloud.name("events"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule, sent = late_cloud.name("rule"), 30
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["test"]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    for batch in range(0, sent, 10):
        entries = [{"Source": "test", "DetailType": "t", "Detail": f'{{"n": {batch + n}}}'} for n in range(10)]
        events.put_events(Entries=entries)
    came = []

    def receive():
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
            event = json.loads(message["Body"])
            came.append((event["detail"]["n"], event["id"]))
        return len({number for number, _ in came}) == sent and len(came) > sent

    eventually(receive, within_seconds=event_delays.LONGEST_SECONDS * 2)
    numbers = [number for number, _ in came]
    assert numbers != sorted(numbers)
    assert len(set(came)) == sent  # one that came twice has one id


def test_log_lines_can_be_read_late_and_keep_their_time(late_cloud):
    name = late_cloud.function("def handler(event, context): print('a line')")
    query_ms = time.time() * 1000
    late_cloud.client("lambda").invoke(FunctionName=name)
    logs = late_cloud.client("logs")

    def line():
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return next((event for event in found if "a line" in event["message"]), None)

    event = eventually(line, within_seconds=log_delays.LONGEST_SECONDS + 2)
    lag_ms = event["ingestionTime"] - event["timestamp"]
    assert event["timestamp"] >= int(query_ms)
    assert lag_ms >= log_delays.SHORTEST_SECONDS * 1000 - 1


def test_an_alias_routes_as_it_was_until_each_of_its_changes_takes_effect():
    routings = RecentRoutings()
    one, two, three = ({"FunctionVersion": str(number)} for number in (1, 2, 3))
    routings.record_change("a", one, two, now=0.0, effective=1.0)
    routings.record_change("a", two, three, now=0.5, effective=0.7)  # drawn shorter, but not before the one before it
    assert routings.effective_routing("a", 0.9) == one
    assert routings.effective_routing("b", 0.9) is None
    assert routings.effective_routing("a", 1.1) is None  # as configured: three
    routings.record_change("a", three, one, now=2.0, effective=3.0)
    assert routings.effective_routing("a", 2.5) == three


@pytest.mark.both
def test_nothing_is_late_in_the_profile_instant(cloud):
    client = cloud.client("lambda")
    name = cloud.function("def handler(event, context): print('a line'); return 'latest'")
    (version,) = cloud.versions(name, "def handler(event, context): print('a line'); return 'first'")
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    answer = json.load(client.invoke(FunctionName=name, Qualifier="live")["Payload"])
    lines = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert answer == "first"
    assert any("a line" in event["message"] for event in lines)
