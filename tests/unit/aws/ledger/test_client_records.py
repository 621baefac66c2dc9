"""Records of managed clients that come from another region's ledger, over the fake table and over moto's."""

from orchestrator.aws.ledger.clients import ClientRecords
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
