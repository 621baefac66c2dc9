"""Drills of the vault's recovery points and of their copies in the other region, with Lambda roles held to their policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import environments
from orchestrator.domain.recovery.record import RecoveryOutcome, Role
from orchestrator.domain.verdict import Outcome
from orchestrator.local.cloud import ACCOUNT
from orchestrator.local.deployed_environment import ENVIRONMENT, client_factory, local_environment
from orchestrator.local.traffic_generator import Traffic
from tests.e2e.drills import tables_of_drills, verdicts

pytestmark = pytest.mark.timeout(900)
HOME, OTHER = "us-west-1", "us-east-2"
VAULT, COPIES = f"ib-oauth-backups-{ENVIRONMENT}", f"ib-oauth-backup-copies-{ENVIRONMENT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ib-oauth-backups-{ENVIRONMENT}"


def settings_with_copies(folder: Path) -> Path:
    """The project's settings, with a region that backups are copied to."""
    document = environments.settings_file().read_text(encoding="utf-8")
    mark = f"[{ENVIRONMENT}.evidence]"
    assert document.count(mark) == 1
    file = folder / "environments.toml"
    file.write_text(
        document.replace(mark, f'[{ENVIRONMENT}.backups]\ncopy_region = "{OTHER}"\n{mark}'), encoding="utf-8"
    )
    return file


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    file = settings_with_copies(tmp_path_factory.mktemp("settings"))
    with local_environment(tmp_path_factory.mktemp("local"), seed=5, settings=file, backups=True) as here:
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=2, seed=5):
            yield here


@pytest.fixture(scope="module")
def recovery_points(here):
    """A recovery point of each table in the vault, made once clients have written to it: a drill fails if nothing is back."""
    backup, tables = here.cloud.clients("backup"), [f"ib-oauth-{role}-{ENVIRONMENT}" for role in Role]
    scan = here.cloud.clients("dynamodb").scan
    here.wait_until(
        lambda: all(scan(TableName=table, Limit=1)["Items"] for table in tables) or None, 60, "the first items"
    )
    jobs = [
        backup.start_backup_job(
            BackupVaultName=VAULT,
            ResourceArn=f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/{table}",
            IamRoleArn=ROLE,
            RecoveryPointTags={"environment": ENVIRONMENT},
        )["BackupJobId"]
        for table in tables
    ]

    def made():
        found = [backup.describe_backup_job(BackupJobId=job) for job in jobs]
        return [one["RecoveryPointArn"] for one in found] if {one["State"] for one in found} == {"COMPLETED"} else None

    return here.wait_until(made, 60, "the backup jobs")


def validations(here) -> list:
    """What is known of the result of each restore job, newest last."""
    return [job.get("ValidationStatus") for job in here.cloud.clients("backup").list_restore_jobs()["RestoreJobs"]]


def drilled(here, name: str, kind: str, seconds: float):
    here.start_drill(name, **{"from": kind})
    recovery = here.wait_for_drill(name, seconds)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert verdicts(recovery)["content.tokens"].outcome in {Outcome.PASS, Outcome.INCONCLUSIVE}
    assert tables_of_drills(here) == []
    return recovery


@pytest.mark.repeated
def test_a_drill_of_the_vault_restores_its_recovery_points_and_reports_to_their_jobs(here, recovery_points):
    recovery = drilled(here, "dr-vault", "vault", 400)
    assert {table.backup_arn for table in recovery.tables} == set(recovery_points)
    assert validations(here)[-2:] == ["SUCCESSFUL", "SUCCESSFUL"]


def test_a_drill_of_copies_restores_what_is_copied_back_of_them(here, recovery_points):
    backup = here.cloud.clients("backup")
    there = client_factory(here.local.environ_for_region(OTHER), backup.meta.config)("backup")
    destination = there.describe_backup_vault(BackupVaultName=COPIES)["BackupVaultArn"]
    jobs = [
        backup.start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName=VAULT,
            DestinationBackupVaultArn=destination,
            IamRoleArn=ROLE,
            Lifecycle={"DeleteAfterDays": 35},
        )["CopyJobId"]
        for point in recovery_points
    ]
    here.wait_until(
        lambda: {backup.describe_copy_job(CopyJobId=job)["CopyJob"]["State"] for job in jobs} == {"COMPLETED"} or None,
        60,
        "the copies",
    )
    recovery = drilled(here, "dr-copy", "copy", 400)
    assert {table.backup_arn.split(":")[3] for table in recovery.tables} == {OTHER}
    assert {table.copied_arn.split(":")[3] for table in recovery.tables} == {HOME}
    assert validations(here)[-2:] == ["SUCCESSFUL", "SUCCESSFUL"]
