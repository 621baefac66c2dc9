"""Drills of the vault's recovery points and of their copies in the other region, with Lambda roles held to their policies.

At the end a restore is stopped, and the tables that it leaves are discarded by the command line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile

import pytest

from orchestrator import environments
from orchestrator.domain.recovery.backup_times import UNCERTAINTY
from orchestrator.domain.recovery.record import RecoveryOutcome, Role
from orchestrator.domain.table_comparison.point_in_time import SECOND
from orchestrator.domain.verdict import Outcome
from orchestrator.local.cloud import ACCOUNT
from orchestrator.local.deployed_environment import ENVIRONMENT, client_factory, local_environment
from orchestrator.local.traffic_generator import Traffic
from tests.e2e.drills import tables_of_drills, verdicts

pytestmark = pytest.mark.timeout(900)
HOME, OTHER = "us-west-1", "us-east-2"
VAULT, COPIES = f"ib-oauth-backups-{ENVIRONMENT}", f"ib-oauth-backup-copies-{ENVIRONMENT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ib-oauth-backups-{ENVIRONMENT}"
TABLES = [f"ib-oauth-{role}-{ENVIRONMENT}" for role in Role]


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
def settings(tmp_path_factory):
    return settings_with_copies(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def here(folder, settings):
    with local_environment(folder, seed=5, settings=settings, backups=True) as here:
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=2, seed=5):
            yield here


@pytest.fixture(scope="module")
def recovery_points(here):
    """A recovery point of each table in the vault, made once clients have written to it: a drill fails if nothing is back.

    The content of a recovery point may be a minute older than its time. A drill learns from the table's stream what it
    held then, so the point has to be that much younger than the stream. Otherwise `content.…` is INCONCLUSIVE.
    """
    backup, scan = here.cloud.clients("backup"), here.cloud.clients("dynamodb").scan
    here.wait_until(
        lambda: all(scan(TableName=table, Limit=1)["Items"] for table in TABLES) or None, 60, "the first items"
    )
    since = max(here.cloud.table_reader.describe(table).stream_since for table in TABLES)
    known = since + UNCERTAINTY + 2 * SECOND
    here.wait_until(lambda: datetime.now(UTC) > known or None, 90, "the streams to reach back a minute")
    jobs = [
        backup.start_backup_job(
            BackupVaultName=VAULT,
            ResourceArn=f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/{table}",
            IamRoleArn=ROLE,
            RecoveryPointTags={"environment": ENVIRONMENT},
        )["BackupJobId"]
        for table in TABLES
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
    for role in Role:
        content = verdicts(recovery)[f"content.{role}"]
        assert content.outcome is Outcome.PASS, content.reason
    assert tables_of_drills(here) == []
    return recovery


@pytest.mark.repeated
def test_each_drill_of_the_vault_finds_its_recovery_points_as_they_were_and_reports_to_their_jobs(
    here, recovery_points
):
    """A drill writes to the tables that it restores, and leaves the recovery points as they are."""
    for name in ("dr-vault", "dr-vault-again"):
        recovery = drilled(here, name, "vault", 400)
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


def stopped_restore(here, name: str):
    """Start a restore, and stop it once its tables are there; return its record."""
    here.cloud.executions.start_execution(here.state_machine_arn("restore"), name, {"requested_by": "stage"})

    def tables():
        record = here.cloud.restores.find_record(name)
        found = [here.cloud.table_restores.describe_restore(one.target) for one in record.tables] if record else []
        return record if found and all(one and one.readable for one in found) else None

    record = here.wait_until(tables, 120, "the restored tables")
    here.cloud.executions.stop_execution(record.execution, "by a person")

    def ended():
        found = here.cloud.restores.read_record(name)
        return found if found.ended_at and not here.cloud.restores.read_lock().held else None

    return here.wait_until(ended, 120, "the reconciler")


def test_the_tables_that_a_restore_left_are_discarded_and_one_of_the_same_name_that_is_not_ours_is_left(
    here, folder, settings, tmp_path
):
    record = stopped_restore(here, "dr-left")
    assert record.outcome is RecoveryOutcome.FAILED
    own, foreign = (table.target for table in record.tables)
    dynamodb = here.cloud.clients("dynamodb")
    assert here.cloud.table_restores.remove_table(foreign) == "GONE"
    dynamodb.create_table(
        TableName=foreign,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    (tmp_path / ".local").symlink_to(folder)
    copyfile(settings, tmp_path / "environments.toml")

    def run(*words: str) -> dict:
        command = [sys.executable, "-m", "orchestrator", "restore", *words, "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    listed = {one["table"]: one for one in run("list")["tables"]}
    assert {name: one["use"] for name, one in listed.items()} == {own: "unused", foreign: "not ours: left as it is"}
    assert (listed[foreign]["usd_per_month"], listed[foreign]["not_ours"]) == (None, "no restore created it")
    left = [{"table": foreign, "reason": "no restore created it"}]
    assert run("discard", "dr-left", "--yes") == {"restore": "dr-left", "deleted": [own], "left": left}
    tables = [name for name in dynamodb.list_tables()["TableNames"] if name.startswith("ib-oauth-restored-")]
    assert tables == [foreign]
    assert set(TABLES) <= set(dynamodb.list_tables()["TableNames"])
