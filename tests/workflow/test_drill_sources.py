"""Drills of every kind of backup: which is selected, what is compared, and what is left."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from orchestrator.application.seeded_grants import GRANT_CHECKS
from orchestrator.domain.evidence.chain import REPORT_FILE
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.samples import recovery_table
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns, raised

TABLES = (STATE, TOKENS)


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def backed_up_world(interpreter, *ages):
    """A world whose tables were backed up together, some seconds ago each; clients wrote before and after."""
    world = DrillWorld(interpreter)
    newest = world.clock.now()
    for number, age in enumerate(sorted(ages, reverse=True)):
        for table in TABLES:
            world.tables.back_up(table, f"before-d-{number}")
            list(world.tables.backups.values())[-1]["BackupCreationDateTime"] = newest
        for table in TABLES:
            world.contents.put(table, {"pk": {"S": "item 3"}, "n": {"N": str(number)}})
        world.clock.advance(age)
        newest = world.clock.now()
    return world


def report(world, drill):
    """The evidence report of a drill."""
    (file,) = [one for one in world.cloud.evidence.read_entry(drill).files if one.name == REPORT_FILE]
    return json.loads(world.cloud.evidence.read_file(file))


def result(recovery, check):
    (found,) = [one for one in recovery.check_results if one.check == check]
    return found


def test_a_drill_restores_the_newest_backups_and_finds_what_their_sources_held(interpreter):
    with drilled(backed_up_world(interpreter, 7200, 1800)) as world:
        world.drill("dr-backup", **{"from": "backup"})
    recovery = world.recovery("dr-backup")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    newest = list(world.tables.backups)[-2:]
    assert [table.backup_arn for table in recovery.tables] == newest
    assert (recovery.backup_kind, recovery.selection) == ("backup", "latest")
    content = result(recovery, "content.tokens")
    assert content.verdict.outcome is Outcome.PASS
    assert content.figures["fuzzy_seconds"] == 60
    assert "exact to 60 s" in content.verdict.reason
    assert world.copies() == set()
    assert recovery.cleaned_at is not None


def test_the_grants_of_the_drill_are_newer_than_its_backup_which_is_said_and_does_not_decide(interpreter):
    with drilled(backed_up_world(interpreter, 1800)) as world:
        world.drill("dr-grants", **{"from": "backup"})
    recovery = world.recovery("dr-grants")
    seeded = result(recovery, "tokens.seeded")
    assert (seeded.verdict.outcome, seeded.decides) == (Outcome.INCONCLUSIVE, False)
    assert result(recovery, "tokens.new_flow").verdict.outcome is Outcome.PASS
    assert result(recovery, "tokens.safe").verdict.outcome is Outcome.PASS


def grant_and_back_up(world, kind):
    """Give standing grants every hour, and back up the tables while the second of three sets is unchanged."""
    for number in range(3):
        world.keep_grants()
        world.clock.advance(600)
        world.remember()
        world.clock.advance(600)
        if number == 1:
            for table in TABLES:
                if kind == "backup":
                    world.tables.back_up(table, "before-d-1")
                    continue
                point = world.vault.back_up(table, world.clock.now(), timedelta(0))
                if kind == "copy":
                    world.vault.copy_away(point)
        world.clock.advance(2400)


BY_USE = {"tokens.kept", "tokens.revoked_before", "tokens.revoked_since", "tokens.rotated_since"}


@pytest.mark.parametrize("kind", ["backup", "vault", "copy"])
def test_standing_grants_that_a_backup_holds_are_tried(interpreter, kind):
    with drilled(DrillWorld(interpreter)) as world:
        grant_and_back_up(world, kind)
        world.drill(f"dr-standing-{kind}", **{"from": kind})
    recovery = world.recovery(f"dr-standing-{kind}")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert recovery.standing_grants is not None
    held = result(recovery, "tokens.held")
    assert (held.verdict.outcome, held.figures["held"]) == (Outcome.PASS, 7)
    outcomes = {check: result(recovery, check).verdict.outcome for check in GRANT_CHECKS}
    assert outcomes == {check: Outcome.PASS if check in BY_USE else Outcome.INCONCLUSIVE for check in GRANT_CHECKS}


def test_standing_grants_of_an_old_backup_are_judged_by_their_items_and_why_is_said(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        grant_and_back_up(world, "backup")
        world.clock.advance(20 * 3600)
        world.drill("dr-standing-old", **{"from": "backup"})
    recovery = world.recovery("dr-standing-old")
    assert result(recovery, "tokens.held").verdict.outcome is Outcome.PASS
    kept = result(recovery, "tokens.kept")
    assert (kept.verdict.outcome, kept.decides) == (Outcome.INCONCLUSIVE, False)
    assert kept.verdict.reason.startswith("not covered: its grant expired at ")


def test_the_age_of_a_backup_is_measured_and_no_objective_of_point_in_time_recovery(interpreter):
    with drilled(backed_up_world(interpreter, 7200)) as world:
        world.drill("dr-age", **{"from": "backup"})
    recovery = world.recovery("dr-age")
    loss = result(recovery, "objective.data_loss")
    assert (loss.verdict.outcome, loss.decides) == (Outcome.FAIL, False)
    assert recovery.measured.data_loss.total_seconds() >= 7200
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("dr-less", lambda copy: copy.pop("item 30")),
        ("dr-more", lambda copy: copy.update({"of no one": {"pk": {"S": "of no one"}}})),
    ],
)
def test_a_backup_that_lacks_an_item_or_has_one_too_many_fails_its_drill(interpreter, name, spoil):
    with drilled(backed_up_world(interpreter, 1800)) as world:
        world.contents.damage.append(lambda name, copy: spoil(copy) if "tokens" in name else None)
        world.drill(name, **{"from": "backup"})
    recovery = world.recovery(name)
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert result(recovery, "content.tokens").verdict.outcome is Outcome.FAIL
    assert result(recovery, "content.state").verdict.outcome is Outcome.PASS
    assert world.copies() == set()


def old_world(interpreter, days):
    """A world whose backups are some days old; clients wrote right before, meanwhile and after them."""
    world = DrillWorld(interpreter)
    for table in TABLES:
        world.contents.put(table, {"pk": {"S": "written meanwhile"}, "n": {"N": "1"}})
    world.clock.advance(30)
    at = world.clock.now()
    for table in TABLES:
        world.tables.back_up(table, "before-d-1")
        list(world.tables.backups.values())[-1]["BackupCreationDateTime"] = at
    world.clock.advance(30)
    for table in TABLES:
        world.contents.put(table, {"pk": {"S": "written meanwhile"}, "n": {"N": "2"}})
    world.clock.advance(days * 86_400)
    for table in TABLES:
        world.contents.put(table, {"pk": {"S": "item 7"}, "n": {"N": "-7"}})
    return world


def test_a_backup_that_no_stream_reaches_is_compared_with_exports_from_before_and_after_it(interpreter):
    with drilled(old_world(interpreter, 3)) as world:
        world.drill("dr-old", **{"from": "backup"})
    recovery = world.recovery("dr-old")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    figures = result(recovery, "content.tokens").figures
    assert (figures["source_at_point"], figures["at_the_boundary"], figures["fuzzy_seconds"]) == ("export", 1, 60)
    assert len(world.exports.requests) == 4
    assert not [key for key in world.s3.objects if key.startswith("dr-old/")]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("dr-old-less", lambda copy: copy.pop("item 7")),
        ("dr-old-other", lambda copy: copy.update({"item 7": {"pk": {"S": "item 7"}, "n": {"N": "-7"}}})),
        ("dr-old-more", lambda copy: copy.update({"of no one": {"pk": {"S": "of no one"}}})),
    ],
)
def test_a_difference_of_an_old_backup_is_found(interpreter, name, spoil):
    with drilled(old_world(interpreter, 3)) as world:
        world.contents.damage.append(lambda copy, items: spoil(items) if "tokens" in copy else None)
        world.drill(name, **{"from": "backup"})
    recovery = world.recovery(name)
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert result(recovery, "content.tokens").verdict.outcome is Outcome.FAIL
    assert result(recovery, "content.state").verdict.outcome is Outcome.PASS


def test_a_backup_from_before_point_in_time_recovery_has_no_evidence_which_is_said_and_never_passes(interpreter):
    with drilled(old_world(interpreter, 40)) as world:
        world.drill("dr-oldest-of-all", **{"from": "backup"})
    recovery = world.recovery("dr-oldest-of-all")
    content = result(recovery, "content.tokens")
    assert (content.verdict.outcome, content.decides) == (Outcome.INCONCLUSIVE, False)
    assert "no evidence of what it should hold is left" in content.verdict.reason
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED
    assert "informational and not passed" in recovery.reason
    assert "content.tokens" in recovery.reason
    assert result(recovery, "presence.tokens").verdict.outcome is Outcome.PASS
    assert world.exports.requests == {}


def test_a_backup_without_evidence_that_restores_too_little_fails_its_drill(interpreter):
    """Nothing shows what an old backup should hold; its size does show that it is not all there."""
    with drilled(old_world(interpreter, 40)) as world:
        world.contents.damage.append(lambda name, copy: copy.clear() if "state" in name else None)
        world.drill("dr-oldest-empty", **{"from": "backup"})
    recovery = world.recovery("dr-oldest-empty")
    presence = result(recovery, "presence.state")
    assert (presence.verdict.outcome, presence.decides) == (Outcome.FAIL, True)
    assert "its backup has 1000 bytes" in presence.verdict.reason
    assert recovery.outcome is RecoveryOutcome.FAILED


def test_a_large_backup_that_no_stream_reaches_is_not_compared_and_fails(interpreter):
    world = old_world(interpreter, 3)
    world.cloud.settings["RECOVERY_POLICY"] = json.dumps(recovery_table(whole_items=0))
    with drilled(world):
        world.drill("dr-old-large", **{"from": "backup"})
    recovery = world.recovery("dr-old-large")
    assert result(recovery, "content.tokens").verdict.outcome is Outcome.INCONCLUSIVE
    assert recovery.outcome is RecoveryOutcome.FAILED


def test_the_oldest_backups_are_restored_if_they_are_selected(interpreter):
    with drilled(backed_up_world(interpreter, 7200, 1800)) as world:
        world.drill("dr-oldest", **{"from": "backup", "select": "oldest"})
    recovery = world.recovery("dr-oldest")
    assert [table.backup_arn for table in recovery.tables] == list(world.tables.backups)[:2]


def test_backups_of_some_days_are_selected_and_without_one_it_is_refused(interpreter):
    with drilled(backed_up_world(interpreter, 4 * 86400, 90000, 1800)) as world:
        world.drill("dr-window", **{"from": "backup", "select": "oldest", "within_days": 2})
        world.drill("dr-window-empty", **{"from": "backup", "select": "oldest", "within_days": 1})
        world.clock.advance(3 * 86400)
        world.drill("dr-window-none", **{"from": "backup", "within_days": 1})
    now = world.recovery("dr-window").requested_at
    assert {(now - table.backup_at).days for table in world.recovery("dr-window").tables} == {1}
    assert {(now - table.backup_at).days for table in world.recovery("dr-window-empty").tables} == {0}
    assert world.cloud.drills.find_record("dr-window-none") is None


def test_a_drill_without_a_backup_is_refused_before_anything_is_created(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        ended = world.drill("dr-none", **{"from": "backup"})
    refusal = world.cloud.drills.read_refusal("dr-none")
    assert ended.phase == "FAILED"
    assert f"{STATE} has no backup of this kind" in refusal.why
    assert world.tables.restored == []


def vault_world(interpreter, *ages, took=timedelta(0), apart=timedelta(0), **description):
    """A world whose vault has a recovery point of each table, some seconds old each; `description` is of the tables."""
    world = DrillWorld(interpreter)
    for table in TABLES:
        world.tables.tables[table].description |= description
    for age in sorted(ages, reverse=True):
        at = world.clock.now() - timedelta(seconds=age)
        world.vault.back_up(STATE, at, took)
        world.vault.back_up(TOKENS, at + apart, took)
    return world


def validations(world):
    return [job.get("ValidationStatus") for job in world.vault.jobs.values()]


def test_a_drill_restores_the_recovery_points_of_the_vault_and_reports_what_it_found(interpreter):
    with drilled(vault_world(interpreter, 1800, 3000)) as world:
        world.drill("dr-vault", **{"from": "vault"})
    recovery = world.recovery("dr-vault")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert [table.backup_arn for table in recovery.tables] == list(world.vault.points)[-2:]
    assert [table.restore_job for table in recovery.tables] == list(world.vault.jobs)
    assert {result(recovery, f"content.{role}").verdict.outcome for role in ("state", "tokens")} == {Outcome.PASS}
    assert validations(world) == ["SUCCESSFUL", "SUCCESSFUL"]
    assert world.vault.jobs["job-0"]["metadata"]["encryptionType"] == "Default"
    assert world.copies() == set()
    scope = report(world, "dr-vault")["scope"]
    assert (scope["backup_kind"], scope["selection"]) == ("vault", "latest")
    assert [table["restore_job"] for table in scope["tables"]] == list(world.vault.jobs)


def test_tables_of_the_vault_that_come_with_provisioned_units_are_compared_as_those_of_any_drill(interpreter):
    """AWS Backup restores the units of the backup's time, without scaling."""
    units = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 20}
    billing = {"BillingModeSummary": {"BillingMode": "PROVISIONED"}, "ProvisionedThroughput": units}
    with drilled(vault_world(interpreter, 1800, **billing)) as world:
        world.drill("dr-vault-units", **{"from": "vault"})
    recovery = world.recovery("dr-vault-units")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert result(recovery, "settings.tokens.billing").figures["found"] == {"mode": "PAY_PER_REQUEST"}


def test_a_damaged_recovery_point_fails_its_drill_which_is_reported(interpreter):
    with drilled(vault_world(interpreter, 1800)) as world:
        world.contents.damage.append(lambda name, copy: copy.pop("item 30") if "tokens" in name else None)
        world.drill("dr-vault-damaged", **{"from": "vault"})
    assert world.recovery("dr-vault-damaged").outcome is RecoveryOutcome.FAILED
    assert validations(world) == ["FAILED", "FAILED"]
    assert "content.tokens" in world.vault.jobs["job-0"]["ValidationStatusMessage"]
    assert world.copies() == set()


def test_the_content_of_a_backup_is_as_exact_as_its_job_was_short(interpreter):
    with drilled(vault_world(interpreter, 1800, took=timedelta(minutes=5), apart=timedelta(minutes=9))) as world:
        world.drill("dr-vault-slow", **{"from": "vault"})
    recovery = world.recovery("dr-vault-slow")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert result(recovery, "content.tokens").figures["fuzzy_seconds"] == 300
    assert result(recovery, "restore.times").figures["apart_seconds"] == 540


def test_a_restore_job_that_fails_fails_the_drill_with_its_reason(interpreter):
    with drilled(vault_world(interpreter, 1800)) as world:
        world.vault.fails = "the key of the vault is disabled"
        world.drill("dr-vault-fails", **{"from": "vault"})
    recovery = world.recovery("dr-vault-fails")
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert "the key of the vault is disabled" in recovery.reason
    assert recovery.cleaned_at is not None


def test_a_recovery_point_that_cannot_be_restored_is_named(interpreter):
    with drilled(vault_world(interpreter, 1800)) as world:
        world.vault.rejects["start_restore_job"] = "InvalidRequestException"
        world.drill("dr-vault-rejected", **{"from": "vault"})
    recovery = world.recovery("dr-vault-rejected")
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert "AWS Backup cannot restore it" in recovery.reason
    assert world.vault.jobs == {}


def test_a_report_that_aws_backup_rejects_does_not_change_the_drill(interpreter):
    with drilled(vault_world(interpreter, 1800)) as world:
        world.vault.rejects["put_restore_validation_result"] = "InvalidRequestException"
        world.drill("dr-vault-unreported", **{"from": "vault"})
    assert world.recovery("dr-vault-unreported").outcome is RecoveryOutcome.SUCCEEDED
    assert world.cloud.evidence.find_entry("dr-vault-unreported") is not None


def test_a_table_of_the_target_s_name_that_no_job_of_the_drill_created_is_left(interpreter):
    with drilled(vault_world(interpreter, 1800)) as world:
        foreign = "ib-oauth-drill-dr-vault-foreign-state-test"
        world.tables.add(foreign)
        world.drill("dr-vault-foreign", **{"from": "vault"})
    recovery = world.recovery("dr-vault-foreign")
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert world.copies() == {foreign}
    assert foreign in result(recovery, "cleanup").verdict.reason


def metrics(world, name):
    """The values of a metric by its dimension `kind`, in their order."""
    return [(line.get("kind", ""), line[name]) for line in world.measured if name in line]


def test_a_drill_of_backups_has_measurements_of_its_own_so_that_the_age_of_a_backup_is_no_missed_objective(interpreter):
    with drilled(vault_world(interpreter, 1800)) as world:
        world.drill("dr-vault-measured", **{"from": "vault"})
        assert world.cloud.evidence.find_entry("dr-vault-measured").kind == "drill-vault"
        assert world.cloud.evidence.newest_success("drill") is None
        world.clock.advance(60)
        world.deliver_event("reconcile", {"id": "tick"})
        assert world.cloud.evidence.verify_chain() == ()
    assert metrics(world, "DrillSucceeded") == [("drill-vault", 1)]
    ((kind, loss),) = metrics(world, "DataLossSeconds")
    assert (kind, loss >= 1800) == ("drill-vault", True)
    ((kind, age),) = metrics(world, "SecondsSinceSuccessfulDrill")
    assert (kind, 60 <= age < 90) == ("drill-vault", True)


def test_the_age_of_another_kind_of_drill_never_stands_for_that_of_point_in_time_recovery(interpreter):
    """Alarms read an age by environment and kind: under its dimensions alone, each kind has an age of its own."""
    with drilled(vault_world(interpreter, 1800)) as world:
        world.drill("dr-overdue-pitr")
        world.clock.advance(90_000)
        world.drill("dr-overdue-vault", **{"from": "vault"})
        world.clock.advance(60)
        before = len(world.measured)
        world.deliver_event("reconcile", {"id": "tick"})
    ages = {}
    for line in world.measured[before:]:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                if "SecondsSinceSuccessfulDrill" in line and dimensions == ["environment", "kind"]:
                    ages.setdefault(line["kind"], []).append(line["SecondsSinceSuccessfulDrill"])
    assert ages.keys() == {"drill", "drill-vault"}
    assert [len(values) for values in ages.values()] == [1, 1]
    assert ages["drill"][0] > 90_000
    assert ages["drill-vault"][0] < 3600


def copied_world(interpreter, age):
    """A world whose vault in the other region has a copy of a recovery point of each table, some seconds old."""
    world = DrillWorld(interpreter)
    at = world.clock.now() - timedelta(seconds=age)
    for table in TABLES:
        world.vault.copy_away(world.vault.back_up(table, at))
    return world


def test_a_drill_restores_the_copies_of_the_other_region_from_what_is_copied_back_of_them(interpreter):
    with drilled(copied_world(interpreter, 1800)) as world:
        world.drill("dr-copy", **{"from": "copy"})
    recovery = world.recovery("dr-copy")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert {table.backup_arn.split(":")[3] for table in recovery.tables} == {"us-east-2"}
    assert [job["RecoveryPointArn"] for job in world.vault.jobs.values()] == [one.copied_arn for one in recovery.tables]
    assert {world.vault.points[one.copied_arn]["BackupVaultName"] for one in recovery.tables} == {
        "ib-oauth-backups-of-drills-test"
    }
    content = result(recovery, "content.tokens")
    assert content.verdict.outcome is Outcome.PASS
    assert content.figures["fuzzy_seconds"] == 60, "as exact as its original, not as the job that copied it"
    assert validations(world) == ["SUCCESSFUL", "SUCCESSFUL"]
    assert world.copies() == set()
    cleanup = result(recovery, "cleanup")
    assert cleanup.verdict.outcome is Outcome.PASS
    assert cleanup.figures["expiring"] == sorted(one.copied_arn for one in recovery.tables)
    scope = report(world, "dr-copy")["scope"]
    assert [table["copied_arn"] for table in scope["tables"]] == [one.copied_arn for one in recovery.tables]


def test_what_is_copied_back_is_kept_for_a_day_or_two_however_old_the_copy_is(interpreter):
    with drilled(copied_world(interpreter, 40 * 86_400 + 60)) as world:
        world.drill("dr-copy-old", **{"from": "copy"})
    assert [job["days"] for job in world.vault.copy_jobs.values()] == [42, 42]


def test_a_copy_job_that_fails_fails_the_drill_with_its_reason(interpreter):
    with drilled(copied_world(interpreter, 1800)) as world:
        world.vault.copy_fails = "the key of the copies is disabled"
        world.drill("dr-copy-fails", **{"from": "copy"})
    recovery = world.recovery("dr-copy-fails")
    assert recovery.outcome is RecoveryOutcome.FAILED
    assert "the key of the copies is disabled" in recovery.reason
    assert recovery.cleaned_at is not None
    assert world.vault.jobs == {}


def test_a_copy_that_cannot_be_copied_back_is_named(interpreter):
    with drilled(copied_world(interpreter, 1800)) as world:
        world.vault.rejects["start_copy_job"] = "InvalidRequestException"
        world.drill("dr-copy-rejected", **{"from": "copy"})
    assert "AWS Backup cannot copy it" in world.recovery("dr-copy-rejected").reason


def test_an_environment_that_copies_no_backups_refuses_a_drill_of_copies(interpreter):
    world = copied_world(interpreter, 1800)
    world.cloud.settings["COPY_REGION"] = ""
    with drilled(world):
        world.drill("dr-copy-none", **{"from": "copy"})
    assert "set backups.copy_region" in world.cloud.drills.read_refusal("dr-copy-none").why


@pytest.mark.parametrize(
    ("name", "state"),
    [("dr-killed-1", "StartRestore"), ("dr-killed-2", "AwaitRestore"), ("dr-killed-3", "CompareContents")],
)
def test_a_drill_that_dies_leaves_no_table_even_if_its_job_has_not_created_it_yet(interpreter, name, state):
    world = vault_world(interpreter, 1800)

    def bridge(invocation, run):
        answer = run()
        if invocation.state == state:
            world.stop(name)
            return raised("States.Timeout", "killed")
        return answer

    world.bridge = bridge
    with drilled(world):
        with suppress(Exception):
            world.drill(name, **{"from": "vault"})
        for _ in range(60):
            world.clock.advance(300)
            world.sweep()
    assert world.copies() == set()
    assert len(world.vault.jobs) == 2
