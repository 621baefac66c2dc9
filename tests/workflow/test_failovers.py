"""A failover by its definition, its tasks and its adapters: its way to the end, and every fault at every state."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from orchestrator.application.failover.releases import record_home_release
from orchestrator.application.failover.takeover import cancel_failover
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import STEPS, Step
from state_machines import definitions
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.workflow.failovers import FailoverWorld, failover_machine
from tests.workflow.faults import (
    error_after,
    error_before,
    function_timeout_after,
    function_timeout_before,
    lost_response,
    throttled,
    timeout_after,
    timeout_before,
    unreachable,
)
from tests.workflow.world import inhabited, raised

NUMBERS = count(1)
STATES = {name: state for name, state in definitions.load("failover").states.items() if state["Type"] == "Task"}
FAULTS = {
    "error before": error_before,
    "error after": error_after,
    "function timeout before": function_timeout_before,
    "function timeout after": function_timeout_after,
    "timeout before": timeout_before,
    "timeout after": timeout_after,
    "throttled": throttled,
    "unreachable": unreachable,
    "lost response": lost_response,
    "duplicate": lambda _world, _invocation, run: (run(), run())[1],
}
RETRIED = {
    "error after",
    "function timeout before",
    "function timeout after",
    "throttled",
    "unreachable",
    "lost response",
    "duplicate",
}


@pytest.fixture(scope="module")
def interpreter():
    with failover_machine() as moto:
        yield moto


@pytest.fixture
def world(interpreter):
    with inhabited(FailoverWorld(interpreter, f"fo-{next(NUMBERS)}")) as found:
        yield found


def test_a_failover_ends_with_this_region_as_the_only_issuer(world):
    ended = world.run()

    assert ended.phase == "SUCCEEDED", ended.cause
    assert world.failover.outcome is FailoverOutcome.SUCCEEDED
    assert [result.step for result in world.failover.results] == list(STEPS)
    assert world.used() == {table.target for table in world.failover.tables}
    assert world.may_issue()
    assert world.both_issued == []


def test_it_opens_one_incident_that_pages_and_ends_when_the_service_runs_here(world):
    world.run()
    (name,) = world.cloud.incidents.list_ids(5)
    entries = world.cloud.incidents.read_entries(name)
    assert (world.cloud.incidents.read_incident(name).cause, entries[0].at) == (
        "region-lost",
        world.failover.requested_at,
    )
    assert f"failover {world.name}" in entries[0].text
    assert [entry.kind.value for entry in entries] == ["OPENED", "PAGED", "CLEARED", "RESOLVED"]


def test_a_failover_that_is_cancelled_leaves_its_incident_to_a_person(world):
    world.approvers = ()
    assert world.run().phase == "FAILED"
    (name,) = world.cloud.incidents.list_ids(5)
    assert world.cloud.incidents.read_incident(name).is_open


def test_an_incident_that_cannot_be_written_does_not_stop_it(world, monkeypatch):
    def unreachable_register():
        raise Unreachable("the register does not answer")

    monkeypatch.setattr(world.cloud.incidents, "read_register", unreachable_register)
    assert world.run().phase == "SUCCEEDED"


def test_the_announcement_counts_what_is_lost_until_the_last_lease_of_the_home_region(world):
    world.run()
    ended = world.failover.assignment_taken_at + world.failover.lease
    (text,) = [text for topic, _, text in world.topics.published if topic.endswith("clients-test")]
    assert f"since {world.failover.copied_at.isoformat()}" in text
    assert f"at most those of {(ended - world.failover.copied_at).total_seconds():.0f} s" in text
    assert f"its last lease ended at {ended.isoformat()}" in text


def test_what_is_restored_are_copies_and_not_the_empty_tables_of_the_standby_region(world):
    world.run()
    restored = {world.tables.backups[table.backup_arn]["TableName"] for table in world.failover.tables}
    assert restored == {"ib-oauth-state-test-copy", "ib-oauth-tokens-test-copy"}


def test_the_restored_tables_have_the_settings_that_a_restore_drops(world):
    world.run()
    for table in world.failover.tables:
        settings = world.cloud.table_settings.read_settings(table.target)
        assert (settings.time_to_live, settings.recovery, settings.deletion_protection) == ("delete_at", 35, True)
        assert settings.stream == "NEW_AND_OLD_IMAGES"


def test_without_the_approvals_it_is_cancelled_and_nothing_was_changed(world):
    world.approvers = ("ann",)
    ended = world.run()
    assert (ended.phase, ended.error) == ("FAILED", "FailoverCancelled")
    assert world.cloud.failovers.read_assignment().assignment.region == "us-east-2"
    assert not world.may_issue()
    assert len(world.tables.tables) == 2, "no table was restored"


def test_without_a_copy_of_each_table_it_is_refused(world):
    world.tables.backups.clear()
    ended = world.run()
    assert (ended.phase, ended.error) == ("FAILED", "FailoverStopped")
    assert ended.path == ("Plan", "Conclude", "Concluded", "Stopped")
    assert world.cloud.failovers.find_failover(world.name) is None


def test_a_step_that_fails_stops_it_and_names_the_step_and_a_second_execution_continues_there(world):
    world.service.broken = "/userinfo"
    ended = world.run()
    assert (ended.phase, ended.error) == ("FAILED", "FailoverStopped")
    assert world.failover.failed.startswith("VERIFY: verify: ")
    assert not world.may_issue(), "a region that does not pass its flows serves no client"
    assert any("VERIFY" in text for _, _, text in world.topics.published)

    world.service.broken = ""
    restored = world.tables.tables.keys()
    again = world.run(f"{world.name}-2")
    assert again.phase == "SUCCEEDED", again.cause
    assert "FenceHome" not in again.path
    assert "RestoreCopies" not in again.path
    assert world.tables.tables.keys() == restored
    assert world.both_issued == []


def test_it_waits_until_no_lease_of_the_home_region_is_left(world):
    """The restores take less time than a lease here."""
    world.tables._restoring *= 0.01
    world.run()
    results = world.failover.results_by_step
    fenced, took_over = results[Step.FENCE], results[Step.TAKE_OVER]
    assert (took_over.ended - fenced.ended).total_seconds() >= 16 * 60 - 1
    assert world.both_issued == []


def test_a_person_can_cancel_it_until_this_region_issues_tokens(world):
    world.service.broken = "/userinfo"
    world.run()
    cancel_failover(world.cloud, world.name, "bob")
    world.renew_home()
    assert world.home_lease.allows(world.clock.now()), "the home region may issue tokens at once"

    again = world.run(f"{world.name}-2")
    assert (again.phase, again.error) == ("FAILED", "FailoverCancelled")
    assert not world.may_issue()
    assert world.both_issued == []


def test_a_table_of_another_origin_with_the_name_of_a_restored_one_is_left_as_it_is(world):
    def plant(invocation, run):
        if invocation.state == "RestoreCopies":
            world.tables.add(world.failover.tables[0].target)
            world.bridge = lambda _, also: also()
        return run()

    world.bridge = plant
    ended = world.run()
    assert ended.error == "FailoverStopped"
    assert "this failover did not create it" in world.failover.failed
    assert world.tables.tables[world.failover.tables[0].target].tags["environment"] == "test"


def test_a_release_that_the_home_region_rolled_back_is_not_shipped(world):
    """The home region was lost between its rollback and the redeployment of this region."""
    for code in ("code-1", "code-2", "code-1"):
        client = SimpleNamespace(get_function_configuration=lambda code=code, **_: {"CodeSha256": code})
        record_home_release(world.cloud, lambda _service, client=client: client)
    for function in world.plane.functions:
        world.plane.change(function, "code-2")
    assert world.run().error == "FailoverStopped"
    assert "which us-east-2 rolled back to code-1" in world.failover.failed
    assert not world.may_issue()

    for function in world.plane.functions:
        world.plane.change(function, "code-1")
    again = world.run(f"{world.name}-2")
    assert again.phase == "SUCCEEDED", again.cause
    assert "RestoreCopies" not in again.path, "the tables were restored meanwhile"
    assert "code-1, which us-east-2 serves" in world.failover.results_by_step[Step.DEPLOY_RELEASE].result


def test_a_deployment_that_holds_the_lock_of_this_region_is_waited_for(world):
    ledger = world.cloud.ledger
    lock = ledger.acquire_lock(ledger.read_lock(), "arn:d", "d-9", "deployment", world.clock.now())
    waits = []

    def release(invocation, run):
        if invocation.state == "DeployRelease":
            waits.append(invocation)
            if len(waits) == 2:
                ledger.release_lock(lock.fencing_token)
        return run()

    world.bridge = release
    assert world.run().phase == "SUCCEEDED"
    assert len(waits) == 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", STATES)
def test_after_a_fault_it_ends_or_is_resumed_with_one_issuer(interpreter, state, fault):
    struck = []

    def bridge(invocation, run):
        if invocation.state != state or struck:
            return run()
        struck.append(invocation.execution)
        return FAULTS[fault](world, invocation, run)

    world = FailoverWorld(interpreter, f"fo-{next(NUMBERS)}", bridge)
    with inhabited(world):
        world.clients_backed_up.append(client("attacked"))
        world.save_client(client("attacked"))
        world.save_client(client("attacked", 2, disabled_at=NOW))
        ended = world.run()
        assert struck, "the fault never struck"
        assert ended.phase == "SUCCEEDED" or fault not in RETRIED or ended.error == "FailoverSuperseded", ended.cause
        resumed = ended.phase == "SUCCEEDED" or world.run(f"{world.name}-2").phase == "SUCCEEDED"
    assert resumed, "a second execution continues it to its end"
    assert world.failover.clients.changed == ("app-attacked",)
    assert world.known_client("app-attacked") is None
    assert world.failover.outcome is FailoverOutcome.SUCCEEDED
    assert world.may_issue()
    assert world.both_issued == []


def test_the_same_failover_run_by_two_executions_ends_once(world):
    """The second begins in the middle of the first: it changes nothing that the first has done, or takes over from it."""
    begun = []

    def second(invocation, run):
        if invocation.state == "InvalidateTokens" and not begun:
            begun.append(invocation)
            world.run(f"{world.name}-2")
        return run()

    world.bridge = second
    world.run()
    assert world.failover.outcome is FailoverOutcome.SUCCEEDED
    assert len({result.step for result in world.failover.results}) == len(STEPS)
    assert world.both_issued == []


def test_an_error_of_the_end_itself_stops_it(interpreter):
    def bridge(invocation, run):
        return raised("RuntimeError", "it broke") if invocation.state == "Conclude" else run()

    world = FailoverWorld(interpreter, f"fo-{next(NUMBERS)}", bridge)
    with inhabited(world):
        assert world.run().error == "FailoverStopped"
        assert world.failover.outcome is FailoverOutcome.SUCCEEDED, "the record has what was done"
