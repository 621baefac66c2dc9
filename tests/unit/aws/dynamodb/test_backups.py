"""What another region has of the tables."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.aws.dynamodb.backups import CrossRegionBackups, backup_name_as_of
from orchestrator.domain.failover.manual_plan import CrossRegionBackup
from orchestrator.domain.recovery.record import Role

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Pages:
    """A client whose paginators give these pages."""

    def __init__(self, **pages):
        self._pages = pages

    def get_paginator(self, operation: str):
        pages = self._pages[operation]

        class Paginator:
            def paginate(self, **params):
                return pages(params) if callable(pages) else pages

        return Paginator()


def backup(table: str, name: str = "daily", phase: str = "AVAILABLE", number: int = 1) -> dict:
    return {
        "TableName": table,
        "BackupName": name,
        "BackupArn": f"arn:aws:dynamodb:us-east-2:1:table/{table}/backup/{number}",
        "BackupStatus": phase,
        "BackupCreationDateTime": NOW,
    }


def copies(
    backups: list[dict],
    points: dict[str, list[dict]] | None = None,
    standby: str = "",
    in_use: dict[Role, str] | None = None,
    *,
    others: bool = False,
) -> tuple[CrossRegionBackup, ...]:
    points = points or {}
    clients = {
        "dynamodb": Pages(list_backups=[{"BackupSummaries": backups[:1]}, {"BackupSummaries": backups[1:]}]),
        "backup": Pages(
            list_backup_vaults=[{"BackupVaultList": [{"BackupVaultName": name} for name in points]}],
            list_recovery_points_by_backup_vault=lambda params: [{"RecoveryPoints": points[params["BackupVaultName"]]}],
        ),
    }
    found = CrossRegionBackups(clients.__getitem__, "prod", standby=standby, in_use=in_use)
    return found.list_with_others()[1] if others else found.list_backups()


OF_ANOTHER_ENVIRONMENT = (
    "ib-oauth-tokens-prod-eu",
    "ib-oauth-tokens-production",
    "ib-oauth-state-dev",
    "ib-oauth-tokens-prod-eu-copy",
    "ib-oauth-restored-dr-1-tokens-prod-eu",
)


def point(table: str, status: str = "COMPLETED", region: str = "us-west-1") -> dict:
    arn = f"arn:aws:backup:us-east-2:1:recovery-point:{table}"
    source = f"arn:aws:dynamodb:{region}:1:table/{table}"
    return {"RecoveryPointArn": arn, "ResourceArn": source, "CreationDate": NOW, "Status": status}


def test_backups_of_the_environment_s_tables_and_of_those_that_restores_made_are_copies():
    found = copies(
        [backup("ib-oauth-state-prod"), backup("ib-oauth-restored-dr-1-tokens-prod"), backup("ib-oauth-keys-prod")]
    )
    assert [(copy.role, copy.table) for copy in found] == [
        (Role.STATE, "ib-oauth-state-prod"),
        (Role.TOKENS, "ib-oauth-restored-dr-1-tokens-prod"),
    ]
    assert {copy.as_of for copy in found} == {NOW}


@pytest.mark.parametrize("table", OF_ANOTHER_ENVIRONMENT)
def test_a_copy_of_an_environment_whose_name_begins_alike_is_never_taken(table):
    assert copies([], {"v": [point(table)]}) == ()
    assert copies([backup(table), backup(table, backup_name_as_of(NOW))]) == ()


def test_what_a_rehearsal_has_copied_stands_for_the_table_of_the_other_region():
    table = "ib-oauth-tokens-prod-copy"
    (found,) = copies([backup(table, backup_name_as_of(NOW)), backup(table)])
    assert (found.role, found.table) == (Role.TOKENS, "ib-oauth-tokens-prod")


def test_of_a_role_whose_restored_table_the_settings_name_only_that_table_s_copies_are_taken():
    used, other = "ib-oauth-restored-dr-2-tokens-prod", "ib-oauth-restored-dr-1-tokens-prod"
    tables = ("ib-oauth-tokens-prod", other, used, "ib-oauth-state-prod")
    found = copies(
        [], {"v": [point(table) for table in tables]}, in_use={Role.STATE: "ib-oauth-state-prod", Role.TOKENS: used}
    )
    assert [copy.table for copy in found] == [used, "ib-oauth-state-prod"]


def test_of_a_role_whose_restored_table_the_settings_name_the_copies_of_others_are_listed_apart():
    used, other = "ib-oauth-restored-dr-2-tokens-prod", "ib-oauth-restored-dr-1-tokens-prod"
    tables = ("ib-oauth-tokens-prod", other, used, "ib-oauth-state-prod", *OF_ANOTHER_ENVIRONMENT)
    points = {"v": [point(table) for table in tables]}
    found = copies([], points, in_use={Role.STATE: "ib-oauth-state-prod", Role.TOKENS: used}, others=True)
    assert [(copy.role, copy.table) for copy in found] == [
        (Role.TOKENS, "ib-oauth-tokens-prod"),
        (Role.TOKENS, other),
    ]


def test_a_backup_that_says_of_which_moment_it_is_is_of_that_moment():
    before = NOW - timedelta(hours=2)
    (found,) = copies([backup("ib-oauth-state-prod", backup_name_as_of(before))])
    assert found.as_of == before


@pytest.mark.parametrize("phase", ["CREATING", "DELETED"])
def test_a_backup_that_is_not_whole_is_no_copy(phase):
    assert copies([backup("ib-oauth-state-prod", phase=phase)]) == ()


def test_recovery_points_of_every_vault_are_copies_where_they_are_complete():
    vaults = {
        "one": [point("ib-oauth-state-prod"), point("ib-oauth-tokens-prod", "PARTIAL")],
        "other": [point("ib-oauth-tokens-prod"), point("somebody-elses")],
    }
    found = copies([], vaults)
    assert [(copy.role, copy.arn.split(":")[2]) for copy in found] == [(Role.STATE, "backup"), (Role.TOKENS, "backup")]


def test_in_a_standby_region_the_backups_of_its_own_empty_tables_are_no_copies():
    """Each release of a standby region backs its own tables up, later than the newest copy from the home region."""

    def of_region(region: str) -> dict:
        source = f"arn:aws:dynamodb:{region}:1:table/ib-oauth-tokens-prod"
        arn = f"arn:aws:backup:us-east-2:1:recovery-point:of-{region}"
        return {"RecoveryPointArn": arn, "ResourceArn": source, "CreationDate": NOW, "Status": "COMPLETED"}

    own = [backup("ib-oauth-state-prod"), backup("ib-oauth-restored-failover-202611240300-state-prod")]
    copied = backup("ib-oauth-state-prod-copy", backup_name_as_of(NOW))
    points = {"backups": [of_region("us-east-2")], "backup-copies": [of_region("us-west-1")]}
    found = copies([*own, copied], points, standby="us-east-2")
    assert [copy.arn.rpartition(":")[2] for copy in found] == [
        "table/ib-oauth-state-prod-copy/backup/1",
        "of-us-west-1",
    ]
