"""A restored table that DescribeTable does not show at once is described once more before the restore has failed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from orchestrator.domain.recovery.restored_table import RestoredTable, RestoreFailed
from orchestrator.tasks.recovery import await_restore
from tests.samples import NOW, recovery, restored_tables


class Restores:
    """DescribeTable, which does not see the table for some reads."""

    def __init__(self, unseen: int) -> None:
        self.unseen, self.reads = unseen, 0

    def describe_restore(self, table: str):
        self.reads += 1
        if self.reads <= self.unseen:
            return None
        source, found = restored_tables("dr-1")[0], recovery(id="dr-1")
        return RestoredTable(
            arn=f"arn:aws:dynamodb:us-west-1:1:table/{table}",
            active=False,
            in_progress=True,
            source_arn=source.source_arn,
            point=found.point,
            created_at=found.requested_at,
        )

    def tag_table(self, _arn, _tags) -> bool:
        return True


def check(unseen: int):
    pauses: list[float] = []
    cloud = SimpleNamespace(table_restores=Restores(unseen), sleep=pauses.append, now=lambda: NOW)
    tables = restored_tables("dr-1")
    found = recovery(id="dr-1", tables=tables)
    return await_restore._check_table(found, tables[0], cloud) == found, pauses


def test_a_table_that_is_seen_at_the_second_read_is_not_missing():
    assert check(unseen=1) == (True, [await_restore.READ_AGAIN_SECONDS])


def test_a_table_that_is_there_is_read_once():
    assert check(unseen=0) == (True, [])


def test_a_table_that_is_not_there_twice_is_missing():
    with pytest.raises(RestoreFailed):
        check(unseen=2)
