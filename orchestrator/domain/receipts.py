"""Receipts: a row a second in every table that is guarded, and elsewhere what of it was acknowledged.

What a restore lost is the time from the newest row that it brought back to the moment from which one recovers. Rows are in a ring,
so there are never more than `SLOTS` of them; each says its second, and goes by its table's time to live once nobody renews it.
A second without a receipt is a gap: nobody knows whether anything could have been written in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.domain.verdict import Json, Verdict

PREFIX = "receipt#"
"""Of keys in guarded tables. The service has no business with these, and its functions' policies do not name them."""
SLOTS = 900
SECOND = timedelta(seconds=1)
ROW_LIVES = timedelta(days=1)
RECEIPT_LIVES = timedelta(days=2)
ROUND_SECONDS = 60
"""A writer is started so often, and writes until the next one does."""
OVERLAP_SECONDS = 3
"""The next one starts that late at most; what both write is the same."""
MOST_GAPS = 20
"""So many gaps are listed; all are counted."""


def row_key(second: int) -> str:
    """The key of the row of a second, given in epoch seconds."""
    return f"{PREFIX}{second % SLOTS:03}"


def row_keys() -> Iterator[str]:
    """The keys of all rows."""
    return map(row_key, range(SLOTS))


def last_second(started: datetime) -> int:
    """The last second that a writer that was started then writes."""
    return int(started.timestamp()) + ROUND_SECONDS + OVERLAP_SECONDS - 1


@dataclass(frozen=True)
class Loss:
    """What a restored copy lost, by its receipts.

    Attributes:
        newest: the second of the newest row that it has; None where there is none.
        data_loss: from then until the moment from which one recovers; None where it is not known.
        certain_to: how much shorter than that the loss may be: to the next second that was acknowledged. A second where there is no gap.
        missing: seconds that were acknowledged before the point and are not in the copy.
        too_new: rows of seconds after the point.
        gaps: stretches without a receipt within the ring, as first and last second.
    """

    newest: int | None = None
    data_loss: timedelta | None = None
    certain_to: timedelta | None = None
    missing: tuple[int, ...] = ()
    too_new: tuple[int, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()


def loss(acknowledged: Collection[int], restored: Collection[int], point: datetime, moment: datetime) -> Loss:
    """Measure what a copy lost.

    Args:
        acknowledged: seconds of which there is a receipt, at least for as long as the ring before the point.
        restored: seconds of the rows in the copy.
        point: what was restored to.
        moment: from when one recovers.
    """
    edge = int(point.timestamp())
    # A row is written within its second: that of the point's own may be on either side of it.
    too_new = tuple(sorted(second for second in restored if second > edge))
    within = {second for second in restored if second <= edge}
    # A write of the last second may have come in after the point, and been acknowledged.
    if not within:
        return Loss(too_new=too_new, missing=tuple(sorted(second for second in acknowledged if second < edge - 1)))
    newest = max(within)
    oldest = newest - SLOTS + 1
    known = sorted(second for second in acknowledged if second >= oldest)
    later = [second for second in known if second > newest]
    missing = tuple(second for second in known if second < edge - 1 and second not in within)
    return Loss(
        newest=newest,
        data_loss=max(timedelta(0), moment - datetime.fromtimestamp(newest, UTC)),
        certain_to=timedelta(seconds=later[0] - newest) if later else None,
        missing=missing,
        too_new=too_new,
        gaps=tuple(_gaps([second for second in known if second <= newest], newest)),
    )


def _gaps(known: Iterable[int], newest: int) -> Iterator[tuple[int, int]]:
    before: int | None = None
    for second in (*known, newest + 1):
        if before is not None and second > before + 1:
            yield before + 1, second - 1
        before = second


def verdict(role: str, found: Loss, acknowledged: Collection[int]) -> Verdict:
    """Say whether a copy holds every write that was acknowledged before the point, and none after it."""
    if found.too_new:
        return Verdict.failed(f"{role}: {len(found.too_new)} receipts are of seconds after the point")
    if found.missing:
        none = "none of " if found.newest is None else ""
        are = "acknowledged receipts is in the copy" if none else "acknowledged receipts are missing in the copy"
        return Verdict.failed(f"{role}: {none}{len(found.missing)} {are}")
    if found.newest is None:
        why = "the first receipt is of after the point, so nothing dates what was lost"
        return Verdict.inconclusive(f"{role}: {why if acknowledged else 'there are no receipts'}")
    if found.certain_to is None:
        return Verdict.inconclusive(
            f"{role}: no receipt was written after the point, so nothing bounds the loss from below"
        )
    gaps = f", with {len(found.gaps)} gaps" if found.gaps else ""
    return Verdict.passed(
        f"{role}: receipts are whole up to the point, certain to {found.certain_to.total_seconds():.0f} s{gaps}"
    )


def figures(found: Loss) -> Mapping[str, Json]:
    """What the verdict rests on, for evidence."""
    return {
        "newest_receipt": _told(found.newest),
        "data_loss_seconds": found.data_loss.total_seconds() if found.data_loss is not None else None,
        "certain_to_seconds": found.certain_to.total_seconds() if found.certain_to is not None else None,
        "missing": len(found.missing),
        "too_new": len(found.too_new),
        "gaps": len(found.gaps),
        "gaps_listed": [f"{_told(first)} to {_told(last)}" for first, last in found.gaps[:MOST_GAPS]],
    }


def _told(second: int | None) -> str | None:
    return None if second is None else datetime.fromtimestamp(second, UTC).isoformat()
