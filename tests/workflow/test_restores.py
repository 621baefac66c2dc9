"""A restore, state by state, with the deployment that makes the service use its copies, over tables that are restored as AWS restores them."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import pytest

from orchestrator.application import table_comparison
from orchestrator.application.restored_tables.listing import SECONDS_UNUSED
from orchestrator.application.stale_executions import LONGEST_REPLAY
from orchestrator.aws.dynamodb.late_writes import LateWrites
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.attachments import Attachments
from orchestrator.domain.recovery.heartbeats import SLOTS
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from tests.fakes.errors import client_error
from tests.workflow.restores import REVOCATIONS, STATE, TOKENS, RestoreWorld, family_item, restore_machines
from tests.workflow.world import Scenario, inhabited, raised, straight

BEFORE = {STATE, TOKENS}


@pytest.fixture(scope="module")
def interpreter():
    with restore_machines() as moto:
        yield moto


def copies(world):
    return {table.target for table in world.recovery.tables}


def verdict(world, check):
    return next(finding.verdict for finding in world.recovery.check_results if finding.check == check)


def test_a_restore_has_the_service_use_the_copies_and_closes_the_tables_that_were_left(interpreter):
    world = RestoreWorld(interpreter, "re-good")
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert world.recovery.outcome is RecoveryOutcome.SUCCEEDED
    assert world.used() == {"live": copies(world), "latest": copies(world)}
    assert [world.doors.closed(name) for name in (STATE, TOKENS)] == [True, True]
    assert not any(world.doors.closed(name) for name in copies(world))
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert set(world.deployment.service.tables) == copies(world)
    assert not world.cloud.restores.read_lock().held


def test_nothing_moves_before_all_tables_that_are_left_have_denied(interpreter):
    closed_at_promotion = []

    def watch(invocation, run):
        if invocation.state == "Promote":
            closed_at_promotion.extend(world.doors.closed(name) for name in (STATE, TOKENS))
        return run()

    world = RestoreWorld(interpreter, "re-order", bridge=watch)
    with inhabited(world):
        world.restore()
    assert closed_at_promotion == [True, True]
    assert set(world.doors.probed) >= BEFORE


@pytest.mark.parametrize("at_percent", [0, 100])
def test_a_cut_over_that_fails_leaves_the_service_where_it_was_with_its_tables_open(interpreter, at_percent):
    world = RestoreWorld(interpreter, f"re-fails-{at_percent}", Scenario({at_percent: Outcome.FAIL}, changed=False))
    with inhabited(world):
        ended = world.restore()
        world.settle()
    assert ended.phase == "FAILED"
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert verdict(world, "cutover").outcome is Outcome.FAIL
    assert "ROLLED_BACK" in verdict(world, "cutover").reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}
    assert not any(world.doors.closed(name) for name in BEFORE)
    assert not world.cloud.restores.read_lock().held


def test_the_alarms_that_ring_for_closed_tables_take_no_restore_back(interpreter):
    heard = []

    def ring(invocation, run):
        if invocation.state == "VerifyAfterPromotion":
            heard.append(world.ring(f"e-{len(heard)}"))
        return run()

    world = RestoreWorld(interpreter, "re-rings", bridge=ring)
    with inhabited(world):
        ended = world.restore()
        world.settle()
    assert heard
    assert all("it blocks the tables briefly" in answer for answer in heard)
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert world.used() == {"live": copies(world), "latest": copies(world)}


def test_copies_of_which_anything_is_wrong_are_not_used(interpreter):
    def spoil(invocation, run):
        if invocation.state == "CompareSettings":
            for table in world.recovery.tables:
                world.tables.tables[table.target].time_to_live = {"TimeToLiveStatus": "DISABLED"}
        return run()

    world = RestoreWorld(interpreter, "re-spoilt", bridge=spoil)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert world.deployment is None
    assert world.used() == {"live": BEFORE, "latest": BEFORE}
    assert verdict(world, "settings.state.time_to_live").outcome is Outcome.FAIL


def test_a_release_that_nobody_shipped_is_not_shipped_along_with_the_tables(interpreter):
    world = RestoreWorld(interpreter, "re-other")
    world.plane.change("ib-oauth-token-test", "code-2")
    with inhabited(world):
        ended = world.restore()
        refusal = world.cloud.restores.read_refusal("re-other")
    assert ended.phase == "FAILED"
    assert "it differs from the live release" in refusal.why
    assert set(world.tables.tables) == BEFORE, "nothing was restored"
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def test_a_release_that_is_put_into_latest_meanwhile_is_not_shipped_along_with_the_tables_either(interpreter):
    def deploy(invocation, run):
        if invocation.state == "CompareSettings":
            world.plane.change("ib-oauth-token-test", "code-2")
        return run()

    world = RestoreWorld(interpreter, "re-meanwhile", bridge=deploy)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert "it differs from the live release" in world.recovery.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def test_a_table_that_is_gone_is_restored_from_what_it_left(interpreter):
    world = RestoreWorld(interpreter, "re-gone")
    world.tables.lose(STATE)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert world.used()["live"] == copies(world)
    assert world.deployment.cutover.gone == (STATE,)
    assert world.doors.closed(TOKENS)


@pytest.mark.parametrize("first", [STATE, TOKENS])
def test_two_tables_that_are_gone_come_back_and_tokens_that_are_later_than_the_state_are_ended(interpreter, first):
    """Their backups are 12 s apart. Where the tokens are the earlier ones, the policy accepts what the table held."""
    world = RestoreWorld(interpreter, f"re-gone-{first[9:12]}", rotated_tokens="accept")
    world.log_in("one")
    world.tables.lose(first)
    world.clock.advance(12)
    world.tables.lose(TOKENS if first == STATE else STATE)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert set(world.deployment.cutover.gone) == {STATE, TOKENS}
    assert verdict(world, "restore.times").outcome is Outcome.INCONCLUSIVE
    assert "12 s apart" in verdict(world, "restore.times").reason
    assert "restore.times" in world.recovery.reason
    assert world.families(world.tokens_copy) == {"one": first == TOKENS}


def test_a_backup_by_name_is_restored_and_one_that_a_table_lacks_is_refused_with_those_there_are(interpreter):
    world = RestoreWorld(interpreter, "re-backup")
    for table in (STATE, TOKENS):
        world.tables.back_up(table, "before-d-1")
    with inhabited(world):
        assert world.restore(backup="before-d-1").phase == "SUCCEEDED", world.recovery.reason
    assert {table.backup_arn for table in world.recovery.tables} == set(world.tables.backups)
    assert all("it was restored from a backup" in one.verdict.reason for one in content(world).values())

    other = RestoreWorld(interpreter, "re-backup-overdue")
    other.tables.back_up(STATE, "before-d-1")
    with inhabited(other):
        assert other.restore(backup="before-d-1").phase == "FAILED"
        refusal = other.cloud.restores.read_refusal("re-backup-overdue").why
    assert f"{TOKENS} has no such backup that can be restored; it has none" in refusal


def test_a_task_whose_answer_got_lost_after_it_started_the_deployment_starts_no_other(interpreter):
    lost = []

    def lose(invocation, run):
        answer = run()
        if invocation.state == "StartCutover" and not lost:
            lost.append(answer)
            world.run_started()  # it has run and ended before anybody asks again
            return raised("Runtime.ExitError", "exit status 137")
        return answer

    world = RestoreWorld(interpreter, "re-lost", bridge=lose)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert lost
    assert world.used()["live"] == copies(world)


def receipts(world, rows):
    """Receipts of every second of both tables that a restore leaves, and none of its copies."""

    def read_acknowledged(table: str, since: datetime) -> set[int]:
        until = int(world.recovery.point.timestamp()) + 3
        return set(range(int(since.timestamp()), until)) if table in BEFORE else set()

    def of(copy: str) -> set[int]:
        return set(rows(int(world.recovery.point.timestamp()), copy))

    vars(world.cloud)["heartbeats"] = SimpleNamespace(read_acknowledged=read_acknowledged, read_rows=of)


def test_rows_that_its_copies_get_once_they_are_used_are_not_held_against_it(interpreter):
    """The writer of receipts writes to what clients use: after the cut-over these are the copies, and its rows are of after the point."""
    world = RestoreWorld(interpreter, "re-receipts", heartbeats=True)
    receipts(world, lambda edge, copy: range(edge - SLOTS + 1, edge + (60 if copy in world.used()["live"] else 0) + 1))
    with inhabited(world):
        world.restore()
    assert world.recovery.outcome is RecoveryOutcome.SUCCEEDED, world.recovery.reason
    assert world.used()["live"] == copies(world)
    assert world.recovery.measured.source == "heartbeats"


def test_copies_that_lack_acknowledged_rows_are_not_used(interpreter):
    world = RestoreWorld(interpreter, "re-behind", heartbeats=True)
    receipts(world, lambda edge, _: range(edge - SLOTS + 1, edge - 60))
    with inhabited(world):
        world.restore()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert "acknowledged heartbeats are missing in the restored table" in world.recovery.reason
    assert world.used()["live"] == BEFORE


@pytest.mark.parametrize(
    ("newest", "good"), [(-90, False), (-40, True), (40, True), (90, False)], ids=["old", "older", "newer", "new"]
)
def test_the_rows_of_a_backup_are_held_against_it_beyond_the_minute_to_which_it_is_exact(interpreter, newest, good):
    world = RestoreWorld(interpreter, f"re-backup-rows-{newest}", heartbeats=True)
    receipts(world, lambda edge, _: range(edge + newest - SLOTS + 1, edge + newest + 1))
    with inhabited(world):
        for table in (STATE, TOKENS):
            world.tables.back_up(table, "nightly")
        world.restore(backup="nightly")
    outcome = verdict(world, "heartbeats.tokens").outcome
    assert (outcome is Outcome.FAIL) is not good
    assert world.recovery.outcome is (RecoveryOutcome.SUCCEEDED if good else RecoveryOutcome.FAILED)
    assert world.used()["live"] == (copies(world) if good else BEFORE)


def test_no_other_deployment_may_change_the_tables(interpreter):
    world = RestoreWorld(interpreter, "re-none")
    for name in ("authorize", "public", "token"):
        variables = {"STATE_TABLE": "another", "TOKENS_TABLE": TOKENS, "ISSUER": "https://issuer.invalid"}
        world.plane.change(f"ib-oauth-{name}-test", "code-1", Environment={"Variables": variables})
    with inhabited(world):
        world.deploy(strategy={"type": "all-at-once"})
    assert world.deployment is None
    assert f"the live version uses {STATE}" in world.cloud.ledger.read_refusal(world.name).why


def test_a_release_that_would_serve_what_a_restore_had_ended_is_refused(interpreter):
    world = RestoreWorld(interpreter, "re-floor")
    with inhabited(world):
        world.restore()
        for name in ("authorize", "public", "token"):
            latest = world.plane.functions[f"ib-oauth-{name}-test"].latest["Environment"]["Variables"]
            told = {key: value for key, value in latest.items() if key != "LEAST_EPOCH"}
            world.plane.change(f"ib-oauth-{name}-test", "code-2", Environment={"Variables": told})
        world.name = "d-floor"
        world.deploy(strategy={"type": "all-at-once"})
    assert world.deployment is None
    why = world.cloud.ledger.read_refusal(world.name).why
    assert "release.authorize.LEAST_EPOCH: '0' is refused: the live version has 1 since a restore" in why


def test_nobody_cuts_over_to_copies_that_no_restore_vouches_for(interpreter):
    world = RestoreWorld(interpreter, "re-nobody")
    with inhabited(world):
        world.deploy(cutover="re-never")
    assert world.deployment is None
    assert "recovery: 're-never' is refused" in world.cloud.ledger.read_refusal(world.name).why


@pytest.mark.parametrize("state", ["AwaitRestore", "CompareSettings", "StartCutover"])
def test_a_restore_that_is_stopped_leaves_the_service_as_it_was_and_gives_the_claim_back(interpreter, state):
    def stop(invocation, run):
        answer = run()
        if invocation.state == state and invocation.machine == "restore":
            world.states.pending.clear()  # where it was asked for, the deployment has not begun
            world.stop(invocation.execution)
        return answer

    world = RestoreWorld(interpreter, f"re-stopped-{state}", bridge=stop)
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert "died while it held the environment lock" in world.recovery.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}
    assert not any(world.doors.closed(name) for name in BEFORE)
    assert not world.cloud.restores.read_lock().held


def test_the_deployment_of_a_restore_that_was_given_up_is_refused(interpreter):
    world = RestoreWorld(interpreter, "re-given-up")

    def give_up(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("deployment", "Plan"):
            claim = world.cloud.restores.read_lock()
            world.cloud.restores.release_lock(claim.fencing_token)
        return answer

    world.bridge = give_up
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.REFUSED
    assert "its tables are not approved" in world.deployment.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def test_a_restore_that_died_leaves_evidence_and_is_told_of(interpreter):
    def kill(invocation, run):
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
            return {"Payload": {}}
        return run()

    world = RestoreWorld(interpreter, "re-died", bridge=kill)
    with inhabited(world):
        world.restore()
        world.settle()
        event = {"id": "tick", "detail": {"name": "re-died"}}
        told, again = (world.deliver_event("clean_up_drills", event) for _ in range(2))
        link = world.cloud.evidence.find_entry("re-died")
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert link is not None
    assert link.outcome == "FAILED"
    assert "its evidence is written" in told
    assert "evidence" not in again
    assert "died while it held the environment lock" in world.topics.published[-1][2]
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def test_the_tables_of_a_restore_that_died_are_reported_until_they_are_gone(interpreter):
    def kill(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
        return answer

    def sweep():
        world.measured.clear()
        told = world.deliver_event("clean_up_drills", {"id": "tick", "detail": {}})
        return told, [line[SECONDS_UNUSED] for line in world.measured if SECONDS_UNUSED in line]

    world = RestoreWorld(interpreter, "re-left", bridge=kill)
    with inhabited(world):
        assert sweep() == ("nothing is left behind", [])
        world.restore()
        world.settle()
        world.clock.advance(14 * 86_400)
        told, measured = sweep()
        assert f"2 restored tables are unused, {min(copies(world))} since" in told
        assert [14 * 86_400 < seconds < 15 * 86_400 for seconds in measured] == [True]
        for table in copies(world):
            del world.tables.tables[table]
        assert sweep()[1] == []


def test_restored_tables_in_use_are_not_reported_although_the_stack_still_names_the_original_ones(interpreter):
    world = RestoreWorld(interpreter, "re-kept")
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
        told = world.deliver_event("clean_up_drills", {"id": "tick", "detail": {}})
    assert "unused" not in told
    assert not [line for line in world.measured if SECONDS_UNUSED in line]


def test_a_frozen_environment_refuses_a_restore_unless_it_is_told_to_go_through(interpreter):
    for name, given, phase in (("re-frozen", {}, "FAILED"), ("re-through", {"override_freeze": True}, "SUCCEEDED")):
        world = RestoreWorld(interpreter, name)
        with inhabited(world):
            world.cloud.freezes.freeze("ann", "an incident", world.clock.now())
            ended = world.restore(**given)
        assert ended.phase == phase, (name, ended.cause)
        assert (world.used()["live"] == BEFORE) is (phase == "FAILED")


def test_what_was_revoked_since_stays_dead_also_what_was_revoked_while_the_copy_was_being_put_into_use(interpreter):
    def revoke_late(invocation, run):
        if (invocation.machine, invocation.state) == ("deployment", "PublishVersions"):
            world.revoke("late")
        return run()

    world = RestoreWorld(interpreter, "re-tokens", bridge=revoke_late)
    for family in ("kept", "early", "late"):
        world.log_in(family)
    world.revoke("early")
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert world.families(world.tokens_copy) == {"kept": True, "early": False, "late": False}
    epochs = {variables["LEAST_EPOCH"] for variables in world.variables()}
    assert epochs == {str(world.recovery.least_epoch)} == {"1"}


@pytest.mark.parametrize("state", ["SanitizeTokens", "StartCutover"])
def test_the_epoch_of_a_restore_that_died_before_its_cutover_ends_no_login_of_the_next(interpreter, state):
    def kill(invocation, run):
        answer = run()
        if invocation.machine == "restore" and invocation.state == state:
            world.states.pending.clear()
            world.stop(invocation.execution)
        return answer

    world = RestoreWorld(interpreter, f"re-dead-{state}", bridge=kill)
    world.log_in("kept")
    with inhabited(world):
        world.restore()
        world.settle()
        assert world.recovery.outcome is RecoveryOutcome.FAILED
        assert "epoch" not in world.held(REVOCATIONS), "it was never in force"
        world.begin_another(f"re-next-{state}")
        world.bridge = straight
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    assert world.families(world.tokens_copy) == {"kept": True}
    assert verdict(world, "tokens.alive").reason == "1 of 1 families stay valid"
    assert world.recovery.least_epoch == 1
    assert world.held(REVOCATIONS)["epoch"]["epoch"] == {"N": "1"}


def test_the_record_of_a_restore_that_died_is_completed_although_the_next_took_its_lock_over(interpreter):
    """Otherwise its tables would count as needed for ever."""

    def kill(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
        return answer

    world = RestoreWorld(interpreter, "re-overtaken", bridge=kill)
    with inhabited(world):
        world.restore()
        world.begin_another("re-overtakes")
        world.bridge = straight
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
        used, latest = world.used(), [one.latest["Environment"] for one in world.plane.functions.values()]
        assert world.cloud.restores.read_record("re-overtaken").ended_at is None
        world.settle()
        dead = world.cloud.restores.read_record("re-overtaken")
    assert dead.outcome is RecoveryOutcome.FAILED
    assert "died while it held the environment lock" in dead.reason
    assert world.used() == used
    assert [one.latest["Environment"] for one in world.plane.functions.values()] == latest
    assert not world.cloud.restores.read_lock().held


def test_variables_that_another_writer_set_after_a_restore_died_are_not_reverted(interpreter):
    def kill(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "CompareSettings"):
            world.stop(invocation.execution)
            world.plane.functions["ib-oauth-token-test"].latest["Environment"]["Variables"] |= {"ISSUER": "https://new"}
        return answer

    world = RestoreWorld(interpreter, "re-rewritten", bridge=kill)
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    latest = world.plane.functions["ib-oauth-token-test"].latest["Environment"]["Variables"]
    assert (latest["ISSUER"], latest["TOKENS_TABLE"]) == ("https://new", TOKENS)


def test_what_an_earlier_release_logged_for_a_restore_that_died_ends_no_login_either(interpreter):
    world = RestoreWorld(interpreter, "re-logged-early")
    world.rows.put_item(TableName=REVOCATIONS, Item={"pk": {"S": "epoch"}, "epoch": {"N": "5"}})
    world.log_in("kept")
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    assert world.families(world.tokens_copy) == {"kept": True}
    assert world.held(REVOCATIONS)["epoch"]["recovery"] == {"S": "re-logged-early"}


def test_the_epoch_of_a_restore_that_died_after_its_cutover_is_logged_when_its_record_is_closed(interpreter):
    def stop(invocation, run):
        if (invocation.machine, invocation.state) != ("restore", "AwaitCutover"):
            return run()
        world.run_started()
        world.stop(invocation.execution)
        return {"Payload": {}}

    world = RestoreWorld(interpreter, "re-dead-used", bridge=stop)
    world.log_in("kept")
    with inhabited(world):
        world.restore()
        assert "epoch" not in world.held(REVOCATIONS)
        world.settle()
    assert world.recovery.in_use
    assert world.recovery.ended_at is not None
    assert verdict(world, "late-writes").outcome is Outcome.PASS
    assert world.held(REVOCATIONS)["epoch"]["epoch"] == {"N": "1"}
    assert not world.cloud.restores.read_lock().held


@pytest.mark.parametrize("at_percent", [0, 100])
def test_the_epoch_of_a_cutover_that_was_rolled_back_was_never_in_force(interpreter, at_percent):
    world = RestoreWorld(interpreter, f"re-undone-{at_percent}", Scenario({at_percent: Outcome.FAIL}, changed=False))
    world.log_in("kept")
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.ROLLED_BACK
    assert "epoch" not in world.held(REVOCATIONS)


def test_a_restore_in_which_no_login_lives_says_so(interpreter):
    world = RestoreWorld(interpreter, "re-nobody-lives")
    for family in ("one", "other"):
        world.log_in(family)
    world.tables.lose(TOKENS)
    real = world.rows.get_item

    def lost(**asked):
        if asked["TableName"] == TOKENS:
            raise client_error("ResourceNotFoundException")
        return real(**asked)

    with inhabited(world), mock.patch.object(world.rows, "get_item", lost, create=True):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    finding = verdict(world, "tokens.alive")
    assert finding.outcome is Outcome.FAIL
    assert finding.reason == "no family stays valid, so every user must log in again: 2 unknown"
    assert "tokens.alive" in world.recovery.reason
    assert finding.reason in world.topics.published[-1][2]


def test_a_copy_that_nobody_made_safe_is_not_used(interpreter):
    def unsafe(invocation, run):
        answer = run()
        if invocation.state == "SanitizeTokens":
            world.rows.delete_item(TableName=world.tokens_copy, Key={"pk": {"S": "recovery"}})
        return answer

    world = RestoreWorld(interpreter, "re-unsafe", bridge=unsafe)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert "sanitize its tokens before it is served" in world.recovery.reason
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def content(world):
    return {one.check: one for one in world.recovery.check_results if one.check.startswith("content.")}


@pytest.mark.parametrize("whole_items", [200_000, 0], ids=["whole", "segments"])
def test_contents_are_compared_with_the_source_as_it_was_whatever_became_of_it_since(interpreter, whole_items):
    def ruin(invocation, run):
        if (invocation.machine, invocation.state) == ("restore", "StartRestore") and not ruined:
            for table in (STATE, TOKENS):
                ruined.append(table)
                world.contents.put(table, {"pk": {"S": "item 3"}, "n": {"N": "-3"}})
                world.contents.remove(table, "item 4")
                world.contents.put(table, {"pk": {"S": "of an intruder"}})
        return run()

    ruined = []
    world = RestoreWorld(interpreter, f"re-ruined-{whole_items}", bridge=ruin, whole_items=whole_items)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert ruined == [STATE, TOKENS]
    assert [one.verdict.outcome for one in content(world).values()] == [Outcome.PASS, Outcome.PASS]
    assert content(world)["content.tokens"].figures["changed_since_point"] == 3
    assert world.recovery.reason.endswith("checks passed")


def test_consumers_and_alarms_that_stay_with_the_left_tables_are_named_and_the_copies_are_used(interpreter):
    world = RestoreWorld(interpreter, "re-attached")
    world.attached.attached[TOKENS] = Attachments(
        kinesis_streams=("arn:kinesis",), mappings={"arn:audit": "uuid-1"}, alarms={"m": ("by hand", "ib-oauth-t-test")}
    )
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    attached = {one.check: one for one in world.recovery.check_results if one.check.startswith("attached.")}
    not_covered = {name: one.figures["not_covered"] for name, one in attached.items() if one.figures["not_covered"]}
    assert not_covered == {
        "attached.tokens.kinesis_destinations": ["arn:kinesis"],
        "attached.tokens.event_source_mappings": ["arn:audit (mapping uuid-1)"],
        "attached.tokens.alarms": ["by hand"],
    }
    assert {name for name, one in attached.items() if not one.decides} == not_covered.keys()
    message = world.topics.published[-1][2]
    assert "create an event source mapping of the restored table's after the cutover: arn:audit" in message
    assert all(name in world.recovery.reason for name in not_covered)


def test_a_restore_goes_on_if_what_depends_on_its_tables_cannot_be_read(interpreter):
    world = RestoreWorld(interpreter, "re-unattached")
    world.attached.attached[STATE] = client_error("AccessDeniedException", "no rights")
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    for role in ("state", "tokens"):
        assert verdict(world, f"attached.{role}").outcome is Outcome.ERROR


@pytest.mark.parametrize("whole_items", [200_000, 0], ids=["whole", "segments"])
def test_a_copy_in_which_a_row_is_missing_is_not_used(interpreter, whole_items):
    world = RestoreWorld(interpreter, f"re-missing-{whole_items}", whole_items=whole_items)
    world.contents.damage.append(lambda name, copy: copy.pop("item 7") if "-tokens-" in name else None)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert content(world)["content.tokens"].verdict.outcome is Outcome.FAIL
    assert world.recovery.reason.startswith("content.tokens: tokens: 1 missing")
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def stop_stream(world):
    world.tables.tables[TOKENS].description["StreamSpecification"] = {"StreamEnabled": False}


def young_stream(world):
    label = world.clock.now().isoformat(timespec="milliseconds").removesuffix("+00:00")
    world.tables.tables[TOKENS].description["LatestStreamLabel"] = label


def lose_tokens(world):
    world.tables.lose(TOKENS)


@pytest.mark.parametrize(
    ("name", "change", "given", "why"),
    [
        ("gone", lose_tokens, {}, "no longer exists, so there is no evidence"),
        ("mute", stop_stream, {}, "has no stream of both images"),
        ("young", young_stream, {}, "and not to the recovery point"),
        ("wish", None, {"skip_comparison": True}, "ann skipped the comparison"),
    ],
)
def test_where_nothing_says_what_the_source_held_that_is_told_and_the_copy_is_used(
    interpreter, name, change, given, why
):
    world = RestoreWorld(interpreter, f"re-untold-{name}")
    if change:
        change(world)
    with inhabited(world):
        ended = world.restore(**given)
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    finding = content(world)["content.tokens"]
    assert (finding.verdict.outcome, finding.decides) == (Outcome.INCONCLUSIVE, False)
    assert why in finding.verdict.reason
    assert "informational and not passed: " in world.recovery.reason
    assert "content.tokens" in world.recovery.reason
    assert world.used()["live"] == copies(world)


def test_more_changes_than_can_be_undone_are_told_and_the_copy_is_used(interpreter, monkeypatch):
    monkeypatch.setattr(table_comparison, "MOST_CHANGES", 2)

    def ruin(invocation, run):
        if (invocation.machine, invocation.state) == ("restore", "StartRestore"):
            for number in range(3):
                world.contents.put(TOKENS, {"pk": {"S": f"of an intruder {number}"}})
        return run()

    world = RestoreWorld(interpreter, "re-much", bridge=ruin)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert "more than 2 keys changed since the recovery point" in content(world)["content.tokens"].verdict.reason
    assert content(world)["content.state"].verdict.outcome is Outcome.PASS


def test_a_segment_that_cannot_be_read_keeps_the_copies_from_being_used(interpreter):
    def refuse(_name, _copy):
        raise DynamoDBError("AccessDeniedException")

    world = RestoreWorld(interpreter, "re-unread", whole_items=0)
    world.contents.damage.append(refuse)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "FAILED"
    assert [one.verdict.outcome for one in content(world).values()] == [Outcome.ERROR, Outcome.ERROR]
    assert world.used() == {"live": BEFORE, "latest": BEFORE}


def restore_that_is_stopped_after_its_cutover(interpreter, name, *families):
    """A restore that is stopped when its deployment has succeeded. Its previous table accepted logins meanwhile."""

    def stop(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "AwaitCutover"):
            world.stop(invocation.execution)
            for family in families:
                world.contents.put(TOKENS, family_item(family))
        return answer

    world = RestoreWorld(interpreter, name, bridge=stop)
    return world


def test_late_writes_are_replayed_for_a_restore_that_was_stopped_after_its_cutover(interpreter):
    world = restore_that_is_stopped_after_its_cutover(interpreter, "re-stopped-late", "late")
    with inhabited(world):
        world.restore()
        assert world.used()["live"] == copies(world)
        assert "family#late" not in world.held(world.tokens_copy)
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert world.held(world.tokens_copy)["family#late"]["generation"] == {"N": "1"}
    assert verdict(world, "late-writes").outcome is Outcome.PASS
    assert verdict(world, "machine.1").outcome is Outcome.ERROR
    assert world.recovery.replay.passes == world.deployment.cutover.replay.passes + 2
    assert world.recovery.ended_at - world.deployment.ended_at >= timedelta(seconds=30)
    assert world.used()["live"] == copies(world)
    assert not world.cloud.restores.read_lock().held


def test_only_the_reconciler_replays_for_a_restore_that_was_stopped(interpreter):
    """The handler of ended executions may not write the service's tables."""
    world = restore_that_is_stopped_after_its_cutover(interpreter, "re-stopped-event", "late")
    with inhabited(world):
        world.restore()
        lock = world.cloud.restores.read_lock()
        for arn, phase in world.announced:
            world.deliver(arn, phase)
        assert world.cloud.restores.read_lock() == lock
        assert world.recovery.ended_at is None
        world.deliver_event("reconcile", {"id": "tick"})
        assert world.cloud.restores.read_lock().held
        assert "family#late" in world.held(world.tokens_copy)


@pytest.mark.parametrize("minutes", [1, 30])
def test_a_replay_that_fails_is_repeated_for_a_while_and_then_given_up(interpreter, minutes):
    world = restore_that_is_stopped_after_its_cutover(interpreter, f"re-stopped-{minutes}", "late")
    with inhabited(world):
        world.restore()
        world.announced.clear()
        world.clock.advance(60 * minutes)
        with mock.patch.object(LateWrites, "replaying", side_effect=Throttled("the table throttles")):
            world.deliver_event("reconcile", {"id": "tick"})
        given_up = minutes > LONGEST_REPLAY.total_seconds() / 60
        assert world.cloud.restores.read_lock().held is not given_up
        world.settle()
    checked = verdict(world, "late-writes")
    assert checked.outcome is (Outcome.ERROR if given_up else Outcome.PASS)
    assert ("the table throttles" in checked.reason) is given_up
    assert ("family#late" in world.held(world.tokens_copy)) is not given_up
    assert not world.cloud.restores.read_lock().held
