"""What is done when a region is lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Role
from orchestrator.domain.region_loss import Copy, Deed, Facts, Looked, Need, plan

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOME, OTHER = "us-west-1", "us-east-2"


def backup(role: Role, age: timedelta, number: int = 1) -> Copy:
    return Copy(role, f"arn:aws:dynamodb:{OTHER}:1:table/copy/backup/{role}-{number}", NOW - age)


FACTS = Facts(
    environment="prod",
    home=HOME,
    region=OTHER,
    account="123456789012",
    copies_to=None,
    domain="login.example.com",
    looked=(Looked("dynamodb", ""), Looked("lambda", "")),
    copies=(backup(Role.STATE, timedelta(hours=1)), backup(Role.TOKENS, timedelta(hours=2))),
    now=NOW,
)


def test_the_steps_are_in_the_one_order():
    assert [step.deed for step in plan(FACTS).steps] == list(Deed)


def test_what_is_lost_is_as_old_as_the_oldest_copy():
    assert plan(FACTS).data_loss == timedelta(hours=2)


def test_the_newest_copy_is_taken_and_none_of_later_than_now():
    newer = backup(Role.TOKENS, timedelta(minutes=5), 2)
    later = backup(Role.TOKENS, timedelta(minutes=-5), 3)
    made = plan(replace(FACTS, copies=(*FACTS.copies, newer, later)))
    assert [table.copy.arn for table in made.tables] == [FACTS.copies[0].arn, newer.arn]


def test_the_settings_name_the_region_and_the_restored_tables():
    made = plan(FACTS)
    assert [(one.table, one.key, one.value) for one in made.settings] == [
        ("prod", "region", OTHER),
        ("prod", "lost_region", HOME),
        ("prod.service.tables", "state", "ib-oauth-state-prod-202611240300"),
        ("prod.service.tables", "tokens", "ib-oauth-tokens-prod-202611240300"),
    ]


def test_backups_that_were_copied_there_are_copied_back():
    settings = plan(replace(FACTS, copies_to=OTHER)).settings
    assert ("prod.backups", "copy_region", HOME) in [(one.table, one.key, one.value) for one in settings]
    assert not [one for one in plan(replace(FACTS, copies_to="eu-west-1")).settings if one.key == "copy_region"]


def test_no_command_but_the_confirmation_asks_the_lost_region():
    for step in plan(FACTS).steps:
        assert step.commands
        for command in step.commands:
            assert (HOME in command) == (step.deed is Deed.CONFIRM), command


def test_it_says_which_steps_need_what_was_prepared():
    needs = {step.deed: step.needs for step in plan(FACTS).steps if step.needs}
    assert needs == {
        Deed.RESTORE: (Need.COPIED_BACKUPS,),
        Deed.SETTLE: (Need.REPOSITORY,),
        Deed.DEPLOY: (Need.REPOSITORY,),
        Deed.REPOINT: (Need.OWN_DOMAIN,),
    }


def test_a_recovery_point_of_aws_backup_is_restored_by_aws_backup():
    point = Copy(Role.STATE, f"arn:aws:backup:{OTHER}:1:recovery-point:x", NOW)
    commands = next(
        step for step in plan(replace(FACTS, copies=(point, FACTS.copies[1]))).steps if step.deed is Deed.RESTORE
    )
    assert commands.commands[0].startswith(
        f"aws backup start-restore-job --region {OTHER} --recovery-point-arn {point.arn}"
    )
    assert "restore-table-from-backup" in commands.commands[5]


def test_a_loss_can_be_assumed_and_is_then_told_so():
    assert plan(replace(FACTS, looked=(), assumed=True)).steps[0].why.startswith("assumed: nobody was asked")
    assert plan(FACTS).steps[0].why.startswith("2 services were asked and none answered")


def test_without_a_domain_clients_have_to_be_told():
    repoint = next(step for step in plan(replace(FACTS, domain=None, account=None)).steps if step.deed is Deed.REPOINT)
    assert "address of the API is another one" in repoint.why


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"region": HOME}, "--to"),
        ({"looked": ()}, "home"),
        ({"looked": (Looked("dynamodb", ""), Looked("lambda", "3 functions"))}, "home"),
        ({"copies": FACTS.copies[:1]}, "copies.tokens"),
        ({"copies": (FACTS.copies[1], backup(Role.STATE, timedelta(minutes=-1)))}, "copies.state"),
    ],
)
def test_it_is_refused_by_name_where_it_could_not_be_done(changed, field):
    with pytest.raises(Refused) as refused:
        plan(replace(FACTS, **changed))
    assert refused.value.field == field
