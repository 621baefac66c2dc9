"""A live table is compared with a copy of what it was: its stream shows what it was, while clients go on writing.

The copy is made of writes that the test itself recorded as acknowledged, so nothing of a restore has a part in this.
"""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import Credentials

from orchestrator.application.table_comparison import RecoveryPoint, TableSides, compare_segments, compare_whole
from orchestrator.aws.dynamodb.raw_client import STREAMS, TABLES, Account, RawDynamoDBClient
from orchestrator.aws.dynamodb.streams import StreamChanges
from orchestrator.aws.dynamodb.table_reader import Hashing, TableReader
from orchestrator.domain.errors import SourceStateUnknown, TableNotReadable
from orchestrator.domain.table_comparison.comparison import (
    ComparisonLevel,
    Origin,
    SegmentDigest,
    SegmentedComparison,
    Side,
    judge_comparison,
)
from orchestrator.domain.verdict import Outcome

pytestmark = pytest.mark.both
KEY = b"k" * 32
ROWS, SEGMENTS = 60, 4


class Recorder:
    """Writes to a table and keeps what was acknowledged."""

    def __init__(self, client, table):
        self.client, self.table, self.items = client, table, {}
        self.draw = random.Random(5)

    def put(self, name, number):
        item = {"pk": {"S": name}, "n": {"N": str(number)}}
        self.client.put_item(TableName=self.table, Item=item)
        self.items[name] = item

    def remove(self, name):
        self.client.delete_item(TableName=self.table, Key={"pk": {"S": name}})
        self.items.pop(name, None)

    def write_something(self):
        name = f"item {self.draw.randrange(ROWS)}"
        if self.draw.random() < 0.2:
            self.remove(name)
        else:
            self.put(name, self.draw.randrange(10**6))


def make_table(client, table, *, stream=True):
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}),
    )
    return table


def now():
    return datetime.now(UTC)


def next_second():
    """Wait until a second begins before which there was one without a write."""
    time.sleep(2.05 - time.time() % 1)
    return now().replace(microsecond=0)


class Scene:
    """A source with clients, and a copy of it as it was at a point."""

    def __init__(self, cloud):
        self.client = cloud.client("dynamodb")
        account = Account(cloud.endpoint_url, cloud.region, Credentials("test", "test"))
        apis = {"dynamodb": TABLES, "dynamodbstreams": STREAMS}

        def wires(service):
            return RawDynamoDBClient(account, apis[service])

        self.tables = TableReader(self.client, wires)
        self.streams = StreamChanges(cloud.client("dynamodbstreams"), wires, now)
        self.source = Recorder(self.client, make_table(self.client, cloud.name("source")))
        self.copy = make_table(self.client, cloud.name("copy"), stream=False)
        time.sleep(2)  # A stream that began within the second of the point does not reach back to it.
        for number in range(ROWS // 2):
            self.source.put(f"item {number}", number)

    def take_copy(self):
        """Copy what was acknowledged so far, at a second's boundary."""
        point = next_second()
        for item in self.source.items.values():
            self.client.put_item(TableName=self.copy, Item=item)
        return point

    def sides(self, point, fuzzy=timedelta(0)):
        shape = self.tables.describe(self.source.table)
        hashing = Hashing(KEY, shape.names, shape.ttl_attribute)
        at = RecoveryPoint(point, fuzzy, timedelta(seconds=0.2), now())
        return TableSides("tokens", shape, self.tables.describe(self.copy), at, self.tables, self.streams, hashing)

    def compare(self, point):
        return compare_whole(self.sides(point), now())

    def compare_in_segments(self, point):
        sides, done = self.sides(point), []
        while missing := SegmentedComparison("tokens", SEGMENTS, done).missing_segments():
            for reading in missing:
                side = sides.source if reading.side is Side.SOURCE else sides.restored
                if reading.level is ComparisonLevel.RAW:
                    done.append(SegmentDigest(reading, side.raw_digest(reading.segment, SEGMENTS)))
                else:
                    buckets = side.partition_digests(reading.segment, SEGMENTS)
                    done.append(SegmentDigest(reading, side.raw_digest(reading.segment, SEGMENTS), buckets))
        return compare_segments(sides, SegmentedComparison("tokens", SEGMENTS, done), now())


@pytest.fixture(scope="module")
def scene(cloud):
    return Scene(cloud)


@pytest.fixture(scope="module")
def copied(scene):
    return scene.take_copy()


@pytest.fixture
def traffic(scene):
    """Clients that write to the source all the time."""
    over = threading.Event()

    def write():
        while not over.is_set():
            scene.source.write_something()
            time.sleep(0.02)

    thread = threading.Thread(target=write)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def restored_row(scene):
    """A row of the copy that may be damaged; it is put right afterwards."""
    item = scene.client.scan(TableName=scene.copy)["Items"][0]
    yield item
    scene.client.put_item(TableName=scene.copy, Item=item)


def test_a_quiet_source_and_its_copy_agree_by_their_bytes(scene, copied):
    time.sleep(1)
    for seen in (scene.compare(copied), scene.compare_in_segments(copied)):
        assert (seen.level, seen.changed_since, seen.origin) == ("raw", 0, Origin.QUIET)
        assert judge_comparison(seen).outcome is Outcome.PASS


def test_under_traffic_they_agree_as_well(scene, copied, traffic):
    time.sleep(2)
    for seen in (scene.compare(copied), scene.compare_in_segments(copied)):
        assert (seen.level, seen.origin) == ("keys", Origin.STREAM)
        assert seen.changed_since > 5
        assert judge_comparison(seen).outcome is Outcome.PASS, seen


def test_under_traffic_every_damage_to_the_copy_is_found(scene, copied, traffic, restored_row):
    time.sleep(2)
    damages = {
        "missing": lambda: scene.client.delete_item(TableName=scene.copy, Key={"pk": restored_row["pk"]}),
        "changed": lambda: scene.client.put_item(TableName=scene.copy, Item={**restored_row, "n": {"N": "-1"}}),
    }
    for kind, damage in damages.items():
        damage()
        for seen in (scene.compare(copied), scene.compare_in_segments(copied)):
            assert (getattr(seen.differences, kind), seen.differences.count) == (1, 1)
            assert judge_comparison(seen).outcome is Outcome.FAIL


def test_a_row_too_many_is_found(scene, copied):
    scene.client.put_item(TableName=scene.copy, Item={"pk": {"S": "of nobody"}})
    for seen in (scene.compare(copied), scene.compare_in_segments(copied)):
        assert (seen.differences.extra, seen.differences.count) == (1, 1)
    scene.client.delete_item(TableName=scene.copy, Key={"pk": {"S": "of nobody"}})


def test_a_copy_of_another_time_is_found(scene, copied):
    """What is wrong by some seconds differs in what was written in these."""
    for _ in range(5):
        scene.source.write_something()
    time.sleep(2)
    assert scene.compare(now() - timedelta(seconds=1)).differences.count > 0


def test_a_point_that_the_stream_does_not_reach_is_not_judged(scene, cloud):
    long_ago = now() - timedelta(hours=1)
    with pytest.raises(SourceStateUnknown, match="reaches back to"):
        scene.compare(long_ago)


def test_a_source_without_a_stream_is_not_judged(scene, copied):
    sides = scene.sides(copied)
    shape = scene.tables.describe(scene.copy)
    mute = TableSides(
        "tokens",
        shape,
        shape,
        RecoveryPoint(copied, timedelta(0), timedelta(0), now()),
        scene.tables,
        scene.streams,
        Hashing(KEY, ("pk",)),
    )
    assert sides.origin is mute.origin is Origin.STREAM
    with pytest.raises(SourceStateUnknown, match="has no stream"):
        compare_whole(mute, now())


def test_a_table_that_is_not_there_is_not_readable(scene):
    with pytest.raises(TableNotReadable, match="does not exist"):
        scene.tables.describe("nowhere-to-be-found")
