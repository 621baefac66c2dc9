"""The tables of a rebuild: complete before they are used, and without a log that does not exist yet."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest

from orchestrator.application.rebuild.run import Rebuild
from orchestrator.aws.oauth_tables.restored_tokens import EPOCH_KEY, RestoredTokens
from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.rebuild.plan import PlannedTable, RebuildPlan, TableSource
from tests.fakes.clock import SimulatedClock
from tests.fakes.errors import client_error
from tests.fakes.tables import Tables

# The evaluator's tables are all one process's: no other test may make this log.
ENVIRONMENT = "rebuilt"
TOKENS, LOG = f"ib-oauth-tokens-{ENVIRONMENT}", f"ib-oauth-revocations-{ENVIRONMENT}"
BACKUP = f"arn:aws:dynamodb:us-west-1:123456789012:table/{TOKENS}/backup/1"


class _Restores:
    """DynamoDB's control plane: a restored table is ACTIVE at once, and complete after `rounds` descriptions."""

    def __init__(self, rounds: int) -> None:
        self.rounds, self.described = rounds, 0

    def restore_table_from_backup(self, **_request: str) -> None:
        """Accept it."""

    def describe_table(self, *, TableName: str) -> dict[str, object]:  # noqa: N803
        if TableName != TOKENS:
            raise client_error("ResourceNotFoundException", TableName)
        self.described += 1
        summary = {"RestoreInProgress": self.described <= self.rounds}
        return {"Table": {"TableStatus": "ACTIVE", "RestoreSummary": summary}}


class _Epochs:
    """The records of rebuilds: the first epoch stays."""

    def __init__(self) -> None:
        self.epoch = 0

    def record_epoch(self, _rebuild: str, epoch: int) -> int:
        self.epoch = self.epoch or epoch
        return self.epoch


def plan(log: TableSource) -> RebuildPlan:
    tables = (
        PlannedTable(TOKENS, TableSource.BACKUP, backup_arn=BACKUP, ends_logins=True),
        PlannedTable(LOG, log),
    )
    return RebuildPlan("rb-1", ENVIRONMENT, "cs-1", "key", "0" * 64, "0" * 64, (), tables, (), ())


def restore(log: TableSource, rows: Tables, rounds: int = 0) -> _Restores:
    """Restore the tables of a plan."""
    clock, restores = SimulatedClock(), _Restores(rounds)
    cloud = SimpleNamespace(
        clients={"dynamodb": restores}.__getitem__,
        now=clock.now,
        sleep=clock.advance,
        restored_tokens=partial(RestoredTokens, rows),
    )
    Rebuild(cloud, None, _Epochs(), lambda _: None, lambda _: None)._restore_tables(plan(log))
    return restores


def epoch_of(rows: Tables) -> int:
    return int(rows.get_item(TableName=TOKENS, Key=EPOCH_KEY)["Item"]["epoch"]["N"])


def test_without_a_log_all_logins_of_the_backup_end_by_the_epoch_of_the_backup():
    rows = Tables(TOKENS)
    rows.put_item(TableName=TOKENS, Item={**EPOCH_KEY, "epoch": {"N": "4"}})
    restore(TableSource.EMPTY, rows)
    assert epoch_of(rows) == 5


def test_a_log_that_should_be_there_and_is_not_stops_the_rebuild():
    with pytest.raises(RestoreFailed, match=f"{LOG}: not restored"):
        restore(TableSource.RETAINED, Tables(TOKENS))


def test_a_table_is_waited_for_until_its_items_are_there():
    assert restore(TableSource.EMPTY, Tables(TOKENS), rounds=3).described == 4
