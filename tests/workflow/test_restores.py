"""A restore, state by state, with the deployment that makes the service use its copies, over tables that are restored as AWS restores them."""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace

import pytest

from orchestrator.aws.oauth_tables.managed_clients import encode_item
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.errors import SourceStateUnknown
from orchestrator.domain.recovery.heartbeats import SLOTS
from orchestrator.domain.recovery.lost_writes.measurement import CLOSING, REPLAYED
from orchestrator.domain.recovery.record import RecoveryOutcome, Role
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.workflow.restores import (
    DECLARED,
    STATE,
    TOKENS,
    RestoreWorld,
    content,
    copies,
    restore_machines,
    verdict,
)
from tests.workflow.world import Scenario, inhabited, raised

BEFORE = {STATE, TOKENS}


@pytest.fixture(scope="module")
def interpreter():
    with restore_machines() as moto:
        yield moto


@pytest.mark.strategy("Manual Intervention: Database restoration")
def test_a_restore_has_the_service_use_the_copies_and_closes_the_tables_that_were_left(interpreter):
    world = RestoreWorld(interpreter, "re-good")
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert world.recovery.outcome is RecoveryOutcome.SUCCEEDED
    assert world.used() == {"live": copies(world), "latest": copies(world)}
    assert [world.table_access.closed(name) for name in (STATE, TOKENS)] == [True, True]
    assert not any(world.table_access.closed(name) for name in copies(world))
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert set(world.deployment.service.tables) == copies(world)
    assert not world.cloud.restores.read_lock().held


def test_nothing_moves_before_all_tables_that_are_left_have_denied(interpreter):
    closed_at_promotion = []

    def watch(invocation, run):
        if invocation.state == "Promote":
            closed_at_promotion.extend(world.table_access.closed(name) for name in (STATE, TOKENS))
        return run()

    world = RestoreWorld(interpreter, "re-order", bridge=watch)
    with inhabited(world):
        world.restore()
    assert closed_at_promotion == [True, True]
    assert set(world.table_access.probed) >= BEFORE


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
    assert not any(world.table_access.closed(name) for name in BEFORE)
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


def test_an_unshipped_release_is_not_shipped_along_with_the_tables(interpreter):
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
    assert world.table_access.closed(TOKENS)


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


def test_tables_that_are_gone_come_back_with_the_settings_that_a_restore_drops_and_can_be_restored_again(interpreter):
    world = RestoreWorld(interpreter, "re-gone-settings")
    for table in (STATE, TOKENS):
        world.tables.lose(table)
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    for name in copies(world):
        restored = world.cloud.table_settings.read_settings(name)
        assert restored.stream == "NEW_AND_OLD_IMAGES"
        assert (restored.tags, restored.time_to_live, restored.recovery) == ({"environment": "test"}, "delete_at", 35)
    settings = {one.check: one for one in world.recovery.check_results if one.check.startswith("settings.")}
    not_covered = {check for check, one in settings.items() if one.verdict.outcome is Outcome.INCONCLUSIVE}
    assert {check.rpartition(".")[2] for check in not_covered} == {"resource_policy", "contributor_insights"}
    assert not any(settings[check].decides for check in not_covered)
    assert {one.verdict.outcome for check, one in settings.items() if check not in not_covered} == {Outcome.PASS}
    assert not any("as in the source" in one.verdict.reason for one in settings.values())


def test_a_table_on_provisioned_capacity_that_is_gone_comes_back_scaled(interpreter):
    world = RestoreWorld(interpreter, "re-gone-busy")
    settings = world.cloud.settings
    units = {"least_reads": 20, "most_reads": 1000, "least_writes": 20, "most_writes": 1000}
    declared = {**DECLARED, "units": {"state": units, "tokens": units}, "target_utilisation_percent": 70}
    settings["DEFAULT_TABLE_SETTINGS"] = json.dumps(declared)
    for table in (STATE, TOKENS):
        world.tables.tables[table].description |= {
            "BillingModeSummary": {"BillingMode": "PROVISIONED"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 400, "WriteCapacityUnits": 70},
        }
        world.tables.lose(table)
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    for name in copies(world):
        restored = world.cloud.table_settings.read_settings(name)
        assert restored.billing == {"mode": "PROVISIONED", "table": [400, 70], "indexes": {}}
        assert {(one["min"], one["max"]) for one in restored.autoscaling.values()} == {(20, 1000)}
    assert verdict(world, "settings.state.billing").outcome is Outcome.PASS
    assert verdict(world, "settings.tokens.autoscaling").outcome is Outcome.PASS


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
            world.run_started()  # it has run and ended before the next request
            return raised("Runtime.ExitError", "exit status 137")
        return answer

    world = RestoreWorld(interpreter, "re-lost", bridge=lose)
    with inhabited(world):
        ended = world.restore()
    assert ended.phase == "SUCCEEDED", world.recovery.reason
    assert lost
    assert world.used()["live"] == copies(world)


def heartbeats(world, rows):
    """Heartbeats of every second of both tables that a restore leaves, and none of its copies."""

    def read_acknowledged(table: str, since: datetime) -> set[int]:
        until = int(world.recovery.point.timestamp()) + 3
        return set(range(int(since.timestamp()), until)) if table in BEFORE else set()

    def of(copy: str) -> set[int]:
        return set(rows(int(world.recovery.point.timestamp()), copy))

    vars(world.cloud)["heartbeats"] = SimpleNamespace(read_acknowledged=read_acknowledged, read_rows=of)


def test_rows_that_its_copies_get_once_they_are_used_are_not_held_against_it(interpreter):
    """Heartbeats are written to what clients use: after the cutover these are the restored tables, so they have rows of after the point."""
    world = RestoreWorld(interpreter, "re-heartbeats", heartbeats=True)
    heartbeats(
        world, lambda edge, copy: range(edge - SLOTS + 1, edge + (60 if copy in world.used()["live"] else 0) + 1)
    )
    with inhabited(world):
        world.restore()
    assert world.recovery.outcome is RecoveryOutcome.SUCCEEDED, world.recovery.reason
    assert world.used()["live"] == copies(world)
    assert world.recovery.measured.source == CLOSING


def test_what_was_written_while_the_tables_were_restored_is_lost_and_held_to_the_objective(interpreter):
    """Row R6: the loss ended at the request of the restore, and what clients wrote until the closing was lost as well."""
    world = RestoreWorld(interpreter, "re-loss", rpo_minutes=10)
    with inhabited(world):
        world.restore()
    assert world.used()["live"] == copies(world)
    assert verdict(world, "objective.data_loss").outcome is Outcome.FAIL
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    closed_at = world.deployment.cutover.block_requested_at
    assert world.recovery.measured.data_loss == closed_at - world.recovery.point


def test_a_restore_that_replays_gets_what_was_written_since_its_point_except_the_corrupted_kind(interpreter):
    def write(invocation, run):
        answer = run()
        if invocation.state == "SanitizeTokens":
            for key in ("code#new", "login#bad"):
                world.contents.put(STATE, {"pk": {"S": key}})
        return answer

    world = RestoreWorld(interpreter, "re-replay", bridge=write, rpo_minutes=60)
    with inhabited(world):
        world.restore(replay=True, corrupted=["login"])
    assert world.recovery.outcome is RecoveryOutcome.SUCCEEDED, world.recovery.reason
    held = world.held(world.recovery.table(Role.STATE).target)
    assert ("code#new" in held, "login#bad" in held) == (True, False)
    assert verdict(world, "replay").outcome is Outcome.PASS
    assert (world.recovery.replay.lost, world.recovery.measured.source) == (1, REPLAYED)
    assert world.recovery.measured.data_loss == world.recovery.replay.lost_at - world.recovery.point


def test_a_replay_whose_stream_cannot_be_read_changes_nothing(interpreter):
    def unreadable(*_):
        raise SourceStateUnknown("the stream was lost")

    world = RestoreWorld(interpreter, "re-unread")
    vars(world.cloud)["late_writes"] = SimpleNamespace(read_late_writes=unreadable, read_past=unreadable)
    with inhabited(world):
        world.restore(replay=True)
    assert verdict(world, "replay").outcome is Outcome.ERROR
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert world.used()["live"] == BEFORE


def test_copies_that_lack_acknowledged_rows_are_not_used(interpreter):
    world = RestoreWorld(interpreter, "re-behind", heartbeats=True)
    heartbeats(world, lambda edge, _: range(edge - SLOTS + 1, edge - 60))
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
    heartbeats(world, lambda edge, _: range(edge + newest - SLOTS + 1, edge + newest + 1))
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
            variables = {key: value for key, value in latest.items() if key != "LEAST_EPOCH"}
            world.plane.change(f"ib-oauth-{name}-test", "code-2", Environment={"Variables": variables})
        world.name = "d-floor"
        world.deploy(strategy={"type": "all-at-once"})
    assert world.deployment is None
    why = world.cloud.ledger.read_refusal(world.name).why
    assert "release.authorize.LEAST_EPOCH: '0' is refused: the live version has 1 since a restore" in why


def test_no_deployment_cuts_over_to_copies_that_no_restore_vouches_for(interpreter):
    world = RestoreWorld(interpreter, "re-nobody")
    with inhabited(world):
        world.deploy(cutover="re-never")
    assert world.deployment is None
    assert "recovery: 're-never' is refused" in world.cloud.ledger.read_refusal(world.name).why


def test_a_frozen_environment_refuses_a_restore_unless_it_overrides_the_freeze(interpreter):
    for name, params, phase in (("re-frozen", {}, "FAILED"), ("re-through", {"override_freeze": True}, "SUCCEEDED")):
        world = RestoreWorld(interpreter, name)
        with inhabited(world):
            world.cloud.freezes.freeze("ann", "an incident", world.clock.now())
            ended = world.restore(**params)
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


CLIENTS = {"disabled": {"disabled_at": NOW}, "removed": {"disabled_at": NOW, "removed": True}, "renamed": {"name": "x"}}


def is_as_recorded(world, table, name):
    """Whether a client's item is that of its record."""
    record = world.cloud.client_records.read_client(f"app-{name}")
    item = world.held(table).get(f"client#app-{name}")
    return item == (None if record.removed else encode_item(record))


def test_clients_are_after_a_restore_and_a_failback_as_operators_left_them(interpreter):
    """Changed since the recovery point, while the restore runs, and after its deployment has moved the aliases."""
    moments = {("restore", "StartCutover"): "renamed", ("restore", "ReplayLateWrites"): "removed"}

    def change(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "SanitizeTokens"):
            world.save_client(client("disabled", 2, **CLIENTS["disabled"]))
            world.save_client(client("new"))
        name = moments.pop((invocation.machine, invocation.state), "")
        if name:
            world.save_client(client(name, 2, **CLIENTS[name]))
        return answer

    world = RestoreWorld(interpreter, "re-clients", bridge=change)
    for name in CLIENTS:
        world.save_client(client(name))
    names = [*CLIENTS, "new"]
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
        assert {name: is_as_recorded(world, world.tokens_copy, name) for name in names} == dict.fromkeys(names, True)
        # The original table does not know what happened since.
        world.save_client(client("new", 2, disabled_at=NOW))
        assert world.go_back("re-clients-back").phase == "SUCCEEDED", world.recovery.reason
        assert {name: is_as_recorded(world, TOKENS, name) for name in names} == dict.fromkeys(names, True)


def test_a_client_that_was_disabled_is_disabled_before_clients_can_use_the_restored_tables(interpreter):
    seen = []

    def watch(invocation, run):
        answer = run()
        if (invocation.machine, invocation.state) == ("restore", "SanitizeTokens"):
            world.save_client(client("off", 2, disabled_at=NOW))
        if invocation.state == "Promote":
            seen.append(is_as_recorded(world, world.tokens_copy, "off"))
        return answer

    world = RestoreWorld(interpreter, "re-off", bridge=watch)
    world.save_client(client("off"))
    with inhabited(world):
        assert world.restore().phase == "SUCCEEDED", world.recovery.reason
    assert seen == [True]
    decisions = world.cloud.ledger.read_decisions(world.deployment.id)
    assert any("clients as the ledger has them: app-off" in entry.decision.reason for entry in decisions)
