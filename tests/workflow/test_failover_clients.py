"""Managed clients in a failover and on the way back: the service knows them as operators left them, not as a copy has them."""

from __future__ import annotations

from itertools import count

import pytest

from orchestrator.application.failover.back.run import run_back
from orchestrator.application.restored_tables.managed_clients import bring_into_effect
from orchestrator.aws.ledger.clients import ClientRecords
from orchestrator.aws.oauth_tables.managed_clients import encode_item
from orchestrator.domain.clients.client import Change, with_contacts
from orchestrator.domain.errors import LockLost, Unreachable
from orchestrator.domain.failover.managed_clients import AppliedClients
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import Step
from orchestrator.domain.recovery.record import Role
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.workflow.failovers import FailoverWorld, failover_machine
from tests.workflow.failovers_back import BackWorld
from tests.workflow.world import inhabited

NUMBERS = count(1)


@pytest.fixture(scope="module")
def interpreter():
    with failover_machine() as moto:
        yield moto


@pytest.fixture
def world(interpreter):
    with inhabited(FailoverWorld(interpreter, f"clients-{next(NUMBERS)}")) as found:
        yield found


@pytest.fixture
def both(interpreter):
    with inhabited(BackWorld(interpreter, f"clients-away-{next(NUMBERS)}")) as found:
        yield found


def back_up(world, *clients):
    """The clients are added at home, and are in the copies of the tokens table."""
    for one in clients:
        world.save_client(one)
    world.clients_backed_up.extend(clients)


def took_over(world):
    return world.failover.results_by_step[Step.TAKE_OVER].result


def test_a_client_that_was_disabled_after_the_backup_is_refused_by_the_standby_region(world):
    back_up(world, client("attacked"), client("orders"))
    world.save_client(client("attacked", 2, disabled_at=NOW))

    assert world.run().phase == "SUCCEEDED"

    assert world.known_client("app-attacked") is None
    assert world.known_client("app-orders").name == "orders"
    assert world.failover.clients == AppliedClients(2, ("app-attacked",))
    assert took_over(world).endswith("2 managed clients are as the ledger has them, changed: app-attacked")


def test_every_change_since_the_backup_is_in_effect_before_this_region_issues_tokens(world):
    back_up(world, client("attacked"), client("removed"), client("leaked", secret_sha256="1" * 64))
    world.save_client(client("attacked", 2, disabled_at=NOW))
    world.save_client(client("removed", 2, disabled_at=NOW))
    world.save_client(client("removed", 3, disabled_at=NOW, removed=True))
    world.save_client(client("leaked", 2, secret_sha256="2" * 64))
    world.save_client(client("new"))
    seen, write_lease = [], world.cloud.issuing_lease.write_lease

    def write(lease):
        names = ("attacked", "removed", "leaked", "new")
        seen.append({name: world.known_client(f"app-{name}") for name in names})
        write_lease(lease)

    world.cloud.issuing_lease.write_lease = write
    assert world.run().phase == "SUCCEEDED"

    assert (seen[0]["attacked"], seen[0]["removed"]) == (None, None)
    assert seen[0]["leaked"].secret_sha256 == "2" * 64, "the leaked secret is refused"
    assert seen[0]["new"].name == "new"
    assert set(world.failover.clients.changed) == {"app-attacked", "app-removed", "app-leaked"}
    assert world.failover.clients.created == ("app-new",)
    assert "created from a record alone: app-new" in took_over(world)


def test_a_change_while_the_failover_runs_is_in_effect_too(world):
    back_up(world, client("attacked"))

    def change(invocation, run):
        if invocation.state == "VerifyStandby":
            world.save_client(client("attacked", 2, disabled_at=NOW))
        return run()

    world.bridge = change
    assert world.run().phase == "SUCCEEDED"
    assert world.known_client("app-attacked") is None


def test_a_client_without_a_record_stays_as_the_copy_has_it(world):
    world.clients_backed_up.append(client("unrecorded"))
    assert world.run().phase == "SUCCEEDED"
    assert world.known_client("app-unrecorded").name == "unrecorded"
    assert world.failover.clients == AppliedClients()


def test_a_record_that_is_older_than_the_copy_changes_nothing_and_is_named(world):
    """The standby region did not answer when the client's contacts changed, and the table was backed up later."""
    back_up(world, client("orders"))
    world.save_client(client("orders", 2), copied=False)
    world.clients_backed_up[:] = [client("orders", 2)]
    assert world.run().phase == "SUCCEEDED"
    assert world.known_client("app-orders") is not None
    assert world.failover.clients == AppliedClients(1, newer=("app-orders",))
    assert "newer than the ledger's record, and left as they are: app-orders" in took_over(world)


def test_no_later_command_undoes_what_the_standby_regions_records_lack(world):
    """The standby region did not answer when a client was disabled and a secret replaced; the table was backed up later."""
    back_up(world, client("attacked"), client("leaked", secret_sha256="1" * 64))
    newer = [client("attacked", 2, disabled_at=NOW), client("leaked", 2, secret_sha256="2" * 64)]
    for one in newer:
        world.save_client(one, copied=False)
    world.clients_backed_up[:] = newer
    assert world.run().phase == "SUCCEEDED"
    assert world.failover.clients == AppliedClients(2, disabled=("app-attacked", "app-leaked"))
    assert "disabled, because their newer items" in took_over(world)

    for name in ("app-attacked", "app-leaked"):
        change = Change("bob", "an address", world.clock.now())
        changed = with_contacts(world.cloud.client_records.read_client(name), ("a@b.example",), change)
        world.cloud.client_records.save_client(changed)
        (tokens,) = (table.target for table in world.failover.tables if table.role is Role.TOKENS)
        bring_into_effect(world.cloud, world.cloud.client_items(tokens), changed)
        assert world.known_client(name) is None


def test_a_client_that_its_record_disables_is_refused_whatever_revision_the_copy_has(world):
    """The item was written by hand, or its newer record did not come here: a person decides, and until then it is refused."""
    back_up(world, client("attacked"))
    world.save_client(client("attacked", 2, disabled_at=NOW))
    world.clients_backed_up[:] = [client("attacked", 999)]
    assert world.run().phase == "SUCCEEDED"
    assert world.known_client("app-attacked") is None
    assert world.failover.clients == AppliedClients(1, ("app-attacked",))


def test_a_ledger_that_does_not_answer_stops_it_before_this_region_issues_tokens(world, monkeypatch):
    back_up(world, client("attacked"))
    world.save_client(client("attacked", 2, disabled_at=NOW))

    def unreachable():
        raise Unreachable("the ledger does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.cloud.client_records, "list_clients", unreachable)
        assert world.run().error == "FailoverStopped"
    assert world.failover.failed.startswith("TAKE_OVER: ")
    assert not world.may_issue()
    again = world.run(f"{world.name}-2")
    assert again.phase == "SUCCEEDED", again.cause
    assert world.known_client("app-attacked") is None


def test_an_attempt_that_died_after_its_writes_still_reports_what_it_changed(world, monkeypatch):
    back_up(world, client("attacked"))
    world.save_client(client("attacked", 2, disabled_at=NOW))

    def unreachable(_lease):
        raise Unreachable("the table of the lease does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.cloud.issuing_lease, "write_lease", unreachable)
        assert world.run().error == "FailoverStopped"
    assert world.known_client("app-attacked") is None
    assert world.run(f"{world.name}-2").phase == "SUCCEEDED"
    assert world.failover.clients == AppliedClients(1, ("app-attacked",))
    assert "changed: app-attacked" in took_over(world)


def at_home(world, client_id):
    (table,) = (one.target for one in world.back.tables if one.role is Role.TOKENS)
    items = {item["pk"]["S"]: item for item in world.home_rows.scan(TableName=table)["Items"]}
    return items.get(f"client#{client_id}")


def test_on_the_way_back_the_home_regions_ledger_gets_what_changed_in_the_standby_region(both):
    back_up(both, client("attacked"), client("orders"))
    # The standby region never got this change, and operators went on from what it had.
    both.save_client(client("orders", 2, name="lost"), copied=False)
    both.fail_over()
    records, home = both.cloud.client_records, ClientRecords(both.home_ledger, "ledger")
    for changed in (client("attacked", 2, disabled_at=NOW), client("new"), client("orders", 2, name="newer")):
        records.save_client(changed)
        both.cloud.client_items(both.tokens_in_use).apply(changed)

    assert both.go_back().outcome is FailoverOutcome.SUCCEEDED

    assert home.list_clients() == records.list_clients()
    assert both.back.clients == AppliedClients(3, brought=("app-attacked", "app-new", "app-orders"))
    assert all(at_home(both, one.client_id) == encode_item(one) for one in records.list_clients())
    assert "records brought from the other ledger: app-attacked, app-new" in took_over_back(both)


def took_over_back(world):
    return world.back.results_by_step[Step.TAKE_OVER].result


def test_a_change_after_the_tables_were_closed_is_in_effect_at_home(both):
    """The command saves its record, and meets the closed table."""
    both.fail_over()
    both.start()
    both.go()
    both.approve()
    said = both.said.append

    def say(text):
        said(text)
        if text.startswith("VERIFY"):
            both.cloud.client_records.save_client(client("late", disabled_at=NOW))

    assert run_back(both.regions, both.back.id, say).failover.outcome is FailoverOutcome.SUCCEEDED
    assert "disabled_at" in at_home(both, "app-late")


def home_records(world):
    return ClientRecords(world.home_ledger, "ledger")


def test_the_way_back_keeps_a_client_disabled_that_only_the_home_region_knew_to_be(both):
    """The standby region never got the record, and the copy of the table is older."""
    both.clients_backed_up.append(client("orphan"))
    home_records(both).save_client(client("orphan"))
    home_records(both).save_client(client("orphan", 2, disabled_at=NOW))
    both.fail_over()
    assert both.go_back().outcome is FailoverOutcome.SUCCEEDED
    assert "disabled_at" in at_home(both, "app-orphan")
    assert both.back.clients == AppliedClients(1, ("app-orphan",))


def test_the_way_back_keeps_what_was_disabled_or_removed_at_home_and_names_it(both):
    back_up(both, client("attacked"), client("gone", secret_sha256="1" * 64), client("divided"))
    both.save_client(client("attacked", 2, disabled_at=NOW), copied=False)
    both.save_client(client("gone", 2, disabled_at=NOW), copied=False)
    both.save_client(client("gone", 3, disabled_at=NOW, removed=True), copied=False)
    both.save_client(client("divided", 2, disabled_at=NOW), copied=False)
    both.fail_over()
    for revision in (2, 3):
        changed = client("divided", revision, name="Newer")
        both.cloud.client_records.save_client(changed)
    both.cloud.client_items(both.tokens_in_use).apply(changed)

    assert both.go_back().outcome is FailoverOutcome.SUCCEEDED

    kept = {one.client_id: (one.status.value, one.revision, one.name) for one in home_records(both).list_clients()}
    assert kept == {
        "app-attacked": ("disabled", 2, "attacked"),
        "app-divided": ("disabled", 4, "Newer"),
        "app-gone": ("removed", 3, "gone"),
    }
    assert at_home(both, "app-gone") is None
    assert all("disabled_at" in at_home(both, name) for name in ("app-attacked", "app-divided"))
    assert both.back.clients.kept == ("app-attacked", "app-divided", "app-gone")
    assert "not in the other ledger, and left so: app-attacked, app-divided, app-gone" in took_over_back(both)


def test_what_the_way_back_applies_is_what_its_ledger_then_has(both, monkeypatch):
    """An operator changes the client in the region that is left, while its record is brought."""
    back_up(both, client("attacked"))
    both.fail_over()
    both.cloud.client_records.save_client(client("attacked", 2, name="Newer"))
    records = both.regions.home.client_records
    copy = records.copy_client

    def late(record, replacing=0):
        both.cloud.client_records.save_client(client("attacked", 3, disabled_at=NOW))
        return copy(record, replacing)

    monkeypatch.setattr(records, "copy_client", late)
    assert both.go_back().outcome is FailoverOutcome.SUCCEEDED
    (record,) = home_records(both).list_clients()
    assert at_home(both, "app-attacked") == encode_item(record)


def test_a_record_that_changes_while_it_is_brought_stops_the_way_back(both, monkeypatch):
    back_up(both, client("attacked"))
    both.fail_over()
    both.cloud.client_records.save_client(client("attacked", 2, name="Newer"))
    with monkeypatch.context() as patched:
        patched.setattr(both.regions.home.client_records, "copy_client", lambda *_, **__: False)
        with pytest.raises(LockLost, match="the record of app-attacked was changed"):
            both.go_back()
    assert both.go().outcome is FailoverOutcome.SUCCEEDED


def test_a_record_that_cannot_be_decoded_stops_the_failover_with_its_name_until_it_is_corrected(world):
    back_up(world, client("orders"))
    ledger = world.cloud.client_records._client
    item = {"pk": {"S": "clients"}, "sk": {"S": "app-x"}, "revision": {"N": "1"}, "body": {"S": "{}"}}
    ledger.put_item(TableName="ledger", Item=item)
    assert world.run().error == "FailoverStopped"
    assert world.failover.failed.startswith("TAKE_OVER: ledger item clients: 'app-x' is refused: it cannot be decoded")
    assert not world.may_issue()
    world.cloud.client_records.copy_client(client("x"))
    assert world.run(f"{world.name}-2").phase == "SUCCEEDED"
    assert world.known_client("app-x").name == "x"
