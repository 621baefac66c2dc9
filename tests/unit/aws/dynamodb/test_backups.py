"""What another region has of the tables."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.aws.dynamodb.backups import CrossRegionBackups, backup_name_as_of
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.region_failover import CrossRegionBackup

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
    backups: list[dict], points: dict[str, list[dict]] | None = None, standby: str = ""
) -> tuple[CrossRegionBackup, ...]:
    points = points or {}
    clients = {
        "dynamodb": Pages(list_backups=[{"BackupSummaries": backups[:1]}, {"BackupSummaries": backups[1:]}]),
        "backup": Pages(
            list_backup_vaults=[{"BackupVaultList": [{"BackupVaultName": name} for name in points]}],
            list_recovery_points_by_backup_vault=lambda params: [{"RecoveryPoints": points[params["BackupVaultName"]]}],
        ),
    }
    return CrossRegionBackups(clients.__getitem__, "prod", standby=standby).list_backups()


def test_backups_of_the_environment_s_tables_and_of_what_is_named_after_them_are_copies():
    found = copies(
        [
            backup("ib-oauth-state-prod"),
            backup("ib-oauth-tokens-prod-copy"),
            backup("ib-oauth-tokens-production"),
            backup("ib-oauth-keys-prod"),
            backup("ib-oauth-state-dev"),
        ]
    )
    assert [copy.role for copy in found] == [Role.STATE, Role.TOKENS]
    assert {copy.as_of for copy in found} == {NOW}


def test_a_backup_that_says_of_which_moment_it_is_is_of_that_moment():
    before = NOW - timedelta(hours=2)
    (found,) = copies([backup("ib-oauth-state-prod", backup_name_as_of(before))])
    assert found.as_of == before


@pytest.mark.parametrize("phase", ["CREATING", "DELETED"])
def test_a_backup_that_is_not_whole_is_no_copy(phase):
    assert copies([backup("ib-oauth-state-prod", phase=phase)]) == ()


def test_recovery_points_of_every_vault_are_copies_where_they_are_complete():
    def point(table: str, status: str = "COMPLETED") -> dict:
        arn = f"arn:aws:backup:us-east-2:1:recovery-point:{table}"
        source = f"arn:aws:dynamodb:us-west-1:1:table/{table}"
        return {"RecoveryPointArn": arn, "ResourceArn": source, "CreationDate": NOW, "Status": status}

    vaults = {
        "one": [point("ib-oauth-state-prod"), point("ib-oauth-tokens-prod", "PARTIAL")],
        "other": [point("ib-oauth-tokens-prod"), point("somebody-elses")],
    }
    found = copies([], vaults)
    assert [(copy.role, copy.arn.split(":")[2]) for copy in found] == [(Role.STATE, "backup"), (Role.TOKENS, "backup")]


def test_in_a_standby_region_the_backups_of_its_own_empty_tables_are_no_copies():
    """Each release of a standby region backs its own tables up, later than the newest copy from the home region."""

    def point(region: str) -> dict:
        source = f"arn:aws:dynamodb:{region}:1:table/ib-oauth-tokens-prod"
        arn = f"arn:aws:backup:us-east-2:1:recovery-point:of-{region}"
        return {"RecoveryPointArn": arn, "ResourceArn": source, "CreationDate": NOW, "Status": "COMPLETED"}

    own, copied = backup("ib-oauth-state-prod"), backup("ib-oauth-state-prod-copy")
    points = {"backups": [point("us-east-2")], "backup-copies": [point("us-west-1")]}
    found = copies([own, copied], points, standby="us-east-2")
    assert [copy.arn.rpartition(":")[2] for copy in found] == [
        "table/ib-oauth-state-prod-copy/backup/1",
        "of-us-west-1",
    ]
