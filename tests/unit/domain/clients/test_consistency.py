"""The check `clients` of the doctor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.domain.clients import client as clients
from orchestrator.domain.clients.client import Change, Limits, Wanted
from orchestrator.domain.clients.consistency import check_clients
from orchestrator.domain.doctor.result import Level

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
CHANGE = Change("ann", "r", NOW)


def client(contacts=("a@o.example",)):
    wanted = Wanted("app-a", "A", ("https://o.example/cb",), ("profile",), (), contacts)
    return clients.new_client(wanted, Limits(frozenset(), frozenset({"profile"}), frozenset()), None, CHANGE)


def check(one, revision, configured=(), *, on=True):
    return check_clients([one], {"app-a": revision}, configured, switched_on=on, env="prod")


def test_clients_that_are_as_the_ledger_has_them_pass():
    assert check(client(), 1).level is Level.PASS
    assert check_clients([], {}, (), switched_on=False, env="prod").level is Level.PASS


def test_a_state_that_a_restore_brought_back_fails_and_names_the_client():
    disabled = clients.disable(client(), CHANGE)
    result = check(disabled, 1)
    assert (result.level, result.remedy) == (Level.FAIL, "orchestrator clients reapply --env prod --reason …")
    assert "app-a (disabled)" in result.reason
    assert check(client(), None).level is Level.FAIL
    removed = clients.remove(disabled, Change("ann", "r", NOW + timedelta(minutes=1)))
    assert check(removed, 2).level is Level.FAIL
    assert check(removed, None, {"app-a"}).level is Level.PASS


def test_what_an_operator_should_know_warns():
    assert "wins: app-a" in check(client(), 1, {"app-a"}).reason
    assert "does not read" in check(client(), 1, on=False).reason
    assert "without a contact: app-a" in check(client(()), 1).reason
    assert {check(client(()), 1).level, check(client(), 1, on=False).level} == {Level.WARN}
    assert check(clients.disable(client(()), CHANGE), 2, on=False).level is Level.PASS
