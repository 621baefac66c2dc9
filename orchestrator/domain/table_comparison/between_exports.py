"""Comparison of a restored backup with two exports of its source: from before, and from after the backup's content.

A backup's content is of some time in between. A key that holds the same in both exports did not change meanwhile, so the
backup must hold that, too. A key that changed may hold anything that it had meanwhile, which no export shows: it is
accepted either way, and counted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.domain.table_comparison.comparison import Differences, ItemHashes, compare_unchanged_keys


def times_around(at: datetime, uncertainty: timedelta) -> tuple[datetime, datetime]:
    """Return the whole seconds of the two exports between which a backup's content lies."""
    earlier, later = at - uncertainty, at + uncertainty
    whole = later.replace(microsecond=0)
    return earlier.replace(microsecond=0), whole if whole == later else whole + timedelta(seconds=1)


def compare_between(
    earlier: ItemHashes, later: ItemHashes, restored: ItemHashes, now: float
) -> tuple[Differences, int]:
    """Return the differences of a restored backup from its source, and the number of keys that are accepted either way.

    Args:
        earlier: items of the source before the backup.
        later: items of the source after the backup.
        restored: items of the restored table.
        now: epoch seconds.
    """
    changed = {
        key
        for key in earlier.keys() | later.keys()
        if key not in earlier or key not in later or earlier[key].content != later[key].content
    }
    return compare_unchanged_keys(earlier, restored, changed, now), len(changed)
