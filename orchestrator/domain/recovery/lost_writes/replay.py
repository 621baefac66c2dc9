"""The replay of a restore: which of the writes since its recovery point the restored tables get, and how far back.

A restore is requested because the original tables are wrong from some time on. Where one kind of item was corrupted, and
the others were not, the writes of the others are no reason to lose them. They are in the streams of the original tables.
The rules for one item are those of late writes (`orchestrator.domain.deployment.late_writes`): a write is applied where
the restored table holds what it is based on, and a revocation always wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from orchestrator.domain.deployment.late_writes import EPOCH_KEY, LateWrite, ReplayProgress, is_of_clients
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.verdict import Json, Verdict

CHECK = "replay"
KINDS = ("login", "code", "client", "family")
"""The kinds of the service's items, by the prefix of their keys. The epoch is of no kind: it is always replayed."""

RETENTION = timedelta(hours=24)
"""How long a stream keeps its records (developer guide of DynamoDB Streams)."""

MOST_WRITES = 5000
"""Records of one table that a pass reads and replays: its function has 300 s, and an item takes two requests."""

FEW_WRITES = 500
"""A pass that found no more leaves so little that the cutover can replay the rest while the tables are closed."""

MOST_PASSES = 500

_SYNTHETIC = "synthetic#"


def read_corrupted(names: object) -> tuple[str, ...]:
    """Read the kinds of item that must not be replayed.

    Raises:
        Refused: a name is not of a kind, or no kind is left.
    """
    remedy = f"give kinds of items: {', '.join(KINDS)}"
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise Refused("corrupted", names, remedy)
    for name in names:
        if name not in KINDS:
            raise Refused("corrupted", name, remedy)
    if set(names) == set(KINDS):
        raise Refused("corrupted", ", ".join(names), "nothing is left to replay: omit `replay`")
    return tuple(sorted(set(names)))


def refuse_beyond_streams(point: datetime, recovery_time: timedelta, now: datetime) -> None:
    """Refuse a replay from a recovery point whose later writes the streams may have dropped before they are read.

    Args:
        point: the recovery point.
        recovery_time: how long the restore may take until it reads the streams: its RTO.
        now: the time.

    Raises:
        Refused: the point is too far back.
    """
    earliest = now - RETENTION + recovery_time
    if point < earliest:
        remedy = (
            f"streams keep their records for {RETENTION.total_seconds() / 3600:.0f} h, so writes since then can be "
            f"replayed for a recovery point after {earliest.isoformat(timespec='seconds')}: give a later one with "
            "`to`, or omit `replay` and lose what was written since"
        )
        raise Refused("replay", point.isoformat(), remedy)


STREAM_TIME: Final = timedelta(seconds=2)
"""Stream records have whole seconds. A write of the second before may have been acknowledged after a request."""


def refuse_without_streams(streams: Mapping[str, datetime | None], since: datetime, *, by_time: bool) -> None:
    """Refuse a replay of writes that no stream holds.

    Args:
        streams: table that exists to the time when its stream with both images began; None if it has none.
        since: the time from which writes may be missing in the restored tables.
        by_time: whether a later recovery point can be given, which backups do not have.

    Raises:
        Refused: a stream is missing or began later, or no table exists.
    """
    if not streams:
        remedy = "no original table exists whose stream could be read: omit `replay`"
        raise Refused("replay", since.isoformat(timespec="seconds"), remedy)
    for table, began in streams.items():
        if began is None or began > since - STREAM_TIME:
            has = "has no stream" if began is None else f"has a stream since {began.isoformat(timespec='seconds')} only"
            remedy = f"{table} {has}: omit `replay` and lose what was written since the recovery point"
            later = ""
            if began is not None and by_time:
                first = (began + STREAM_TIME + timedelta(microseconds=999_999)).replace(microsecond=0)
                later = f", or give {first.isoformat()} or later with `to`"
            raise Refused("replay", since.isoformat(timespec="seconds"), remedy + later)


def chosen_writes(writes: Iterable[LateWrite], corrupted: Collection[str]) -> tuple[list[LateWrite], list[LateWrite]]:
    """Divide clients' writes into those to replay and those of corrupted kinds."""
    replayed: list[LateWrite] = []
    left_out: list[LateWrite] = []
    for write in filter(is_of_clients, writes):
        (left_out if kind_of(write.key) in corrupted else replayed).append(write)
    return replayed, left_out


def kind_of(key: str) -> str:
    """Return the kind of an item by its key; an unknown one is returned as it is, and belongs to no kind."""
    return key if key == EPOCH_KEY else key.removeprefix(_SYNTHETIC).partition("#")[0]


def is_caught_up(progress: ReplayProgress) -> bool:
    """Return whether the rest can be replayed while the tables are closed: the last pass found few new writes.

    Clients that write faster than a pass replays are not waited for without an end.
    """
    return (progress.new <= FEW_WRITES and not progress.behind) or progress.passes >= MOST_PASSES


def check_replay(progress: ReplayProgress, corrupted: Collection[str]) -> CheckResult:
    """Return the check result of a replay before the cutover. A stream that cannot be read prevents the cutover."""
    figures: dict[str, Json] = {
        "writes": progress.found,
        "lost": progress.lost,
        "corrupted": sorted(corrupted),
        **{f"items_{action}": count for action, count in progress.actions.items()},
    }
    if progress.unknown:
        reason = f"writes since the recovery point are unknown: {progress.unknown}; restore again without --replay"
        return CheckResult(CHECK, Verdict.error(reason), figures)
    left_out = f"; left out: {', '.join(sorted(corrupted))}" if corrupted else ""
    return CheckResult(CHECK, Verdict.passed(f"{progress.description}, {progress.lost} lost{left_out}"), figures)
