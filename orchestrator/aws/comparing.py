"""A table and its restored copy as the two sides of a comparison, with what the source's stream says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestrator.aws.contents import Content, Hashing
from orchestrator.aws.stream_changes import StreamChanges
from orchestrator.aws.table_content import Shape, TableContents
from orchestrator.domain.changes import SECOND, AtPoint
from orchestrator.domain.comparison import Entry, Origin
from orchestrator.domain.errors import SourceUntold
from orchestrator.probes.content import MOST_CHANGES, Changed

RETENTION = timedelta(hours=24)
"""How long a stream keeps its records (developer guide of DynamoDB Streams)."""


@dataclass(frozen=True)
class Point:
    """What was restored to.

    Attributes:
        at: the time.
        fuzzy: how much earlier or later the restored content may be.
        settle: how late a write may be in its table's stream.
        now: the time that it is.
    """

    at: datetime
    fuzzy: timedelta
    settle: timedelta
    now: datetime


class TableSides:
    """A table and its copy.

    Args:
        role: the table's.
        source, restored: what they are.
        point: what the copy is of.
        tables: reads them.
        streams: reads the source's stream.
        hashing: how both are hashed.
        exported: the source at the point as an export has it; None where its stream has to tell.
    """

    def __init__(
        self,
        role: str,
        source: Shape,
        restored: Shape,
        point: Point,
        tables: TableContents,
        streams: StreamChanges,
        hashing: Hashing,
        exported: Content | None = None,
    ) -> None:
        self.role = role
        self.origin = Origin.EXPORT if exported else Origin.STREAM
        self.source = exported or tables.content(source.table, hashing)
        self.restored = tables.content(restored.table, hashing)
        self._shape, self._copy, self._point = source, restored, point
        self._tables, self._streams, self._hashing = tables, streams, hashing

    def changes(self) -> Changed | None:
        """Read what changed in the source since the point; None where an export has it as it was.

        Raises:
            SourceUntold: it has no stream that reaches back to the point, or one of more changes than can be undone.
        """
        if self.origin is Origin.EXPORT:
            return None
        earliest = self._point.at - self._point.fuzzy - SECOND
        self._check_reach(earliest)
        at_point, keys = AtPoint(self._point.at, self._point.fuzzy), dict[bytes, Any]()
        settle = self._point.settle.total_seconds()
        for change, key in self._streams.since(self._shape.stream, earliest, self._hashing, settle):
            at_point.add(change)
            keys.setdefault(change.key, key)
            if len(keys) > MOST_CHANGES:
                raise SourceUntold(f"more than {MOST_CHANGES} keys changed since the point: compare with an export")
        self._tables.check(self._shape.table)
        return Changed(at_point, keys)

    def fetch(self, keys: Sequence[Any]) -> Mapping[bytes, Entry]:
        """Return what the copy holds under some keys."""
        return self._tables.fetch(self._copy.table, keys, self._hashing)

    def _check_reach(self, earliest: datetime) -> None:
        since = self._shape.stream_since
        if since is None:
            raise SourceUntold(
                f"{self._shape.table} has no stream of both images: nothing says what it held at the point"
            )
        reach = max(since, self._point.now - RETENTION)
        if reach > earliest:
            raise SourceUntold(
                f"the stream of {self._shape.table} reaches back to {reach.isoformat()}, and not to the point: "
                "compare with an export"
            )
