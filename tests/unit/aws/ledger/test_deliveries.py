"""The records of deliveries: one writer at a time, over two independent DynamoDBs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.aws.ledger.deliveries import DeliveryStore
from orchestrator.domain.notifications.delivery import DeliveryRecord, Send, after_delivery, next_step
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import NOW
from tests.unit.aws.conftest import TABLE
from tests.unit.domain.notifications.test_delivery import CHAT, TRIGGER


@pytest.fixture(params=["fake", "moto"])
def store(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return DeliveryStore(client, TABLE)


def test_a_record_is_read_as_it_was_written(store):
    assert store.read_record("chat", "alarm:a") == DeliveryRecord()
    step = next_step(DeliveryRecord(), TRIGGER, CHAT, NOW, timedelta())
    assert isinstance(step, Send)
    claimed = store.write_record("chat", "alarm:a", step.record, NOW)
    assert store.read_record("chat", "alarm:a") == claimed
    noted = store.write_record("chat", "alarm:a", after_delivery(claimed, TRIGGER, "HTTP 200"), NOW)
    assert store.read_record("chat", "alarm:a") == noted
    assert (noted.version, noted.delivered) == (2, {"trigger": "HTTP 200"})
    assert store.read_record("pager", "alarm:a") == DeliveryRecord()


def test_only_one_of_two_writers_that_read_the_same_record_writes(store):
    first, second = store.read_record("chat", "a"), store.read_record("chat", "a")
    written = store.write_record("chat", "a", first, NOW)
    assert written is not None
    assert store.write_record("chat", "a", second, NOW) is None
    assert store.write_record("chat", "a", written, NOW) is not None
    assert store.write_record("chat", "a", written, NOW) is None


def test_a_record_expires_after_a_month(store):
    store.write_record("chat", "a", DeliveryRecord(), NOW)
    item = store._client.get_item(
        TableName=TABLE, Key={"pk": {"S": "notification#chat"}, "sk": {"S": "a"}}, ConsistentRead=True
    )["Item"]
    assert int(item["expires_at"]["N"]) == (NOW + timedelta(days=30)).timestamp()
