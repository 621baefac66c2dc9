"""Incidents in the ledger: hash-chained, and one writer at a time, over two independent DynamoDBs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.aws.ledger.incidents import IncidentStore
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.incidents.incident import append, broken_at
from orchestrator.domain.incidents.register import Register, after_change, receive_signal
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.samples import NOW
from tests.unit.aws.conftest import TABLE
from tests.unit.domain.incidents.worlds import POLICY, minutes, signal

BEGINS = signal("rollback:d-1", "rollback")


@pytest.fixture(params=["fake", "moto"])
def store(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return IncidentStore(client, TABLE)


def written(store, one, now=NOW, register=None):
    """What a writer writes that has read the register, or an older one."""
    change = receive_signal(one, register or store.read_register(), store.read_incident, POLICY, now)
    incident, entries = append(change.incident_id, change.incident, change.drafts, now)
    return store.commit(after_change(change, incident, now), entries), incident


def test_an_incident_is_read_as_it_was_written(store):
    assert store.read_register() == Register()
    assert store.list_ids(5) == []
    done, incident = written(store, BEGINS)
    assert done
    assert store.read_incident(incident.id) == incident
    assert store.read_register().attended == {incident.id: 0}
    assert store.read_register().version == 1
    _, after = written(store, signal("rollback:d-1", "", NOW + minutes(3)), NOW + minutes(3))
    assert store.read_incident(incident.id) == after
    assert broken_at(store.read_entries(incident.id)) is None
    assert store.list_ids(5) == [incident.id]


def test_incidents_are_listed_newest_first(store):
    _, first = written(store, BEGINS)
    _, second = written(store, signal("drill", "recovery-drill-failed", NOW, "recovery-drill"), NOW + minutes(1))
    assert store.list_ids(5) == [second.id, first.id]
    assert store.list_ids(1) == [second.id]


def test_incidents_are_listed_from_the_time_of_their_opening_on_and_bounded(store):
    opened = [
        written(
            store, signal(f"drill-{number}", "recovery-drill-failed", NOW, f"cause-{number}"), NOW + minutes(number)
        )[1].id
        for number in range(4)
    ]
    newest_first = opened[::-1]
    assert store.ids_since(NOW, 9) == newest_first
    assert store.ids_since(NOW + minutes(2), 9) == newest_first[:2]
    assert store.ids_since(NOW, 3) == newest_first[:3]
    assert store.ids_since(NOW + minutes(4), 9) == []


def test_of_two_writers_that_read_the_same_register_one_opens_the_incident(store):
    seen = store.read_register()
    assert written(store, BEGINS, register=seen)[0] is True
    other = signal("alarm:a", "service-degraded")
    assert written(store, other, NOW + minutes(1), register=seen)[0] is False
    done, incident = written(store, other, NOW + minutes(1))
    assert done
    assert store.list_ids(5) == [incident.id]
    assert incident.entries == 2


def test_a_register_that_changed_meanwhile_is_not_overwritten(store):
    _, incident = written(store, BEGINS)
    seen = store.read_register()
    assert store.commit(replace(seen, attended={}), ()) is True
    assert store.commit(replace(seen, attended={incident.id: 9}), ()) is False
    assert store.read_register().attended == {}


def test_an_entry_is_never_overwritten(store):
    _, incident = written(store, BEGINS)
    entries = store.read_entries(incident.id)
    assert store.commit(store.read_register(), [replace(entries[0], text="nothing happened")]) is False
    assert store.read_entries(incident.id) == entries


def test_an_incident_that_does_not_exist_is_refused(store):
    with pytest.raises(Refused, match="'inc-1' is refused: name one that `orchestrator incident list` lists"):
        store.read_incident("inc-1")


def test_a_transaction_that_met_another_one_is_tried_again_and_another_failure_is_raised():
    class Busy:
        def __init__(self, error):
            self._error = error

        def transact_write_items(self, **_params):
            raise self._error

    conflict = client_error("TransactionCanceledException", "", CancellationReasons=[{"Code": "TransactionConflict"}])
    with pytest.raises(Throttled):
        IncidentStore(Busy(conflict), TABLE).commit(Register(), ())
    with pytest.raises(Exception, match="AccessDenied"):
        IncidentStore(Busy(client_error("AccessDenied", "AccessDenied")), TABLE).commit(Register(), ())
