"""The restored tokens table of a recovery, for the tasks that sanitize it, check it and cut over to it."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.recovery.record import Recovery, Role
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


SEGMENTS = 4
"""Parts of a table that are worked on in parallel."""


def revive_logged(tokens: RestoredTokens, epoch: int) -> int:
    """Inject a fault: bring families that the revocation log lists back to life; return how many those were."""
    segments = [(number, SEGMENTS) for number in range(SEGMENTS)]
    return sum(for_each(segments, lambda segment: tokens.revive_logged(epoch, segment)))


def log_epoch_in_force(recovery: Recovery, cloud: Cloud) -> None:
    """Record in the revocation log that the epoch of a restore is in force, because its tables are in use."""
    restored_tokens_of(recovery, cloud).log_epoch(LoggedEpoch(recovery.least_epoch, recovery.id))
