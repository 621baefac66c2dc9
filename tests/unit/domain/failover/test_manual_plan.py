"""What is done when a region is lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.manual_plan import (
    CrossRegionBackup,
    FailoverInputs,
    Prerequisite,
    RegionProbe,
    StepKind,
    plan_failover,
)
from orchestrator.domain.recovery.record import Role

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOME, OTHER = "us-west-1", "us-east-2"


def backup(role: Role, age: timedelta, number: int = 1) -> CrossRegionBackup:
    return CrossRegionBackup(role, f"arn:aws:dynamodb:{OTHER}:1:table/copy/backup/{role}-{number}", NOW - age)


FACTS = FailoverInputs(
    environment="prod",
    home=HOME,
    region=OTHER,
    account="123456789012",
    copy_region=None,
    domain="login.example.com",
    probes=(RegionProbe("dynamodb", ""), RegionProbe("lambda", "")),
    backups=(backup(Role.STATE, timedelta(hours=1)), backup(Role.TOKENS, timedelta(hours=2))),
    now=NOW,
)


@pytest.mark.strategy("Recovery Procedures: Resource recreation")
def test_the_steps_are_in_the_one_order():
    assert [step.kind for step in plan_failover(FACTS).steps] == list(StepKind)


def test_what_is_lost_is_as_old_as_the_oldest_copy():
    assert plan_failover(FACTS).data_loss == timedelta(hours=2)


def test_the_newest_copy_is_taken_and_none_of_later_than_now():
    newer = backup(Role.TOKENS, timedelta(minutes=5), 2)
    later = backup(Role.TOKENS, timedelta(minutes=-5), 3)
    made = plan_failover(replace(FACTS, backups=(*FACTS.backups, newer, later)))
    assert [table.backup.arn for table in made.tables] == [FACTS.backups[0].arn, newer.arn]


ORIGINAL, RESTORED = "ib-oauth-tokens-prod", "ib-oauth-restored-dr-1-tokens-prod"


def test_current_copies_of_two_tables_of_a_role_are_refused_by_their_names():
    """After a cutover, the original is still backed up, and its copy may be the newest."""
    both = tuple(
        replace(backup(Role.TOKENS, timedelta(hours=age)), table=table) for age, table in ((1, ORIGINAL), (2, RESTORED))
    )
    with pytest.raises(Refused, match=f"copies of {RESTORED} and of {ORIGINAL}.*service.tables.tokens"):
        plan_failover(replace(FACTS, backups=(FACTS.backups[0], *both)))


def test_without_a_copy_of_the_table_in_use_the_copies_of_its_originals_are_named_with_the_way_to_use_them():
    """Right after a restore, only the original tables have copies."""
    others = (
        replace(backup(Role.TOKENS, timedelta(hours=30), 1), table=ORIGINAL),
        replace(backup(Role.TOKENS, timedelta(hours=6), 2), table=ORIGINAL),
        replace(backup(Role.TOKENS, timedelta(hours=-1), 3), table=ORIGINAL),
        replace(backup(Role.TOKENS, timedelta(days=9), 4), table=RESTORED),
        replace(backup(Role.STATE, timedelta(hours=1), 5), table="ib-oauth-state-prod"),
    )
    with pytest.raises(Refused) as refused:
        plan_failover(replace(FACTS, backups=FACTS.backups[:1], others=others))
    assert (refused.value.field, refused.value.value) == ("backups.tokens", f"none in {OTHER}")
    at = (NOW - timedelta(hours=6)).isoformat(timespec="seconds")
    assert f"others have: {ORIGINAL} as of {at}, {RESTORED} as of " in refused.value.remedy
    assert (
        f'set service.tables.tokens = "{ORIGINAL}" in environments.toml, deploy the stacks in ' in refused.value.remedy
    )
    assert "copy backups there in advance" not in refused.value.remedy


@pytest.mark.parametrize("age", [timedelta(hours=27), timedelta(hours=-1)])
def test_a_copy_that_is_not_current_competes_with_none(age):
    old, new = backup(Role.TOKENS, age, 1), backup(Role.TOKENS, timedelta(hours=1), 2)
    backups = (FACTS.backups[0], replace(old, table=ORIGINAL), replace(new, table=RESTORED))
    made = plan_failover(replace(FACTS, backups=backups))
    assert made.tables[1].backup.table == RESTORED


def test_the_settings_name_the_region_and_the_restored_tables():
    made = plan_failover(FACTS)
    assert [(one.table, one.key, one.value) for one in made.settings] == [
        ("prod", "region", OTHER),
        ("prod", "lost_region", HOME),
        ("prod.service.tables", "state", "ib-oauth-restored-failover-202611240300-state-prod"),
        ("prod.service.tables", "tokens", "ib-oauth-restored-failover-202611240300-tokens-prod"),
    ]


@pytest.mark.parametrize("copy_region", [None, OTHER, "eu-west-1"])
def test_no_setting_copies_backups_to_the_lost_region(copy_region):
    settings = plan_failover(replace(FACTS, copy_region=copy_region)).settings
    assert [one.key for one in settings if one.value == HOME] == ["lost_region"]


def test_it_says_that_backups_are_no_longer_copied():
    def why(copy_region):
        steps = plan_failover(replace(FACTS, copy_region=copy_region)).steps
        return next(step.why for step in steps if step.kind is StepKind.UPDATE_SETTINGS)

    assert "until prod.backups.copy_region names a third region" in why(OTHER)
    assert "copied" not in why("eu-west-1")


def test_no_command_but_the_confirmation_asks_the_lost_region():
    for step in plan_failover(FACTS).steps:
        assert step.commands
        for command in step.commands:
            assert (HOME in command) == (step.kind is StepKind.CONFIRM), command


def test_it_says_which_steps_need_what_was_prepared():
    needs = {step.kind: step.needs for step in plan_failover(FACTS).steps if step.needs}
    assert needs == {
        StepKind.RESTORE: (Prerequisite.COPIED_BACKUPS,),
        StepKind.UPDATE_SETTINGS: (Prerequisite.REPOSITORY,),
        StepKind.DEPLOY: (Prerequisite.REPOSITORY,),
        StepKind.UPDATE_DNS: (Prerequisite.OWN_DOMAIN,),
    }


def test_a_recovery_point_of_aws_backup_is_restored_by_aws_backup():
    point = CrossRegionBackup(Role.STATE, f"arn:aws:backup:{OTHER}:1:recovery-point:x", NOW)
    commands = next(
        step
        for step in plan_failover(replace(FACTS, backups=(point, FACTS.backups[1]))).steps
        if step.kind is StepKind.RESTORE
    )
    assert commands.commands[0].startswith(
        f"aws backup start-restore-job --region {OTHER} --recovery-point-arn {point.arn}"
    )
    assert commands.commands[0].endswith(
        "--metadata targetTableName=ib-oauth-restored-failover-202611240300-state-prod,encryptionType=Default"
    )
    assert "restore-table-from-backup" in commands.commands[5]


def test_the_wait_for_a_restore_lasts_until_the_table_is_there():
    (restore,) = [step for step in plan_failover(FACTS).steps if step.kind is StepKind.RESTORE]
    waits = [command for command in restore.commands if "wait table-exists" in command]
    assert len(waits) == len(Role)
    assert all(command.startswith("until ") and command.endswith("; done") for command in waits)


def test_the_deployment_brings_the_environment_s_checklist():
    def deployment(checklist):
        steps = plan_failover(replace(FACTS, checklist=checklist)).steps
        return next(step.commands[0] for step in steps if step.kind is StepKind.VERIFY)

    assert deployment(()) == "orchestrator deploy --watch --env prod"
    assert deployment(("tests", "rollback_plan")) == (
        "orchestrator deploy --watch --env prod --checklist tests=$RUN --checklist rollback_plan=$RUN"
    )


def test_a_loss_can_be_assumed_and_is_then_reported_as_such():
    assert (
        plan_failover(replace(FACTS, probes=(), assumed=True)).steps[0].why.startswith("assumed: no service was called")
    )
    assert plan_failover(FACTS).steps[0].why.startswith("2 services were called and none responded")


def test_without_a_domain_clients_have_to_be_notified():
    repoint = next(
        step
        for step in plan_failover(replace(FACTS, domain=None, account=None)).steps
        if step.kind is StepKind.UPDATE_DNS
    )
    assert "the API has another address" in repoint.why


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"region": HOME}, "--to"),
        ({"probes": ()}, "home"),
        ({"probes": (RegionProbe("dynamodb", ""), RegionProbe("lambda", "3 functions"))}, "home"),
        ({"backups": FACTS.backups[:1]}, "backups.tokens"),
        ({"backups": (FACTS.backups[1], backup(Role.STATE, timedelta(minutes=-1)))}, "backups.state"),
    ],
)
def test_it_is_refused_by_name_where_it_could_not_be_done(changed, field):
    with pytest.raises(Refused) as refused:
        plan_failover(replace(FACTS, **changed))
    assert refused.value.field == field
