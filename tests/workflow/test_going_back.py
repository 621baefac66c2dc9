"""Going back from a restore: what was written since is kept, nothing is used that is not level, and a failure leaves all as it was."""

from __future__ import annotations

import json
from contextlib import contextmanager
from unittest import mock

import pytest

from orchestrator.aws.dynamodb import table_sync
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.domain.deployment.cutover import BLOCKED_ACTIONS
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.deployment.table_sync import SyncPhase
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.lost_writes.closing import LEAST_LEFT
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from service.storage.conditional_writes import CLOSING_READ_SECONDS
from tests.fakes.clouds import execution_arn, machine_arn
from tests.samples import recovery_table
from tests.workflow.restores import REVOCATIONS, STATE, TOKENS, RestoreWorld, restore_machines
from tests.workflow.world import Scenario, inhabited, raised, straight

BEFORE = {STATE, TOKENS}


@pytest.fixture(scope="module")
def interpreter():
    with restore_machines() as moto:
        yield moto


def row(key, value="x"):
    return {"pk": {"S": key}, "v": {"S": value}}


@contextmanager
def restored(interpreter, name, bridge=straight):
    """A world in which a restore has the service use copies, and in which both sides hold what the other does not."""
    world = RestoreWorld(interpreter, name)
    for table in (STATE, TOKENS):
        for key in ("same", "changed", "ended"):
            world.rows.put_item(TableName=table, Item=row(key))
    for family in ("kept", "late"):
        world.log_in(family)

    def lose(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "SanitizeTokens"):
            # Written after the copy was made: the restore loses it, and it stays lost.
            world.rows.put_item(TableName=STATE, Item=row("lost"))
        return answer

    world.bridge = lose
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
        world.bridge, world.before, world.copies = bridge, world.recovery, dict(copies(world.recovery))
        for copy in world.copies.values():
            world.rows.put_item(TableName=copy, Item=row("changed", "since"))
            world.rows.put_item(TableName=copy, Item=row("new"))
            world.rows.delete_item(TableName=copy, Key={"pk": {"S": "ended"}})
        yield world


def copies(recovery):
    return {table.role: table.target for table in recovery.tables}


def of_clients(rows):
    """The rows without the marks of a closing, and the epoch without the closing itself."""
    return {
        key: {name: value for name, value in item.items() if name not in {"closes_at", "opens_at"}}
        for key, item in rows.items()
        if not key.startswith("heartbeat#")
    }


def finding(world, check):
    return next(one for one in world.recovery.check_results if one.check == check)


def closed(world):
    return {table for table in (*BEFORE, *world.copies.values()) if world.table_access.closed(table)}


def in_use(world):
    return {"live": set(world.copies.values()), "latest": set(world.copies.values())}


def test_what_was_written_since_is_kept_and_what_the_restore_lost_stays_lost(interpreter):
    with restored(interpreter, "gb-good") as world:
        ended = world.go_back("gb-good-back")
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}
    assert closed(world) == set(world.copies.values())
    for role, table in (("state", STATE), ("tokens", TOKENS)):
        assert world.held(table) == of_clients(world.held(world.copies[role]))
        assert {key: world.held(table)[key] for key in ("changed", "new")} == {
            "changed": row("changed", "since"),
            "new": row("new"),
        }
    assert "ended" not in world.held(STATE)
    assert "lost" not in world.held(STATE)
    state = finding(world, "level.state")
    assert (state.figures["written"], state.figures["removed"], state.figures["rounds"]) == (2, 2, 1)
    assert len(state.figures["examples_removed"]) == 2
    assert not any("lost" in one or "ended" in one for one in state.figures["examples_removed"])
    assert (state.figures["items"], state.figures["settled"]) == (3, 0)
    assert world.recovery.measured.source == "both sides, and the stream of the tables that were in use"
    assert world.recovery.outcome is RecoveryOutcome.SUCCEEDED
    assert not world.cloud.restores.read_lock().held


def test_logins_go_on_in_the_epoch_of_the_restore_and_what_was_revoked_meanwhile_is_dead(interpreter):
    def revoke_late(invocation, run):
        if (invocation.machine, invocation.state) == ("deployment", "SyncTables"):
            # In the log alone: the second write failed.
            world.rows.put_item(TableName=REVOCATIONS, Item={"pk": {"S": "revoked#late"}})
        return run()

    with restored(interpreter, "gb-tokens", revoke_late) as world:
        assert world.go_back("gb-tokens-back").phase == "SUCCEEDED", world.recovery.reason
    assert world.families(TOKENS) == {"kept": True, "late": False}
    assert {variables["LEAST_EPOCH"] for variables in world.variables()} == {"1"}
    assert (world.before.least_epoch, world.recovery.least_epoch) == (1, 1)
    assert world.held(TOKENS)["epoch"] == {"pk": {"S": "epoch"}, "epoch": {"N": "1"}}


def test_nothing_is_written_on_both_sides(interpreter):
    seen = {}

    def watch(invocation, run):
        answer = run()
        if invocation.machine == "deployment":
            seen[invocation.state] = closed(world)
        return answer

    with restored(interpreter, "gb-order", watch) as world:
        world.go_back("gb-order-back")
    left = set(world.copies.values())
    assert seen["VerifyBeforeTraffic"] == BEFORE
    assert seen["SyncTables"] == seen["CatchUp"] == seen["VerifySyncedTables"] == set(), "clients write all the time"
    assert seen["BlockSourceTables"] == seen["ReplayLateWrites"] == seen["Promote"] == set(), "the service is closed"
    assert seen["BlockPreviousTables"] == left


def closing_of(world):
    """From when until when the service takes no writes, as the epoch of the tokens table says that was in use."""
    item = world.held(world.copies["tokens"])["epoch"]
    return tuple(float(item[name]["N"]) for name in ("closes_at", "opens_at")) if "closes_at" in item else None


def test_clients_read_the_tables_in_use_until_the_aliases_have_moved(interpreter):
    """`/introspect` answered 503 from the end of the synchronization until the promotion. No policy denies a read now."""
    denied = {}

    def watch(invocation, run):
        answer = run()
        if invocation.machine == "deployment":
            denied[invocation.state] = {
                action for table in world.copies.values() for action in world.table_access.denied(table)
            }
        return answer

    with restored(interpreter, "gb-reads", watch) as world:
        assert world.go_back("gb-reads-back").phase == "SUCCEEDED", world.recovery.reason
    states = list(denied)
    before = states[states.index("SyncTables") : states.index("Promote") + 1]
    assert {"CatchUp", "VerifySyncedTables", "BlockSourceTables", "ReplayLateWrites"} <= set(before)
    assert [denied[state] for state in before] == [set()] * len(before)
    assert denied["BlockPreviousTables"] == set(BLOCKED_ACTIONS)


def test_the_function_that_promotes_has_started_before_the_closing_is_announced(interpreter):
    """Its cold start took 1.3 s of the closing. The preparation makes the same clients, and changes nothing."""
    seen = {}

    def watch(invocation, run):
        before = closing_of(world) if invocation.state == "PreparePromotion" else None
        aliases = {name: world.plane.routing(name) for name in world.plane.functions}
        answer = run()
        if invocation.state == "PreparePromotion":
            after = {name: world.plane.routing(name) for name in world.plane.functions}
            seen["prepared"] = (before, closing_of(world), aliases == after)
        seen.setdefault("order", []).append(invocation.state)
        return answer

    with restored(interpreter, "gb-warm", watch) as world:
        assert world.go_back("gb-warm-back").phase == "SUCCEEDED", world.recovery.reason
    assert seen["prepared"] == (None, None, True)
    order = [state for state in seen["order"] if state in {"PreparePromotion", "ReplayLateWrites", "Promote"}]
    assert order[:3] == ["PreparePromotion", "ReplayLateWrites", "Promote"]


def test_writes_are_closed_for_two_seconds_at_most(interpreter):
    """Before, for 75 s: until policies held, while both tables were compared, and while their canary was verified."""
    with restored(interpreter, "gb-short") as world:
        assert world.go_back("gb-short-back").phase == "SUCCEEDED", world.recovery.reason
    assert 0 < finding(world, "cutover").figures["closed_seconds"] <= 2
    closes_at, opens_at = closing_of(world)
    promoted_at = world.deployment.shifts[-1].at.timestamp()
    assert closes_at < promoted_at < opens_at - LEAST_LEFT.total_seconds(), "the tables are blocked before it ends"


def test_a_closing_is_known_to_every_process_when_it_begins_and_ends_by_itself(interpreter):
    closings = []

    def watch(invocation, run):
        if invocation.state == "Promote":
            closings.append(closing_of(world))
        return run()

    with restored(interpreter, "gb-lease", watch) as world:
        close = world.cloud.write_closing.close

        def announce(table, closing):
            close(table, closing)
            closings.append((world.clock.now().timestamp(), closing_of(world)))

        with mock.patch.object(world.cloud.write_closing, "close", announce):
            assert world.go_back("gb-lease-back").phase == "SUCCEEDED", world.recovery.reason
    (announced_at, (closes_at, opens_at)), extended = closings
    assert closes_at - announced_at >= CLOSING_READ_SECONDS
    assert opens_at - closes_at <= 5, "an abort opens it as fast"
    assert extended[0] == closes_at


def test_a_stream_that_is_late_repeats_the_closing_and_the_service_is_open_in_between(interpreter):
    late = []

    def watch(invocation, run):
        answer = run()
        if invocation.state == "ReplayLateWrites" and invocation.machine == "deployment":
            late.append((closing_of(world), world.clock.now().timestamp(), "errorMessage" in str(answer)))
        return answer

    with restored(interpreter, "gb-late", watch) as world:
        mark, tokens = world.cloud.write_closing.mark, []

        def lose(table, keys, token, now):
            """The marks of the first closing come into no stream."""
            if token.startswith("open") or len(tokens) >= 2:
                mark(table, keys, token, now)
            else:
                tokens.append(token)

        with mock.patch.object(world.cloud.write_closing, "mark", lose):
            assert world.go_back("gb-late-back").phase == "SUCCEEDED", world.recovery.reason
    ((_, opens_at), ended_at, _), ((closes_again_at, _), *_) = late
    assert abs(opens_at - ended_at) < 1
    assert closes_again_at > opens_at
    assert finding(world, "cutover").figures["closed_seconds"] <= 2


@pytest.mark.parametrize("state", ["ReplayLateWrites", "Promote"])
def test_a_way_back_that_is_aborted_while_it_is_closed_opens_at_once(interpreter, state):
    def fail(invocation, run):
        if (invocation.machine, invocation.state) == ("deployment", state):
            if state == "ReplayLateWrites":
                run()
            assert closing_of(world)
            return raised("Unexpected", "aborted")
        answer = run()
        if invocation.machine == "rollback" and closing_of(world) is None:
            opened_in.append(invocation.state)
        return answer

    opened_in = []
    with restored(interpreter, f"gb-abort-{state}", fail) as world:
        assert world.go_back(f"gb-abort-{state}-back").phase == "FAILED"
        world.settle()
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE
    assert opened_in[0] == "ReplayNewWrites", "right after the aliases were read, and before anything that waits"


def test_what_clients_write_during_the_synchronization_is_replayed_and_read_again(interpreter):
    """A comparison finds an item that the original table does not have yet; then its write comes out of the stream."""

    def write(invocation, run):
        if invocation.state == "SyncTables" and invocation.machine == "deployment":
            visits.append(invocation)
            if len(visits) == 3:
                world.write(world.copies["state"], row("meanwhile"))
                world.write(world.copies["tokens"], row("changed", "meanwhile"))
        return run()

    visits = []
    with restored(interpreter, "gb-meanwhile", write) as world:
        assert world.go_back("gb-meanwhile-back").phase == "SUCCEEDED", world.recovery.reason
    assert world.held(STATE)["meanwhile"] == row("meanwhile")
    assert world.held(TOKENS)["changed"] == row("changed", "meanwhile")
    for role in ("state", "tokens"):
        figures = finding(world, f"level.{role}").figures
        assert (figures["rounds"], figures["settled"]) == (1, 2)
    assert finding(world, "late-writes").figures["late_writes"] == 2


def test_between_closing_and_reopening_no_table_is_scanned(interpreter):
    """So the time without writes does not grow with the tables."""
    scanned, scanned_while_closed = {}, []

    def watch(invocation, run):
        with mock.patch.object(world.rows, "scan", side_effect=world.rows.scan) as scan:
            answer = run()
        if invocation.machine == "deployment":
            scanned[invocation.state] = scanned.get(invocation.state, 0) + scan.call_count
        return answer

    with restored(interpreter, "gb-scans", watch) as world:
        close = world.cloud.write_closing.close

        def closing(*arguments):
            close(*arguments)
            world.rows.scan.side_effect = lambda **_: scanned_while_closed.append(1)

        world.cloud.write_closing.close = closing
        assert world.go_back("gb-scans-back").phase == "SUCCEEDED", world.recovery.reason
    states = list(scanned)
    assert states[states.index("ReplayLateWrites") + 1] == "Promote"
    assert (scanned_while_closed, scanned["Promote"]) == ([], 0)
    assert scanned["SyncTables"] > 0


def test_canary_is_looked_at_once_its_tables_are_level_and_not_before(interpreter):
    looked = []

    def watch(invocation, run):
        before = len(world.looks)
        answer = run()
        if len(world.looks) > before and invocation.machine == "deployment":
            looked.append(invocation.state)
        return answer

    with restored(interpreter, "gb-looks", watch) as world:
        world.looks = []
        look = world.look
        world.look = lambda scene, instruments: world.looks.append(scene) or look(scene, instruments)
        with inhabited(world):
            world.go_back("gb-looks-back")
    assert looked == ["VerifySyncedTables", "VerifyAfterPromotion"]


@pytest.mark.parametrize("at_percent", [0, 100])
def test_a_way_back_that_fails_leaves_the_copies_in_use_and_open_and_the_others_closed(interpreter, at_percent):
    with restored(interpreter, f"gb-fails-{at_percent}") as world:
        world.scenario = Scenario({at_percent: Outcome.FAIL}, changed=False)
        ended = world.go_back(f"gb-fails-{at_percent}-back")
        world.settle()
    assert ended.phase == "FAILED"
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert world.deployment.outcome is DeploymentOutcome.ROLLED_BACK
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE
    assert not world.cloud.restores.read_lock().held


def test_a_writer_meanwhile_is_found_and_its_writes_are_synced(interpreter):
    once = []

    def meddle(invocation, run):
        if invocation.state == "SyncTables" and not once:
            once.append(invocation)
            visit = TableSync.run_segment

            def slowly(levels, stretch, *more):
                if stretch.doing is SyncPhase.READ_OTHER and len(once) == 1:
                    once.append(stretch)
                    world.rows.put_item(TableName=STATE, Item=row("of nobody"))
                return visit(levels, stretch, *more)

            monkey.setattr(TableSync, "run_segment", slowly)
        return run()

    with pytest.MonkeyPatch.context() as monkey, restored(interpreter, "gb-meddled", meddle) as world:
        ended = world.go_back("gb-meddled-back")
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert finding(world, "level.state").figures["rounds"] == 2
    assert "of nobody" not in world.held(STATE)


def test_tables_with_a_writer_that_does_not_stop_are_not_gone_back_to(interpreter, monkeypatch):
    count = iter(range(1000))
    visit = TableSync.run_segment

    def meddled(levels, stretch, *more):
        if stretch.doing is SyncPhase.READ_OTHER:
            world.rows.put_item(TableName=STATE, Item=row(f"of nobody {next(count)}"))
        return visit(levels, stretch, *more)

    with restored(interpreter, "gb-never") as world:
        monkeypatch.setattr(TableSync, "run_segment", meddled)
        ended = world.go_back("gb-never-back")
        world.settle()
    assert ended.phase == "FAILED"
    assert "state still differs after 3 rounds" in finding(world, "cutover").verdict.reason
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE


def test_a_visit_that_is_over_goes_on_where_it_stopped(interpreter, monkeypatch):
    visit, actions = TableSync.run_segment, []

    def a_page(levels, stretch, as_of, _until):
        world.clock.advance(1)
        return visit(levels, stretch, as_of, lambda: True)

    def watch(invocation, run):
        answer = run()
        if invocation.state == "SyncTables":
            actions.append(answer["Payload"].get("decision", {}).get("action", "not yet open"))
        return answer

    with restored(interpreter, "gb-visits", watch) as world:
        monkeypatch.setattr(table_sync, "PAGE_ITEMS", 1)
        monkeypatch.setattr(TableSync, "run_segment", a_page)
        ended = world.go_back("gb-visits-back")
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert actions[:2] == ["SYNC_TABLES", "SYNC_TABLES"]
    assert actions[-2:] == ["REPLAY", "REPLAY"], "before the comparison, and after it"
    assert world.held(STATE) == of_clients(world.held(world.copies["state"]))


def test_an_answer_that_got_lost_changes_nothing_twice(interpreter):
    lost = []

    def lose(invocation, run):
        answer = run()
        if invocation.state == "SyncTables" and not lost:
            lost.append(answer)
            return raised("Lambda.ServiceException", "lost")
        return answer

    with restored(interpreter, "gb-lost", lose) as world:
        assert world.go_back("gb-lost-back").phase == "SUCCEEDED", world.recovery.reason
    assert lost
    assert finding(world, "level.state").figures["written"] == 2


@pytest.mark.parametrize("state", ["CompareSettings", "StartCutover"])
def test_a_way_back_that_is_stopped_leaves_the_copies_in_use(interpreter, state):
    def stop(invocation, run):
        answer = run()
        if invocation.state == state and invocation.machine == "restore":
            world.states.pending.clear()
            world.stop(invocation.execution)
        return answer

    with restored(interpreter, f"gb-stopped-{state}", stop) as world:
        world.go_back(f"gb-stopped-{state}-back")
        world.settle()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE
    assert not world.cloud.restores.read_lock().held


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("open", lambda world: world.table_access.policies.clear(), "it is not blocked, so it may have other writers"),
        ("gone", lambda world: world.tables.lose(STATE), "it no longer exists, so there is no failback"),
        ("unsafe", lambda world: setattr(world.tables.tables[TOKENS], "recovery_days", 0), "recovery is off"),
    ],
)
def test_tables_that_cannot_be_gone_back_to_are_refused_before_anything_is_touched(interpreter, name, change, why):
    with restored(interpreter, f"gb-{name}") as world:
        change(world)
        ended = world.go_back(f"gb-{name}-back")
        refusal = world.cloud.restores.read_refusal(f"gb-{name}-back").why
    assert ended.phase == "FAILED"
    assert why in refusal
    assert world.used() == in_use(world)


def test_while_a_deployment_is_under_way_there_is_no_failback(interpreter):
    with restored(interpreter, "gb-held") as world:
        world.states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-other", input="{}")
        world.states.pending.clear()
        restores, other = world.cloud.restores, execution_arn("deployment", "d-other")
        restores.acquire_lock(restores.read_lock(), other, "d-other", Kind.DEPLOYMENT, world.clock.now())
        ended = world.go_back("gb-held-back")
    assert ended.phase == "FAILED"
    assert "d-other" in world.recovery.reason
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE
    assert world.cloud.restores.read_lock().execution == other


def test_one_goes_back_once_and_from_there_forth_again(interpreter):
    with restored(interpreter, "gb-twice") as world:
        world.go_back("gb-twice-back")
        world.rows.put_item(TableName=STATE, Item=row("after the way back"))
        world.restore_name = "gb-twice"
        assert world.go_back("gb-twice-again").phase == "FAILED"
        why = world.cloud.restores.read_refusal("gb-twice-again").why
        world.restore_name = "gb-twice-back"
        assert world.go_back("gb-twice-forth").phase == "SUCCEEDED", world.recovery.reason
    assert f"uses {STATE} now" in why
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE
    assert world.held(world.copies["state"])["after the way back"] == row("after the way back")


def test_settings_that_were_turned_off_meanwhile_keep_a_table_from_being_used(interpreter):
    with restored(interpreter, "gb-settings") as world:
        world.tables.tables[STATE].time_to_live = {"TimeToLiveStatus": "DISABLED"}
        ended = world.go_back("gb-settings-back")
    assert ended.phase == "FAILED"
    assert finding(world, "settings.state.time_to_live").verdict.outcome is Outcome.FAIL
    assert world.used() == in_use(world)
    assert closed(world) == BEFORE


def test_heartbeats_of_what_the_restore_lost_are_not_requested(interpreter):
    with restored(interpreter, "gb-heartbeats") as world:
        # There is no table of heartbeats here: a request for them would fail.
        world.cloud.settings["RECOVERY_POLICY"] = json.dumps(recovery_table(heartbeats=True))
        ended = world.go_back("gb-heartbeats-back")
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert not any(one.check.startswith("heartbeats.") for one in world.recovery.check_results)
