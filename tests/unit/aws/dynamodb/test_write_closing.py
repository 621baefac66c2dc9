"""A closing as the service reads it: announced, extended only if it is still the same, and opened."""

import pytest

from orchestrator.aws.dynamodb.write_closing import WriteClosing
from orchestrator.domain.recovery.lost_writes.closing import plan_closing
from service.storage import item_codec
from tests.fakes.tables import Tables
from tests.fakes.wired import Wired
from tests.samples import NOW, seconds

EPOCH = {"pk": {"S": "epoch"}}
CLOSING = plan_closing(NOW)


@pytest.fixture
def client():
    return Tables("tokens", prefix="closing-")


@pytest.fixture
def closing(client):
    return WriteClosing(Wired(client))


def read(client):
    return client.get_item(TableName="tokens", Key=EPOCH).get("Item")


@pytest.mark.parametrize("epoch", [0, 4])
def test_the_service_reads_the_closing_and_its_epoch_stays(client, closing, epoch):
    if epoch:
        client.put_item(TableName="tokens", Item={**EPOCH, "epoch": {"N": str(epoch)}})
    closing.close("tokens", CLOSING)
    assert item_codec.decode_closing(read(client)) == (CLOSING.at.timestamp(), CLOSING.until.timestamp())
    assert item_codec.decode_epoch(read(client)) == epoch
    closing.open("tokens")
    assert read(client) == {**EPOCH, "epoch": {"N": str(epoch)}}
    assert item_codec.decode_closing(read(client)) == (0, 0)


def test_only_the_closing_that_is_in_force_is_extended(client, closing):
    closing.close("tokens", CLOSING)
    assert closing.extend("tokens", CLOSING, NOW + seconds(90))
    assert item_codec.decode_closing(read(client)) == (CLOSING.at.timestamp(), (NOW + seconds(90)).timestamp())
    closing.close("tokens", plan_closing(NOW + seconds(100)))
    assert not closing.extend("tokens", CLOSING, NOW + seconds(200))
    closing.open("tokens")
    assert not closing.extend("tokens", CLOSING, NOW + seconds(200))


def test_tables_that_were_never_restored_have_nothing_to_open(client, closing):
    closing.open("tokens")
    assert read(client) is None
    assert item_codec.decode_closing(None) == (0, 0)


def test_marks_differ_from_those_before(client, closing):
    for token in ("one", "two"):
        closing.mark("tokens", ["heartbeat#a", "heartbeat#b"], token, NOW)
    marks = {item["pk"]["S"]: item["token"]["S"] for item in client.scan(TableName="tokens")["Items"]}
    assert marks == {"heartbeat#a": "two", "heartbeat#b": "two"}
