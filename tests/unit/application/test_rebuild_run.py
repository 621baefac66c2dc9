"""The tables of a rebuild: complete before they are used, and without a log that does not exist yet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from orchestrator.application.rebuild.run import Rebuild
from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.oauth_tables.restored_tokens import EPOCH_KEY, RestoredTokens
from orchestrator.domain.configuration.normalization import Part
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot
from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.rebuild.plan import PlannedTable, RebuildPlan, TableSource
from orchestrator.domain.rebuild.result import RebuildResult
from tests.fakes.clock import SimulatedClock
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.s3 import FakeS3
from tests.fakes.tables import Tables
from tests.samples import NOW

# The evaluator's tables are all one process's: no other test may make this log.
ENVIRONMENT = "rebuilt"
TOKENS, LOG = f"ib-oauth-tokens-{ENVIRONMENT}", f"ib-oauth-revocations-{ENVIRONMENT}"
BACKUP = f"arn:aws:dynamodb:us-west-1:123456789012:table/{TOKENS}/backup/1"


class _Restores:
    """DynamoDB's control plane: a restored table is ACTIVE at once, and complete after `rounds` descriptions."""

    def __init__(self, rounds: int, *, gone: bool) -> None:
        self.rounds, self.gone, self.described = rounds, gone, 0

    def restore_table_from_backup(self, *, BackupArn: str, **_request: str) -> None:  # noqa: N803
        if self.gone:
            raise client_error("BackupNotFoundException", BackupArn)

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


def restore(log: TableSource, rows: Tables, rounds: int = 0, *, gone: bool = False) -> _Restores:
    """Restore the tables of a plan."""
    clock, restores = SimulatedClock(), _Restores(rounds, gone=gone)
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
    with pytest.raises(RestoreFailed, match=f"{LOG}: retained when rb-1 was planned, and gone now: .*--abandon"):
        restore(TableSource.RETAINED, Tables(TOKENS))


def test_a_backup_that_is_gone_stops_the_rebuild():
    with pytest.raises(RestoreFailed, match=f"its backup {BACKUP} is gone: .*--abandon"):
        restore(TableSource.EMPTY, Tables(TOKENS), gone=True)


class _Ended:
    """The records of rebuilds: the results."""

    def __init__(self) -> None:
        self.results: list[RebuildResult] = []

    def end(self, result: RebuildResult) -> None:
        self.results.append(result)


def snapshot(content: str) -> ConfigurationSnapshot:
    part = Part("stack", "s", {"template": content})
    return ConfigurationSnapshot(ENVIRONMENT, "123456789012", "r", NOW, "test", (part,))


@pytest.mark.parametrize(("status", "recorded"), [(200, True), (503, False)])
def test_a_rebuild_ends_with_its_differences_once_the_service_is_healthy(status, recorded):
    """A repetition could not remove a difference; it would continue an old plan after the next disaster."""
    artifacts = ArtifactStore({"s3": FakeS3(), "dynamodb": FakeDynamoDB()}.__getitem__, "ledger", "bucket")
    before = artifacts.put_configuration(snapshot("before"))
    clock, ended = SimulatedClock(), _Ended()
    cloud = SimpleNamespace(
        now=clock.now,
        sleep=clock.advance,
        artifacts=artifacts,
        clients={"kms": None}.__getitem__,
        configuration=lambda _why: snapshot("after"),
        http=SimpleNamespace(send=lambda *_: SimpleNamespace(status=status)),
    )
    begun = replace(plan(TableSource.EMPTY), tables=(), snapshot_key=before.key, snapshot_sha256=before.sha256)
    stacks = SimpleNamespace(output=lambda *_: "https://api.example.com/v1")

    result = Rebuild(cloud, stacks, ended, lambda _: None, lambda _: None).run(begun, "ann")

    assert len(result.differences) == 1
    assert not result.complete
    assert ended.results == ([result] if recorded else [])


def test_a_table_is_waited_for_until_its_items_are_there():
    assert restore(TableSource.EMPTY, Tables(TOKENS), rounds=3).described == 4
