"""Records of this region and of copied ledgers in one table, or as JSON: a record of another region names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from orchestrator.application.failover.copied_ledgers import Recorded
from orchestrator.cli.rendering.output import TextTable, text_table

T = TypeVar("T")

COLUMN = "recorded in"
"""The column of the region. A table in which all rows are of this region has none."""


def recorded_table(
    columns: Sequence[str], listed: Sequence[Recorded[T]], row: Callable[[T], Sequence[Any]], unwrapped: Sequence[str]
) -> TextTable:
    """Return the table of some records.

    Args:
        columns: their headings, without that of the region.
        listed: the records.
        row: the cells of a record.
        unwrapped: columns that never wrap.
    """
    rows = [tuple(row(one.record)) for one in listed]
    if any(one.region for one in listed):
        rows = [(*cells, one.region) for cells, one in zip(rows, listed, strict=True)]
        columns = (*columns, COLUMN)
    return text_table(columns, rows, unwrapped)


def recorded_json(one: Recorded[T], document: object) -> dict[str, Any]:
    """Return the JSON of a record, with `recorded_in` if another region recorded it.

    Args:
        one: the record.
        document: what is shown of it.
    """
    fields: dict[str, Any] = msgspec.to_builtins(document)
    return {**fields, "recorded_in": one.region} if one.region else fields
