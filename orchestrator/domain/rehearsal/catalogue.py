"""The scenarios of `orchestrator rehearse`, in the order in which they share a local cloud."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.domain.rehearsal.scenario import CloudUse, End, Objectives, Scenario

ALL: Final = "all"

LEDGER_COMMANDS: Final = """\
TABLE=ib-oauth-ledger-ENV
BACKUP=$(aws dynamodb list-backups --table-name $TABLE --backup-type SYSTEM --output text \\
  --query 'reverse(sort_by(BackupSummaries, &BackupCreationDateTime))[0].BackupArn')
KEY=$(aws kms describe-key --key-id alias/ib-oauth-ledger-ENV --query KeyMetadata.Arn --output text)
aws dynamodb restore-table-from-backup --target-table-name $TABLE --backup-arn $BACKUP \\
  --sse-specification-override Enabled=true,SSEType=KMS,KMSMasterKeyId=$KEY
until aws dynamodb wait table-exists --table-name $TABLE; do echo "$TABLE is still restored"; done
aws dynamodb update-continuous-backups --table-name $TABLE \\
  --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true
aws dynamodb update-time-to-live --table-name $TABLE \\
  --time-to-live-specification Enabled=true,AttributeName=expires_at
aws dynamodb update-table --table-name $TABLE --deletion-protection-enabled"""
"""Bring the ledger back from the backup that its deletion left: docs/runbooks/ledger-lost.md."""

EVIDENCE_COMMAND: Final = (
    "aws kms enable-key --key-id $(aws kms describe-key --key-id alias/ib-oauth-evidence-ENV \\\n"
    "  --query KeyMetadata.KeyId --output text)"
)
"""Enable the key of the evidence bucket: docs/runbooks/alarms.md."""


RECOVERY_COMMAND: Final = (
    "aws dynamodb update-continuous-backups --table-name TABLE \\\n"
    "  --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
)
"""Turn point-in-time recovery of a table on: docs/runbooks/alarms.md."""

_FAILOVER: Final = ("orchestrator failover plan --env ENV",)
_COPIES: Final = (
    "DynamoDB copies the tables to the other region just before the loss. In an account AWS Backup does, the copies are up "
    "to a day old, and clients follow DNS."
)


def _within(recovery_seconds: float, loss_seconds: float) -> Objectives:
    return Objectives(timedelta(seconds=recovery_seconds), timedelta(seconds=loss_seconds))


def _region(name: str, under_way: str) -> Scenario:
    """Return a scenario that loses the region while something is under way."""
    return Scenario(
        name=name,
        injected=f"Every call to the home region fails{under_way}.",
        expected=End.COMMANDS,
        action="Decide to fail over, then follow the plan's steps in their order.",
        commands=_FAILOVER,
        runbook="region-failover.md",
        alarm="",
        objectives=_within(600, 120),
        cloud=CloudUse.OWN,
        limits=_COPIES,
    )


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        name="ledger-lost",
        injected="The ledger's table is deleted.",
        expected=End.THROUGHOUT,
        action="Restore the ledger from the backup that its deletion left; until then nothing is deployed or rolled back.",
        commands=(LEDGER_COMMANDS,),
        runbook="ledger-lost.md",
        alarm="orchestrator-event-reconcile-errors",
        objectives=_within(0, 0),
    ),
    Scenario(
        name="evidence-unreadable",
        injected="The key of the evidence bucket is disabled while a drill runs: nothing is read from it or written to it.",
        expected=End.THROUGHOUT,
        action="Enable the bucket's key; until then no drill succeeds.",
        commands=(EVIDENCE_COMMAND, "orchestrator evidence verify --env ENV"),
        runbook="alarms.md#event-handler-errors",
        alarm="orchestrator-event-clean-up-drills-errors",
        objectives=_within(0, 0),
    ),
    Scenario(
        name="lambda-throttled",
        injected="Lambda throttles every call to its control plane for ten minutes while half of the traffic goes to a canary, "
        "which an operator aborts meanwhile.",
        expected=End.THROUGHOUT,
        action="",
        commands=(),
        runbook="alarms.md#rollback-failed",
        alarm="",
        objectives=_within(0, 0),
        limits="Invoke has a quota of its own and is not throttled.",
    ),
    Scenario(
        name="key-disabled",
        injected="The key that signs access tokens is disabled.",
        expected=End.COMMANDS,
        action="Enable the key that `orchestrator keys` names as Disabled.",
        commands=("orchestrator keys --env ENV", "aws kms enable-key --key-id KEY"),
        runbook="rotate-signing-keys.md#a-key-that-signs-is-disabled",
        alarm="token-server-errors",
        objectives=_within(240, 0),
    ),
    Scenario(
        name="key-pending-deletion",
        injected="The deletion of the key that signs access tokens is scheduled.",
        expected=End.COMMANDS,
        action="Cancel the deletion of the key that `orchestrator keys` names as PendingDeletion, and enable it.",
        commands=(
            "orchestrator keys --env ENV",
            "aws kms cancel-key-deletion --key-id KEY",
            "aws kms enable-key --key-id KEY",
        ),
        runbook="rotate-signing-keys.md#a-key-that-signs-is-disabled",
        alarm="token-server-errors",
        objectives=_within(240, 0),
        limits="A key whose waiting period of 7 to 30 days has passed is gone for good: revoke it and rotate.",
    ),
    Scenario(
        name="backups-emptied",
        injected="An attacker with admin in the account deletes every on-demand backup, tries to delete the recovery points "
        "of the locked vault, and turns point-in-time recovery off.",
        expected=End.THROUGHOUT,
        action="Lock the attacker out, then turn point-in-time recovery on again and prove it by a drill.",
        commands=(RECOVERY_COMMAND, "orchestrator drill --watch --env ENV"),
        runbook="restore.md#backups-that-were-deleted",
        alarm="",
        objectives=_within(0, 0),
        limits="The lock of the vault is not attacked: in compliance mode it cannot be removed, in governance mode an "
        "administrator can. On AWS `table-changed-manually` fires.",
    ),
    Scenario(
        name="table-deleted",
        injected="The table of tokens is deleted.",
        expected=End.COMMANDS,
        action="Restore: the deleted table comes back from the backup that its deletion left.",
        commands=("orchestrator restore --plan --env ENV", "orchestrator restore --yes --watch --env ENV"),
        runbook="restore.md#deleted-tables",
        alarm="token-server-errors",
        objectives=_within(600, 0),
        limits="A restore takes a second here, and 20 minutes or more on AWS.",
    ),
    Scenario(
        name="table-emptied",
        injected="A bug deletes the refresh tokens in the table of tokens, one after the other.",
        expected=End.COMMANDS,
        action="No alarm counts a token that is gone, so users report that they are logged out: stop the bug, then "
        "restore to the second before it began.",
        commands=(
            "orchestrator restore --plan --to TIME --env ENV",
            "orchestrator restore --yes --watch --to TIME --env ENV",
        ),
        runbook="restore.md#items-that-a-bug-deletes-or-corrupts",
        alarm="",
        objectives=_within(600, 600),
        limits="What was written after the recovery point is lost, by the nature of a recovery point.",
    ),
    Scenario(
        name="all-but-region",
        injected="At once: the signing key is about to be deleted, the evidence key is disabled, the ledger and the table of "
        "tokens are deleted, and Lambda throttles its control plane.",
        expected=End.COMMANDS,
        action="Restore the ledger first, then enable both keys, then restore the table: each step needs those before it.",
        commands=(
            LEDGER_COMMANDS,
            EVIDENCE_COMMAND,
            "aws kms cancel-key-deletion --key-id KEY",
            "aws kms enable-key --key-id KEY",
            "orchestrator restore --yes --watch --env ENV",
        ),
        runbook="incident.md#several-faults-at-once",
        alarm="token-server-errors",
        objectives=_within(900, 0),
        limits="A restore takes a second here, and 20 minutes or more on AWS.",
    ),
    Scenario(
        name="environment-emptied",
        injected="Someone deletes the environment's stacks, and the tables of tokens and of the ledger, which they retained.",
        expected=End.COMMANDS,
        action="Rebuild the environment, from the configuration snapshot, the release's assembly and the backups.",
        commands=(
            "orchestrator rebuild --plan --env ENV",
            "orchestrator rebuild --yes --env ENV",
            "orchestrator deploy --watch --env ENV",
        ),
        runbook="rebuild.md",
        alarm="",
        objectives=_within(600, 0),
        cloud=CloudUse.OWN,
        limits="The alarms are deleted with the stacks. The stacks of monitoring, security and backups are not deployed "
        "here. A restore takes a second here, and 20 minutes or more on AWS.",
    ),
    _region("region-lost", ""),
    _region("region-lost-mid-deployment", " while half of the traffic goes to a canary"),
    _region("region-lost-mid-restore", " while a restore is under way"),
    _region("region-lost-mid-drill", " while a drill is under way"),
)


def find_scenarios(names: Sequence[str]) -> tuple[Scenario, ...]:
    """Return the scenarios of these names, or all of them, in the order in which they share a local cloud.

    Raises:
        Refused: there is no such scenario, or none is named.
    """
    known = [scenario.name for scenario in SCENARIOS]
    unknown = [name for name in names if name not in {ALL, *known}]
    if unknown or not names:
        raise Refused("--scenario", ", ".join(unknown), f"name {ALL} or one of {', '.join(known)}")
    return tuple(scenario for scenario in SCENARIOS if ALL in names or scenario.name in names)
