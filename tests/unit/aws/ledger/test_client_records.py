"""Records of managed clients that come from another region's ledger, over the fake table and over moto's."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.ledger.failovers import FailoverStore, ReadAssignment
from orchestrator.domain.errors import LockLost, Refused, Throttled
from orchestrator.domain.failover.issuing_region import first_assignment
from tests.fakes.errors import client_error
from tests.samples import managed_client as client
from tests.unit.aws.conftest import TABLE


def test_a_copy_replaces_what_is_older_and_leaves_what_is_newer(ledger):
    records = ClientRecords(ledger._client, TABLE)
    assert records.copy_client(client("a", 2))
    assert records.copy_client(client("a", 2)), "a repetition is no conflict"
    assert records.copy_client(client("a", 10))
    assert not records.copy_client(client("a", 9))
    assert records.list_clients() == [client("a", 10)]


def test_a_newer_revision_that_the_other_ledger_does_not_know_is_replaced_on_request(ledger):
    records = ClientRecords(ledger._client, TABLE)
    records.save_client(client("a"))
    records.copy_client(client("a", 7))
    assert not records.copy_client(client("a", 3), replacing=6)
    assert records.copy_client(client("a", 3), replacing=7)
    assert records.list_clients() == [client("a", 3)]


def test_a_copied_record_is_changed_like_any_other(ledger):
    records = ClientRecords(ledger._client, TABLE)
    records.copy_client(client("a", 2))
    records.save_client(client("a", 3))
    assert records.read_client("app-a").revision == 3


def test_a_copy_is_written_only_while_the_assignment_is_as_it_was_read(ledger):
    records, store = ClientRecords(ledger._client, TABLE), FailoverStore(ledger._client, TABLE)
    unassigned = store.read_assignment()
    assert records.copy_client(client("a", 2), seen=unassigned)
    assert not records.copy_client(client("a"), seen=unassigned), "a newer revision stays"
    store.create_assignment(first_assignment("us-east-2"))
    with pytest.raises(LockLost, match="a failover changed the assignment"):
        records.copy_client(client("a", 3), seen=unassigned)
    assert records.list_clients() == [client("a", 2)]
    assert records.copy_client(client("a", 3), seen=store.read_assignment())


def test_a_copy_that_dynamodb_refuses_for_another_reason_is_that_error():
    for reason, expected in (("TransactionConflict", Throttled), ("ValidationError", ClientError)):
        answer = client_error("TransactionCanceledException", "no", CancellationReasons=[{"Code": reason}])

        def refuse(answer=answer, **_):
            raise answer

        records = ClientRecords(SimpleNamespace(transact_write_items=refuse), TABLE)
        with pytest.raises(expected):
            records.copy_client(client("a"), seen=ReadAssignment(None))


@pytest.mark.parametrize("body", [{"body": {"S": "{}"}}, {"body": {"S": "no JSON"}}, {}])
def test_a_record_that_cannot_be_decoded_is_named(ledger, body):
    records = ClientRecords(ledger._client, TABLE)
    records.save_client(client("a"))
    ledger._client.put_item(TableName=TABLE, Item={"pk": {"S": "clients"}, "sk": {"S": "app-x"}, **body})
    for read in (records.list_clients, lambda: records.read_client("app-x")):
        with pytest.raises(Refused, match="ledger item clients: 'app-x' is refused: it cannot be decoded"):
            read()
    assert records.read_client("app-a") == client("a")
