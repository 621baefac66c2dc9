"""The restored tokens table of a recovery, for the tasks that sanitize it, check it and cut over to it."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.recovery.record import Recovery, Role
from orchestrator.domain.recovery.restore import deployment_for
from orchestrator.domain.recovery.token_sanitization import LoggedEpoch


def restored_tokens_of(recovery: Recovery, cloud: Cloud, read_share_percent: float = 0) -> RestoredTokens:
    """Return the restored tokens table of a recovery, with its source and the revocation log.

    Args:
        recovery: the recovery.
        cloud: the environment.
        read_share_percent: the share of the source's read capacity that judging families may use; 0 if they are not
            judged.
    """
    table = recovery.table(Role.TOKENS)
    pace = None
    if read_share_percent:
        pace = cloud.read_pace(table.read_units, read_share_percent, over_all_partitions=True)
    return cloud.restored_tokens(table.target, table.source, recovery.service.revocations, source_pace=pace)


def epochs_in_force(tokens: RestoredTokens, cloud: Cloud) -> tuple[tuple[int, ...], bool]:
    """Return the revocation epochs that were in force, and whether the source of the restored table is readable.

    The ledger says whether the cutover that logged its epoch was rolled back. Without a record of it, the epoch counts.
    """
    known = tokens.read_known_epochs()
    recovery = known.logged.recovery
    deployment = cloud.ledger.find_record(deployment_for(recovery)) if recovery else None
    rolled_back = deployment is not None and deployment.outcome is DeploymentOutcome.ROLLED_BACK
    return known.counted(rolled_back=rolled_back), known.source is not None


def log_epoch_in_force(recovery: Recovery, cloud: Cloud) -> None:
    """Record in the revocation log that the epoch of a restore is in force, because its tables are in use."""
    logged = LoggedEpoch(recovery.least_epoch, recovery.epoch_before, recovery.id)
    restored_tokens_of(recovery, cloud).log_epoch(logged)
