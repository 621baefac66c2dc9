"""Heartbeats: a row per second in every monitored table, and a separate record of the acknowledged rows.

The data loss of a restore is the time from the newest restored row to the time from which the service recovers. Rows
reuse `SLOTS` keys, so there are never more of them. Each contains its second, and expires by its table's time to live
when it is no longer renewed. A second without a heartbeat is missed: writes in it may or may not have been possible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.domain.verdict import Json, Verdict

PREFIX = "heartbeat#"
"""Prefix of the keys in monitored tables. The service does not use them, and its functions' policies exclude them."""
SLOTS = 900
SECOND = timedelta(seconds=1)
ROW_TTL = timedelta(days=1)
HEARTBEAT_TTL = timedelta(days=2)
ROUND_SECONDS = 60
"""A writer starts this often, and writes until the next one does."""
OVERLAP_SECONDS = 3
"""The longest delay of the next writer. Both write the same rows."""
MAX_LISTED_GAPS = 20
"""Number of gaps that are listed. All are counted."""


def row_key(second: int) -> str:
    """Return the key of the row of a second, given in epoch seconds."""
    return f"{PREFIX}{second % SLOTS:03}"


def row_keys() -> Iterator[str]:
    """Return the keys of all rows."""
    return map(row_key, range(SLOTS))


def last_written_second(started: datetime) -> int:
    """Return the last second that a writer with this start time writes."""
    return int(started.timestamp()) + ROUND_SECONDS + OVERLAP_SECONDS - 1


@dataclass(frozen=True)
class DataLoss:
    """The data loss of a restored table, by its heartbeats.

    Attributes:
        newest: second of its newest row; None if it has none.
        data_loss: from then until the time from which the service recovers; None if it is not known.
        certain_to: how much shorter the loss may be: until the next acknowledged second. One second without a gap.
        missing: seconds that were acknowledged before the point and are not in the table.
        too_new: seconds of rows after the point.
        missed: gaps without a heartbeat, as first and last second.
    """

    newest: int | None = None
    data_loss: timedelta | None = None
    certain_to: timedelta | None = None
    missing: tuple[int, ...] = ()
    too_new: tuple[int, ...] = ()
    missed: tuple[tuple[int, int], ...] = ()


def data_loss_of(
    acknowledged: Collection[int],
    restored: Collection[int],
    point: datetime,
    recovered_from: datetime,
    uncertainty: timedelta = timedelta(0),
) -> DataLoss:
    """Measure the data loss of a restored table.

    Args:
        acknowledged: acknowledged seconds, at least for `SLOTS` seconds before the point.
        restored: seconds of the rows in the restored table.
        point: the recovery point.
        recovered_from: the time from which the service recovers.
        uncertainty: how much earlier or later than the point the restored content may be.
    """
    # A row is written within its second, so the row of the point's second may be on either side of the point.
    last = int((point + uncertainty).timestamp())
    too_new = tuple(sorted(second for second in restored if second > last))
    within = {second for second in restored if second <= last}
    # A write of the last second may have reached the table after the point, and been acknowledged.
    required_before = int((point - uncertainty).timestamp()) - 1
    if not within:
        return DataLoss(
            too_new=too_new, missing=tuple(sorted(second for second in acknowledged if second < required_before))
        )
    newest = max(within)
    oldest = newest - SLOTS + 1
    known = sorted(second for second in acknowledged if second >= oldest)
    later = [second for second in known if second > newest]
    missing = tuple(second for second in known if second < required_before and second not in within)
    return DataLoss(
        newest=newest,
        data_loss=max(timedelta(0), recovered_from - datetime.fromtimestamp(newest, UTC)),
        certain_to=timedelta(seconds=later[0] - newest) if later else None,
        missing=missing,
        too_new=too_new,
        missed=tuple(_missed_heartbeats([second for second in known if second <= newest], newest)),
    )


def _missed_heartbeats(known: Iterable[int], newest: int) -> Iterator[tuple[int, int]]:
    before: int | None = None
    for second in (*known, newest + 1):
        if before is not None and second > before + 1:
            yield before + 1, second - 1
        before = second


def judge_heartbeats(role: str, loss: DataLoss, acknowledged: Collection[int]) -> Verdict:
    """Judge whether a restored table holds all acknowledged writes before the point, and none after it."""
    if loss.too_new:
        return Verdict.failed(f"{role}: {len(loss.too_new)} heartbeats are of seconds after the point")
    if loss.missing:
        if loss.newest is None:
            return Verdict.failed(
                f"{role}: none of {len(loss.missing)} acknowledged heartbeats is in the restored table"
            )
        return Verdict.failed(f"{role}: {len(loss.missing)} acknowledged heartbeats are missing in the restored table")
    if loss.newest is None:
        why = "the first heartbeat is after the point, so the data loss cannot be dated"
        return Verdict.inconclusive(f"{role}: {why if acknowledged else 'there are no heartbeats'}")
    if loss.certain_to is None:
        return Verdict.inconclusive(
            f"{role}: there is no heartbeat after the point, so the data loss has no lower bound"
        )
    gaps = f", with {len(loss.missed)} gaps" if loss.missed else ""
    return Verdict.passed(
        f"{role}: heartbeats are complete up to the point, certain to {loss.certain_to.total_seconds():.0f} s{gaps}"
    )


def heartbeat_figures(loss: DataLoss) -> Mapping[str, Json]:
    """Return the figures behind a verdict, for the evidence."""
    return {
        "newest_receipt": _second_text(loss.newest),
        "data_loss_seconds": loss.data_loss.total_seconds() if loss.data_loss is not None else None,
        "certain_to_seconds": loss.certain_to.total_seconds() if loss.certain_to is not None else None,
        "missing": len(loss.missing),
        "too_new": len(loss.too_new),
        "gaps": len(loss.missed),
        "gaps_listed": [
            f"{_second_text(first)} to {_second_text(last)}" for first, last in loss.missed[:MAX_LISTED_GAPS]
        ],
    }


def _second_text(second: int | None) -> str | None:
    return None if second is None else datetime.fromtimestamp(second, UTC).isoformat()
