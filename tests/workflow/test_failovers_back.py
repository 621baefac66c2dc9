"""The way back after a failover: what was written in the standby region lives in the home region, and one region issues."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import pytest

from orchestrator.application.cutover.unblocking import unblock_live_tables
from orchestrator.application.failover.back.copying import read_rows
from orchestrator.application.failover.back.run import ATTEMPTS, cancel_back, run_back
from orchestrator.application.failover.planning import open_failover
from orchestrator.domain.errors import LockLost, Refused, Throttled, Unreachable
from orchestrator.domain.failover.back.rows import OldRow
from orchestrator.domain.failover.issuing_region import IssuingAssignment
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import STEPS_BACK, Step
from tests.workflow.failovers import HOME, failover_machine
from tests.workflow.failovers_back import BACK, BackWorld
from tests.workflow.restores import REVOCATIONS, STATE, TOKENS
from tests.workflow.world import inhabited

NUMBERS = count(1)


@pytest.fixture(scope="module")
def interpreter():
    with failover_machine() as moto:
        yield moto


@pytest.fixture
def world(interpreter):
    with inhabited(BackWorld(interpreter, f"away-{next(NUMBERS)}")) as found:
        found.fail_over()
        yield found


def test_grants_of_the_standby_region_live_in_the_home_region_which_is_then_the_only_issuer(world):
    world.start()
    waiting = world.go()
    assert waiting.next_step.value == "APPROVE"
    world.log_in("after the backup")
    world.approve()

    ended = world.go()

    assert ended.outcome is FailoverOutcome.SUCCEEDED
    assert [result.step for result in ended.results] == list(STEPS_BACK)
    targets = {table.role.value: table.target for table in ended.tables}
    assert world.home_used() == set(targets.values())
    assert world.families(world.home_rows, targets["tokens"]).keys() == {"first", "after the backup"}
    assert world.home_may_issue()
    assert not world.may_issue()
    world.pass_time(3600)
    assert world.home_may_issue()
    assert not world.may_issue()
    assert world.both_issued == []


def target(world, role="tokens"):
    return next(table.target for table in world.back.tables if table.role.value == role)


def source(world, role="tokens"):
    return next(table.source for table in world.back.tables if table.role.value == role)


def reach(world, step):
    """Run it until `step` is next: the run stops there, as if its process had been ended."""
    world.start()
    world.go()
    world.approve()
    with pytest.raises(Ended):
        stop_before(world, step)
    assert world.back.next_step is step


class Ended(BaseException):
    """The run's process was ended."""


def stop_before(world, step):
    said = world.said.append

    def say(text):
        said(text)
        before = STEPS_BACK[STEPS_BACK.index(step) - 1]
        if text.startswith(f"{before}: "):
            world.stop_after_commit = True

    ending(world, lambda _: getattr(world, "stop_after_commit", False), after=True)
    run(world, say)


def ending(world, when, *, after):
    """End the process before or after a write of the record for which `when` is true."""
    store = world.cloud.failovers
    commit = type(store).commit

    def ended(read, failover, assignment=None):
        ends = when(failover)
        if ends and not after:
            vars(store).pop("commit")
            raise Ended
        written = commit(store, read, failover, assignment)
        if ends:
            vars(store).pop("commit")
            world.stop_after_commit = False
            raise Ended
        return written

    vars(store)["commit"] = ended


def run(world, say=None):
    return run_back(world.regions, BACK, say or world.said.append).failover


def test_token_epochs_stay_unchanged_and_the_functions_serve_no_lower_one(world):
    ended = world.go_back()
    epoch = {item["pk"]["S"]: item for item in world.rows.scan(TableName=source(world))["Items"]}["epoch"]
    copied = {item["pk"]["S"]: item for item in world.home_rows.scan(TableName=target(world))["Items"]}["epoch"]
    assert copied == epoch
    assert ended.token_epoch == int(epoch["epoch"]["N"])
    live = world.home_plane.functions["ib-oauth-token-test"]
    version = live.versions[world.home_plane.routing("ib-oauth-token-test")[0]]
    assert version["Environment"]["Variables"]["LEAST_EPOCH"] == str(ended.token_epoch)


def test_rows_that_only_the_old_tables_have_are_counted_and_named_and_not_copied(world):
    world.home_rows.put_item(TableName=STATE, Item={"pk": {"S": "client#before-the-loss"}})
    world.log_in("before the loss", HOME)
    ended = world.go_back()
    assert (
        ended.results_by_step[Step.LIST_ROWS].result == "state: 1 rows are only in the old tables (client 1); "
        "tokens: 1 rows are only in the old tables (family 1)"
    )
    rows = {table.role.value: found for table, found in read_rows(ended, world.regions)}
    assert rows["state"] == [OldRow("client", "client#before-the-loss")]
    assert "before the loss" not in world.families(world.home_rows, target(world))
    assert "before the loss" in world.families(world.home_rows, TOKENS), "the old table is left as it is"


def test_rows_that_were_deleted_since_the_backup_are_deleted_in_the_home_region(world):
    world.start()
    world.go()
    assert "first" in world.families(world.home_rows, target(world))
    world.rows.delete_item(TableName=world.tokens_in_use, Key={"pk": {"S": "family#first"}})
    world.approve()
    world.go()
    assert "first" not in world.families(world.home_rows, target(world))


def test_a_revocation_that_only_the_log_has_is_applied_and_the_log_is_copied(world):
    world.rows.put_item(TableName=REVOCATIONS, Item={"pk": {"S": "revoked#first"}})
    world.log_in("second")
    world.go_back()
    families = world.families(world.home_rows, target(world))
    assert families["first"]["revoked_because"] == {"S": "request"}
    assert "revoked_because" not in families["second"]
    assert {item["pk"]["S"] for item in world.home_rows.scan(TableName=REVOCATIONS)["Items"]} == {"revoked#first"}


def test_the_standby_region_serves_until_its_lease_ends_and_its_tables_are_closed_only_then(world):
    closed_while_serving = []
    world.on_minute = lambda: closed_while_serving.append(
        world.may_issue() and world.table_access.closed(source(world))
    )
    ended = world.go_back()
    assert any(serving is False for serving in closed_while_serving)
    assert not any(closed_while_serving)
    results = ended.results_by_step
    assert results[Step.CLOSE].began - ended.assignment_taken_at >= timedelta(minutes=15)
    assert world.table_access.closed(source(world)), "a late request in the standby region is refused"


def test_without_approvals_nothing_is_changed_for_clients_and_the_deadline_cancels_it(world):
    world.start()
    assert world.go().next_step is Step.APPROVE
    assert world.may_issue()
    world.pass_time(3601)
    assert world.go().outcome is FailoverOutcome.CANCELLED
    assert not world.table_access.closed(source(world))
    assert [text for _, _, text in world.topics.published if "failover approve fb-1" in text] != []


# --- refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "field", "words"),
    [
        (lambda world: setattr(world, "home_lost", True), "facts.PREPARE", "lost"),
        (lambda world: world.home_plane.change("ib-oauth-token-test", "code-9"), "release", "us-east-2 has"),
        (lambda world: setattr(world.home_service, "broken", "/health/deep"), "health", "answers 500"),
        (lambda world: world.start(), "failover", "fb-1 is at PREPARE"),
    ],
)
def test_where_it_cannot_run_it_is_refused_and_nothing_is_written(world, spoil, field, words):
    spoil(world)
    with pytest.raises(Refused) as refused:
        world.start()
    assert refused.value.field == field
    assert words in str(refused.value)


def test_its_record_is_not_run_by_the_state_machine_and_a_failover_is_not_run_back(world):
    world.start()
    with pytest.raises(Refused, match="failover back run fb-1"):
        open_failover(world.cloud, BACK, "ann", "")
    with pytest.raises(Refused, match=f"failover resume {world.name}"):
        run_back(world.regions, world.name, world.said.append)


def test_a_release_that_changed_in_between_stops_it_before_the_fence(world):
    reach(world, Step.FENCE)
    world.home_plane.change("ib-oauth-token-test", "code-9")
    with pytest.raises(Refused, match="deploy the stacks of"):
        world.go()
    assert world.back.failed.startswith("FENCE: Refused: release")
    assert world.may_issue()
    for name in world.home_plane.functions:
        world.home_plane.change(name, "code-1")
    assert world.go().outcome is FailoverOutcome.SUCCEEDED
    assert world.back.failed == ""


def test_a_release_that_changes_after_the_fence_stops_the_deployment(world):
    reach(world, Step.DEPLOY_RELEASE)
    world.home_plane.change("ib-oauth-token-test", "code-9")
    with pytest.raises(Refused, match="then run it again"):
        world.go()
    assert not world.home_may_issue()


def test_tables_that_the_standby_region_no_longer_uses_are_not_closed(world):
    """A restore was cut over in between."""
    reach(world, Step.CLOSE)
    for name in world.plane.functions:
        version = world.plane.functions[name].versions[world.plane.routing(name)[0]]
        version["Environment"]["Variables"]["TOKENS_TABLE"] = "another"
    with pytest.raises(Refused, match=r"us-west-1 uses .*another.* by now"):
        world.go()
    assert not world.table_access.closed(source(world))


def test_it_does_not_take_over_after_a_person_opened_the_tables(world):
    reach(world, Step.TAKE_OVER)
    world.table_access.policies.clear()
    with pytest.raises(Refused, match="it accepts writes again"):
        world.go()
    assert not world.home_may_issue()


def test_a_deployment_in_the_standby_region_is_waited_for_before_its_tables_are_closed(world):
    reach(world, Step.CLOSE)
    ledger = world.cloud.ledger
    lock = ledger.acquire_lock(ledger.read_lock(), "arn:d", "d-9", "deployment", world.clock.now())
    world.on_minute = lambda: (
        any("CLOSE: deployment d-9" in text for text in world.said) and ledger.release_lock(lock.fencing_token)
    )
    assert world.go().outcome is FailoverOutcome.SUCCEEDED
    assert any("CLOSE: deployment d-9 holds that of us-west-1" in text for text in world.said)


# --- the run dies, a region is lost, a person cancels ---------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_dies_at_every_write_is_continued_by_the_next_one(world, after):
    world.start()
    world.log_in("second")
    runs = 0
    while runs < 200:
        # Before a write it dies each time only once, or it would never come further.
        written = iter([False, True] if not after else [True])
        ending(world, lambda _, written=written: next(written, False), after=after)
        runs += 1
        world.approve()
        with suppress(Ended):
            if world.go().outcome:
                break
    assert runs > len(STEPS_BACK) / 2
    assert world.back.outcome is FailoverOutcome.SUCCEEDED
    assert len(world.home_tables.restored) == 2, "each table is restored once"
    assert world.families(world.home_rows, target(world)).keys() == {"first", "second"}
    assert world.home_may_issue()
    assert world.both_issued == []


BEFORE_TAKE_OVER = STEPS_BACK[: STEPS_BACK.index(Step.TAKE_OVER) + 1]


@pytest.mark.parametrize("step", BEFORE_TAKE_OVER)
def test_when_the_home_region_is_lost_before_it_takes_over_a_cancellation_reopens_the_standby_region(world, step):
    reach(world, step) if STEPS_BACK.index(step) > STEPS_BACK.index(Step.APPROVE) else world.start()
    world.home_lost = True
    if step is not Step.APPROVE:
        with pytest.raises((Refused, Unreachable)):
            world.go()
        assert world.back.failed
    ended = cancel_back(world.regions, BACK, "bob").failover
    assert ended.outcome is FailoverOutcome.CANCELLED
    world.pass_time(60)
    assert world.may_issue()
    for role in ("state", "tokens"):
        assert not world.table_access.closed(source(world, role))
    world.home_lost = False
    world.pass_time(1800)
    assert world.may_issue()
    assert not world.home_may_issue()
    assert world.both_issued == []


@pytest.mark.parametrize("step", [Step.UPDATE_DNS, Step.ANNOUNCE])
def test_when_the_home_region_is_lost_after_it_took_over_another_failover_ends_this_one(world, step):
    reach(world, step)
    world.home_lost = True
    store = world.cloud.failovers
    seen = store.read_assignment()
    taken = IssuingAssignment(seen.assignment.epoch + 1, "us-west-1", active=True, failover="fo-next")
    store.commit(store.read_failover(world.name), store.read_failover(world.name).failover, (seen, taken))
    ended = world.go()
    assert ended.outcome is FailoverOutcome.SUPERSEDED
    assert ended.next_step is step, "its domain's record was not written"


@pytest.mark.parametrize("step", BEFORE_TAKE_OVER[BEFORE_TAKE_OVER.index(Step.SYNC) :])
def test_a_run_that_is_late_changes_nothing_after_a_cancellation(world, step):
    """The person cancels while a step is performed."""
    reach(world, step)
    cancelled = []

    def cancel_once():
        if not cancelled:
            cancelled.append(cancel_back(world.regions, BACK, "bob"))

    interrupt(world, cancel_once)
    with suppress(LockLost, Refused):
        assert world.go().outcome is FailoverOutcome.CANCELLED
    assert cancelled
    assert world.back.outcome is FailoverOutcome.CANCELLED
    unblock_live_tables(world.cloud)  # what a late run closed, the reconciler opens within a minute
    world.pass_time(1800)
    assert world.may_issue()
    assert not world.home_may_issue()
    assert not world.table_access.closed(source(world))
    assert world.both_issued == []


def interrupt(world, meanwhile):
    """Let another writer in, just before the result of the present step is written, or the assignment."""
    store = world.cloud.failovers
    commit = type(store).commit

    def later(read, failover, assignment=None):
        if assignment or len(failover.results) > len(read.failover.results):
            vars(store).pop("commit")
            meanwhile()
        return commit(store, read, failover, assignment)

    vars(store)["commit"] = later


def test_a_cancellation_that_dies_before_it_reopened_the_tables_is_repeated(world):
    reach(world, Step.DEPLOY_RELEASE)
    assert world.table_access.closed(source(world))
    ending(world, lambda failover: failover.outcome is not None, after=True)
    with pytest.raises(Ended):
        cancel_back(world.regions, BACK, "bob")
    assert world.table_access.closed(source(world))
    assert cancel_back(world.regions, BACK, "bob").failover.reopened_at
    assert not world.table_access.closed(source(world))
    with pytest.raises(Refused, match="has ended"):
        cancel_back(world.regions, BACK, "bob")


def test_the_reconciler_leaves_closed_what_the_way_back_closed(world):
    world.go_back()
    assert unblock_live_tables(world.cloud) == ""
    assert world.table_access.closed(source(world))


def test_two_runs_at_the_same_time_end_it_once(world):
    reach(world, Step.CLOSE)
    interrupt(world, world.go)
    with pytest.raises(LockLost):
        world.go()
    assert world.back.outcome is FailoverOutcome.SUCCEEDED
    assert [result.step for result in world.back.results] == list(STEPS_BACK)
    assert world.both_issued == []


def test_errors_that_a_repetition_may_not_have_are_repeated_and_then_stop_the_run(world):
    reach(world, Step.VERIFY)
    invoke, left = world.home_service.invoke, [ATTEMPTS - 1]

    def throttled(*request):
        if left[0]:
            left[0] -= 1
            raise Throttled("busy")
        return invoke(*request)

    world.regions.home.probe_clients.functions = SimpleNamespace(invoke=throttled)
    assert world.go().outcome is FailoverOutcome.SUCCEEDED
    assert sum("it is repeated" in text for text in world.said) == ATTEMPTS - 1
