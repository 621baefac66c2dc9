"""End the logins of a tokens table whose revocation is in the revocation log, and may not be in the table.

A table was sanitized some time ago, and clients revoked logins since. A client may also revoke a login in a table before
a replay writes it there. Then only the log has the revocation.

The stream of the log has its entries by time. So each pass reads the entries since the pass before, and the logins that
they name by key: it takes as long as there are revocations, however large the table is. A log whose stream does not
cover the time is compared with the whole table instead, as far as the time of a pass allows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.restored_tokens import SEGMENTS
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens, listed_by
from orchestrator.domain.deployment.late_writes import ReplayProgress
from orchestrator.domain.errors import SourceStateUnknown, TableNotReadable
from orchestrator.domain.recovery.lost_writes.replay import RETENTION, STREAM_TIME
from orchestrator.domain.recovery.token_sanitization import RevocationLog

LOG = "revocations"
"""The role of the log among the positions of a replay."""

MOST_ENTRIES = 20_000
"""Entries that a pass reads: two hundred calls for their logins."""

SAFETY = timedelta(hours=1)
"""How much earlier than its retention a stream is taken for incomplete: reading it takes time."""


@dataclass(frozen=True)
class LogEntries:
    """Entries of the revocation log since an earlier pass.

    Attributes:
        listed: what they list; None if the log has no stream that covers the time.
        reached: the positions that were reached in its stream.
        behind: the stream may hold more.
    """

    listed: RevocationLog | None
    reached: Mapping[str, int] = field(default_factory=dict)
    behind: bool = False


def read_log_entries(
    cloud: Cloud,
    log: str,
    since: datetime,
    progress: ReplayProgress,
    stream_delay: timedelta,
    is_over: Callable[[], bool],
) -> LogEntries:
    """Read the entries of the revocation log since a time, or since an earlier pass.

    Args:
        cloud: the environment.
        log: the log's table.
        since: the time from which on the log may have revocations that the tokens table lacks.
        progress: of the passes so far.
        stream_delay: how late a write may appear in the stream.
        is_over: whether it is time to stop.

    Raises:
        Throttled, Unreachable: the stream did not answer.
    """
    known = progress.positions_of(LOG)
    try:
        if not known and cloud.now() - since > RETENTION - SAFETY:
            # The table is compared with the whole log once, and after that with what comes from now on.
            return LogEntries(None, cloud.late_writes.read_past(log, known, is_over)[0])
        delay = stream_delay.total_seconds()
        entries, reached = cloud.late_writes.read_late_writes(
            log, since - STREAM_TIME, delay, known, MOST_ENTRIES, is_over
        )
    except (SourceStateUnknown, TableNotReadable) as error:
        logger.info("the whole table is compared with the revocation log", extra={"reason": str(error)})
        return LogEntries(None)
    listed = listed_by(entry.key for entry in entries if entry.after is not None)
    return LogEntries(listed, reached, behind=len(entries) == MOST_ENTRIES or is_over())


def end_logged(
    tokens: RestoredTokens,
    entries: LogEntries,
    written: Collection[tuple[str, str]],
    progress: ReplayProgress,
    is_over: Callable[[], bool],
    pace: Callable[[], ReadPace | None] = lambda: None,
) -> ReplayProgress:
    """Revoke the families that the log lists, and return the progress.

    Args:
        tokens: the tokens table.
        entries: of the log since the pass before.
        written: the families that the replay may have written in this pass, each with its client: the log is read
            about them once more, because clients go on.
        progress: after the replay.
        is_over: whether it is time to stop.
        pace: returns what limits the reads of a table that clients use.
    """
    if progress.unscanned or entries.listed is None:
        progress = _compare_whole_table(tokens, progress, is_over, pace())
    also, new = tokens.read_revocation_log(written) if written else RevocationLog(), entries.listed or RevocationLog()
    listed = RevocationLog(new.revoked | also.revoked, new.disowned | also.disowned)
    if listed != RevocationLog():
        tokens.revoke_listed(listed, pace())
    return replace(progress.with_positions(LOG, entries.reached), behind=progress.behind or entries.behind)


def _compare_whole_table(
    tokens: RestoredTokens, progress: ReplayProgress, is_over: Callable[[], bool], pace: ReadPace | None
) -> ReplayProgress:
    def compare(cursor: tuple[str, str]) -> tuple[str, str | None]:
        number, after = cursor
        return number, tokens.revoke_logged((int(number), SEGMENTS), after, is_over, pace)[1]

    cursors = progress.unscanned or {str(number): "" for number in range(SEGMENTS)}
    runs = for_each(cursors.items(), compare)
    return replace(progress, unscanned={number: after for number, after in runs if after is not None})
