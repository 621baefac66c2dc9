"""Late writes: read from a table's stream, and replayed onto the other table without overwriting other writes."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.aws.dynamodb.late_writes import CONFLICTS, DENIALS, LateWrites
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.deployment.late_writes import LateChange, ReplayAction, ReplayRules
from orchestrator.domain.errors import PolicyNotEffective, SourceStateUnknown, TablesOutOfSync
from tests.fakes.tables import Tables
from tests.fakes.wired import Wired
from tests.samples import NOW

TABLE = "ib-oauth-tokens-test"
RULES = ReplayRules()


def item(key: str = "family#f", generation: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "pk": {"S": key},
        "client_id": {"S": "native"},
        "epoch": {"N": "0"},
        "generation": {"N": str(generation)},
        **more,
    }


@pytest.fixture
def tables():
    return Tables(TABLE)


@pytest.fixture
def slept():
    return []


@pytest.fixture
def wired(tables):
    return Wired(tables)


@pytest.fixture
def late(wired, slept):
    return LateWrites(None, None, wired, sleep=slept.append)  # type: ignore[arg-type]


def held(tables):
    return {found["pk"]["S"]: found for found in tables.scan(TableName=TABLE)["Items"]}


def replay(late, *states, key: str = "family#f", rules: ReplayRules = RULES):
    with late.replaying(TABLE) as run:
        return run(LateChange(key, states), rules)


def test_a_late_write_is_made_once_and_a_repetition_changes_nothing(late, tables):
    assert replay(late, None, item(), rules=ReplayRules(epoch_shift=1)) is ReplayAction.WRITE
    assert held(tables) == {"family#f": item(epoch={"N": "1"})}
    assert replay(late, None, item(), rules=ReplayRules(epoch_shift=1)) is ReplayAction.ALREADY
    assert replay(late, item(), item(generation=2), rules=ReplayRules(epoch_shift=1)) is ReplayAction.WRITE
    assert held(tables) == {"family#f": item(generation=2, epoch={"N": "1"})}
    assert replay(late, item(generation=2), None) is ReplayAction.DELETE
    assert held(tables) == {}


def test_a_revocation_is_made_with_the_first_cause_and_not_of_what_is_not_there(late, tables):
    tables.put_item(TableName=TABLE, Item=item(generation=7))
    revoked = item(revoked_because={"S": "reuse"})
    assert replay(late, item(), revoked) is ReplayAction.REVOKE
    assert held(tables)["family#f"]["revoked_because"] == {"S": "request"}
    assert replay(late, item(), revoked) is ReplayAction.KEEP_REVOKED
    assert replay(late, None, revoked | {"pk": {"S": "family#g"}}, key="family#g") is ReplayAction.KEEP_REVOKED
    assert set(held(tables)) == {"family#f"}


@pytest.mark.parametrize(("there", "expected"), [(None, "6"), ("5", "6"), ("9", "9")])
def test_an_epoch_is_raised_and_never_lowered(late, tables, there, expected):
    if there:
        tables.put_item(TableName=TABLE, Item={"pk": {"S": "epoch"}, "epoch": {"N": there}})
    raised = {"pk": {"S": "epoch"}, "epoch": {"N": "5"}}
    assert replay(late, None, raised, key="epoch", rules=ReplayRules(epoch_shift=1)) is ReplayAction.RAISE_EPOCH
    assert held(tables)["epoch"]["epoch"] == {"N": expected}


class Meddling(Wired):
    """A connection before whose writes another writer is faster, some times."""

    def __init__(self, client: Any, times: int) -> None:
        super().__init__(client)
        self._client_of_another, self._times = client, times

    def call(self, operation: str, params: Any, decode: Any) -> Any:
        if operation != "GetItem" and self._times:
            self._times -= 1
            self._client_of_another.put_item(TableName=TABLE, Item=item(generation=100 + self._times))
        return super().call(operation, params, decode)


def test_what_another_writer_wrote_meanwhile_is_not_overwritten(tables, slept):
    late = LateWrites(None, None, Meddling(tables, 1), sleep=slept.append)  # type: ignore[arg-type]
    assert replay(late, None, item()) is ReplayAction.KEEP
    assert held(tables)["family#f"] == item(generation=100)


def test_an_item_that_changes_all_the_time_is_an_error(tables, slept):
    late = LateWrites(None, None, Meddling(tables, 10 * CONFLICTS), sleep=slept.append)  # type: ignore[arg-type]
    with pytest.raises(TablesOutOfSync):
        replay(late, item(generation=1), item(generation=2), rules=ReplayRules(authoritative=True))


class Denying(Wired):
    """A connection to hosts of which the first ones still deny."""

    def __init__(self, client: Any, denials: int, code: str = "AccessDeniedException") -> None:
        super().__init__(client)
        self.denials, self._code, self.closed = denials, code, 0

    def call(self, operation: str, params: Any, decode: Any) -> Any:
        if self.denials:
            self.denials -= 1
            raise DynamoDBError(self._code)
        return super().call(operation, params, decode)

    def close(self) -> None:
        self.closed += 1


def test_a_host_that_still_denies_is_left_for_another_one(tables, slept):
    wire = Denying(tables, 3)
    late = LateWrites(None, None, wire, sleep=slept.append)  # type: ignore[arg-type]
    assert replay(late, None, item()) is ReplayAction.WRITE
    assert (len(slept), wire.closed) == (3, 3 + 1)


def test_a_table_that_denies_for_long_is_not_effective_yet_and_another_error_is_one(tables, slept):
    late = LateWrites(None, None, Denying(tables, 10 * DENIALS), sleep=slept.append)  # type: ignore[arg-type]
    with pytest.raises(PolicyNotEffective):
        replay(late, None, item())
    assert len(slept) == DENIALS
    late = LateWrites(None, None, Denying(tables, 1, "ValidationException"), sleep=slept.append)  # type: ignore[arg-type]
    with pytest.raises(DynamoDBError):
        replay(late, None, item())


@pytest.mark.parametrize(
    ("stream", "began"), [("", None), ("arn", NOW + timedelta(seconds=1)), ("arn", NOW - timedelta(hours=1))]
)
def test_late_writes_are_known_only_if_the_stream_covers_the_block(slept, stream, began):
    described = SimpleNamespace(describe=lambda _: SimpleNamespace(stream=stream, stream_since=began))
    streams = SimpleNamespace(writes_since=lambda *call: iter([call]))
    late = LateWrites(described, streams, None, sleep=slept.append)  # type: ignore[arg-type]
    if began is None or began > NOW:
        with pytest.raises(SourceStateUnknown, match="covers its block"):
            late.read(TABLE, NOW, 5, {})
    else:
        assert late.read(TABLE, NOW, 5, {"shard": 7}) == ([("arn", NOW, 5, {"shard": 7})], {"shard": 7})
