"""Backups of several tables: which of them belong together, and how far their times are apart.

A restore brings all tables back to one time. A backup has the time that it has, so two cases need a decision:

- Backups with one name: those are restored that were made together. A backup whose counterpart of another table was
  deleted is not combined with an older one.
- Tables that were deleted: each left a backup of its own, at the time of its deletion. They are restored as they are.
  The recovery point is the earliest of their times. The difference is named in the plan and in the evidence. Tokens
  that are later than the recovery point are sanitized to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.plan import Source
from orchestrator.domain.recovery.record import CheckResult, Role, TableRecovery
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.verdict import Verdict

TOGETHER = timedelta(seconds=5)
"""The longest time between backups that were made together. RecordBackupPoint requests them at the same time."""

ONE_TIME = timedelta(seconds=1)
"""Times that are less than this apart are one recovery point: a restore to a point in time is exact to the second."""

UNCERTAINTY = timedelta(minutes=1)
"""How much older or newer than its time the content of an on-demand backup may be (CreateBackup, API reference)."""

MAX_LISTED = 10
"""Number of backups that an error lists, the newest first."""

CHECK = "restore.times"


@dataclass(frozen=True)
class Backup:
    """A backup that can be restored.

    Attributes:
        at: the time of its content.
        of_deleted_table: DynamoDB made it when the table was deleted, so nothing was written after it.
        exact_to: how much older or newer than `at` its content may be, unless its table was deleted.
    """

    arn: str
    name: str
    table_arn: str
    size_bytes: int
    at: datetime
    of_deleted_table: bool = False
    exact_to: timedelta = UNCERTAINTY

    @property
    def uncertainty(self) -> timedelta:
        """How much older or newer than its time its content may be."""
        return timedelta(0) if self.of_deleted_table else self.exact_to


def source_from(role: Role, table: str, backup: Backup, *, gone: bool) -> Source:
    """Return a table as a source that is restored from a backup."""
    return Source(
        role=role,
        name=table,
        arn=backup.table_arn,
        size_bytes=backup.size_bytes,
        items=0,
        earliest=backup.at,
        latest=backup.at,
        backup_arn=backup.arn,
        gone=gone,
        uncertainty=backup.uncertainty,
    )


def backups_made_together(
    name: str, tables: Mapping[Role, str], backups: Mapping[Role, Sequence[Backup]]
) -> Mapping[Role, Backup]:
    """Return the newest backups with a name that were made together, one of each table.

    Args:
        name: the name.
        tables: the tables by role.
        backups: all backups of each table, in any order.

    Raises:
        Refused: a table has no backup with that name, or none was made together with those of the other tables.
    """
    named = {role: _newest_first(backup for backup in backups[role] if backup.name == name) for role in tables}
    for role, table in tables.items():
        if not named[role]:
            names = ", ".join(sorted({backup.name for backup in backups[role]}))
            has = names or "none: restore to a time, with --to"
            raise Refused("backup", name, f"{table} has no such backup that can be restored; it has {has}")
    together = _newest_together(named)
    if together is None:
        times = "; ".join(f"{tables[role]}: {_times(found)}" for role, found in named.items())
        remedy = (
            f"its backups of the tables are of different times: {times}. Name a backup that was made of all tables "
            f"within {TOGETHER.total_seconds():.0f} s ({_names_made_together(backups) or 'there is none'}), "
            f"or restore to a time, with --to"
        )
        raise Refused("backup", name, remedy)
    return together


def _newest_together(named: Mapping[Role, Sequence[Backup]]) -> Mapping[Role, Backup] | None:
    """Return the newest backups that were made together; None if there are none."""
    return next(iter(groups_made_together(named)), None)


def groups_made_together(
    backups: Mapping[Role, Iterable[Backup]], within: timedelta = TOGETHER
) -> list[Mapping[Role, Backup]]:
    """Return the backups that belong together, one of each table in every group, the newest group first.

    Backups belong together if each is the one that is nearest to the other. Otherwise the counterpart of one of them
    is missing.

    Args:
        backups: the backups of each table, at least one of each, in any order.
        within: the longest time between backups of one group.
    """
    newest_first = {role: _newest_first(found) for role, found in backups.items()}
    first, *_ = newest_first
    groups: list[Mapping[Role, Backup]] = []
    for anchor in newest_first[first]:
        chosen = {role: _nearest(found, anchor) for role, found in newest_first.items()}
        mutual = all(_nearest(newest_first[first], backup) == anchor for backup in chosen.values())
        if mutual and _spread([backup.at for backup in chosen.values()]) <= within:
            groups.append(chosen)
    return groups


def _nearest(backups: Sequence[Backup], other: Backup) -> Backup:
    return min(backups, key=lambda backup: abs(backup.at - other.at))


def _names_made_together(backups: Mapping[Role, Sequence[Backup]]) -> str:
    """Return the names under which all tables have backups that were made together, newest first, with their times."""
    common = set.intersection(*({backup.name for backup in found} for found in backups.values()))
    times = []
    for name in common:
        named = {role: _newest_first(one for one in found if one.name == name) for role, found in backups.items()}
        if together := _newest_together(named):
            times.append((min(backup.at for backup in together.values()), name))
    return ", ".join(f"{name} of {at.isoformat(timespec='seconds')}" for at, name in sorted(times)[::-1][:MAX_LISTED])


def _newest_first(backups: Iterable[Backup]) -> list[Backup]:
    return sorted(backups, key=lambda backup: backup.at, reverse=True)


def _times(newest_first: Sequence[Backup]) -> str:
    more = f" and {len(newest_first) - MAX_LISTED} more" if len(newest_first) > MAX_LISTED else ""
    listed = newest_first[:MAX_LISTED]
    return ", ".join(f"{backup.at.isoformat(timespec='seconds')} ({backup.arn})" for backup in listed) + more


def content_time(table: TableRecovery, point: datetime) -> datetime:
    """Return the time of a restored table's content: its backup's time or, without a backup, the recovery point."""
    return table.backup_at or point


def replay_begins(tables: Sequence[TableRecovery], point: datetime) -> datetime:
    """Return the time from which writes may be missing in restored tables."""
    return min(content_time(table, point) - table.uncertainty for table in tables)


def times_apart(tables: Sequence[TableRecovery], point: datetime) -> timedelta:
    """Return how far the times of the restored tables' contents are apart; zero if they are one recovery point."""
    spread = _spread([content_time(table, point) for table in tables])
    return spread if spread >= ONE_TIME else timedelta(0)


def _spread(times: Sequence[datetime]) -> timedelta:
    return max(times) - min(times)


def describe_times(tables: Sequence[TableRecovery], point: datetime) -> str:
    """Return how far the tables' times are apart, and what follows from it; empty if they are one recovery point."""
    apart = times_apart(tables, point)
    if not apart:
        return ""
    times = ", ".join(
        f"{table.role} is of {content_time(table, point).isoformat(timespec='seconds')}" for table in tables
    )
    ended = " All users log in again." if _tokens_are_later(tables, point) else ""
    return (
        f"{times}: {apart.total_seconds():.0f} s apart. "
        f"Tokens are sanitized to the earlier time, {point.isoformat()}.{ended}"
    )


def judge_times(tables: Sequence[TableRecovery], point: datetime) -> tuple[CheckResult, ...]:
    """Return the check result of the tables' times; none if they are one recovery point.

    It does not decide: a deleted table has no other backup of a time that fits better.
    """
    reason = describe_times(tables, point)
    if not reason:
        return ()
    figures = {
        str(table.role): {
            "time": content_time(table, point).isoformat(),
            "backup": table.backup_arn or "point-in-time recovery",
        }
        for table in tables
    }
    apart = times_apart(tables, point).total_seconds()
    return (
        CheckResult(CHECK, Verdict.inconclusive(reason), {**figures, "apart_seconds": round(apart, 3)}, decides=False),
    )


def rotated_policy(tables: Sequence[TableRecovery], point: datetime, policy: RotatedPolicy) -> RotatedPolicy:
    """Return the policy for refresh tokens that may have been rotated after the recovery point.

    The environment's policy applies, except to a deleted tokens table whose backup is later than the recovery point.
    It holds grants that were issued after the point. Neither their items nor the deleted table shows which, so none
    is accepted.
    """
    return RotatedPolicy.REVOKE if _tokens_are_later(tables, point) else policy


def _tokens_are_later(tables: Sequence[TableRecovery], point: datetime) -> bool:
    return any(
        table.role is Role.TOKENS and table.gone and content_time(table, point) - point >= ONE_TIME for table in tables
    )
