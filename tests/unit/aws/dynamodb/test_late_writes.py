"""Late writes: read from a table's stream, and replayed onto the other table without overwriting other writes."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.aws.dynamodb.late_writes import CONFLICTS, DENIALS, LateWrites
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.aws.dynamodb.read_pace import ReadPace
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
            late.read_late_writes(TABLE, NOW, 5, {})
    else:
        assert late.read_late_writes(TABLE, NOW, 5, {"shard": 7}) == ([("arn", NOW, 5, {"shard": 7})], {"shard": 7})


@pytest.mark.parametrize(("over_after", "reached", "is_now"), [(99, 3, True), (2, 2, False)])
def test_what_a_stream_holds_is_read_past_as_far_as_the_time_allows(slept, over_after, reached, is_now):
    def writes_since(_stream, _since, delay, positions):
        assert delay == 0
        for number in range(positions["shard"] + 1, 4):
            positions["shard"] = number
            yield number

    described = SimpleNamespace(describe=lambda _: SimpleNamespace(stream="arn"))
    streams = SimpleNamespace(writes_since=writes_since, newest_positions=lambda _: {"shard": 0})
    late, calls = LateWrites(described, streams, None, sleep=slept.append), []  # type: ignore[arg-type]
    answer = late.read_past(TABLE, {}, lambda: calls.append(1) or len(calls) >= over_after)
    assert answer == ({"shard": reached}, is_now)
    assert late.read_past(TABLE, {"shard": 3}, lambda: False) == ({"shard": 3}, True)


def test_a_table_without_a_stream_is_not_read_past(slept):
    described = SimpleNamespace(describe=lambda _: SimpleNamespace(stream=""))
    late = LateWrites(described, None, None, sleep=slept.append)  # type: ignore[arg-type]
    with pytest.raises(SourceStateUnknown, match="has no stream"):
        late.read_past(TABLE, {}, lambda: False)


def test_reading_ends_when_the_time_is_over_and_says_how_far_it_came(slept):
    described = SimpleNamespace(describe=lambda _: SimpleNamespace(stream="arn", stream_since=NOW - timedelta(hours=1)))
    streams = SimpleNamespace(writes_since=lambda *_: iter("abc"))
    late = LateWrites(described, streams, None, sleep=slept.append)  # type: ignore[arg-type]
    assert late.read_late_writes(TABLE, NOW, 5, {}, None, lambda: True)[0] == ["a"]
    assert late.read_late_writes(TABLE, NOW, 5, {}, 2)[0] == ["a", "b"]


def test_a_replay_onto_a_table_in_use_takes_a_turn_of_its_pace_for_each_read(tables, wired, slept):
    now, waits = [0.0], []

    def wait(seconds):
        waits.append(seconds)
        now[0] += seconds

    late = LateWrites(None, None, wired, sleep=slept.append)  # type: ignore[arg-type]
    pace = ReadPace(10, clock=lambda: now[0], sleep=wait)
    with late.replaying(TABLE, pace) as run:
        for generation in range(1, 12):
            run(
                LateChange(
                    "family#f",
                    (item(generation=generation - 1) if generation > 1 else None, item(generation=generation)),
                ),
                RULES,
            )
    assert now[0] == pytest.approx(1.0)
    assert held(tables)["family#f"] == item(generation=11)
