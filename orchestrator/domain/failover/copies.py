"""Whether the standby region has the home region's evidence and configuration snapshots. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

LATEST = timedelta(minutes=15)
"""S3 copies most objects within this time. What is newer need not be in the copy."""

SNAPSHOTS = "configuration/"
"""What the keys of configuration snapshots begin with."""

_NAMED = 3
"""So many missing files are named; of others only the number is reported."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a bucket: its key, its size in bytes, and when it was put."""

    key: str
    size: int
    stored_at: datetime


@dataclass(frozen=True)
class CopiedFiles:
    """What the home region has, and what the standby region has of it.

    Attributes:
        at_home: the files of the home region's evidence bucket; empty if it could not be read.
        copies: the files of the bucket of copies in the standby region.
        unread: why one of both could not be read; empty if both were.
    """

    at_home: tuple[StoredFile, ...] = ()
    copies: tuple[StoredFile, ...] = ()
    unread: str = ""

    @property
    def snapshots(self) -> int:
        """How many configuration snapshots the standby region has."""
        return sum(one.key.startswith(SNAPSHOTS) for one in self.copies)


def copies_problem(files: CopiedFiles, now: datetime) -> str:
    """Return what is missing in the standby region, with the newest missing file first; empty if nothing is.

    Args:
        files: of both regions.
        now: a file that is newer than `LATEST` need not be there.
    """
    if files.unread:
        return f"the copies of evidence and configuration snapshots could not be checked: {files.unread}"
    missing = _missing(files, now)
    if missing:
        named = ", ".join(one.key for one in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"no copy of {named}{more}: docs/runbooks/alarms.md#evidence-copies"
    return ""


def _missing(files: CopiedFiles, now: datetime) -> list[StoredFile]:
    there = _sizes(files.copies)
    expected = [one for one in files.at_home if now - one.stored_at > LATEST]
    missing = [one for one in expected if there.get(one.key) != one.size]
    return sorted(missing, key=lambda one: (one.stored_at, one.key), reverse=True)


def _sizes(files: Iterable[StoredFile]) -> dict[str, int]:
    return {one.key: one.size for one in files}
