"""Logins whose revocation only the log has: they end, and how long that takes follows from the log's new entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.application.restored_tables import logged_revocations
from orchestrator.application.restored_tables.logged_revocations import LOG, end_logged, read_log_entries
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.deployment.late_writes import LateWrite, ReplayProgress
from orchestrator.domain.errors import SourceStateUnknown
from orchestrator.domain.recovery.token_sanitization import client_digest
from orchestrator.local.emulator.dynamodb.capacity_bucket import CapacityBucket
from tests.fakes.clock import SimulatedClock
from tests.fakes.tables import Tables
from tests.samples import seconds

TABLE, REVOCATIONS = "ib-oauth-tokens-test", "ib-oauth-revocations-test"
READ_UNITS, CLIENT_SHARE = 50, 0.7


def family(name: str, **more: Any) -> dict[str, Any]:
    return {
        "pk": {"S": name if "#" in name else f"family#{name}"},
        "client_id": {"S": "native"},
        "epoch": {"N": "1"},
        "generation": {"N": "1"},
        "refresh_hash": {"S": f"hash of {name}"},
        "expires_at": {"N": "4000000000"},
        **more,
    }


class Metered:
    """A client that notes its reads of the tokens table, with the units that they consume."""

    def __init__(self, tables: Tables, now: Any) -> None:
        self.tables, self._now = tables, now
        self.reads: list[tuple[float, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tables, name)

    def batch_get_item(self, **params: Any) -> Any:
        answer = self.tables.batch_get_item(**params)
        if request := params["RequestItems"].get(TABLE):
            self._note(len(request["Keys"]) * (1 if request["ConsistentRead"] else 0.5), answer)
        return answer

    def scan(self, **params: Any) -> Any:
        answer = self.tables.scan(**params)
        if params["TableName"] == TABLE:
            self._note(max(1, len(answer["Items"])) * (1 if params["ConsistentRead"] else 0.5), answer)
        return answer

    def _note(self, units: float, answer: Any) -> None:
        self.reads.append((self._now().timestamp(), units))
        answer["ConsumedCapacity"] = {"CapacityUnits": units}


class Log:
    """The stream of the revocation log, one shard. Each entry is read once."""

    def __init__(self) -> None:
        self.entries: list[LateWrite] = []
        self.error: Exception | None = None

    def add(self, key: str, *, after: Any = True) -> None:
        number, at = len(self.entries), SimulatedClock().now()
        self.entries.append(LateWrite("shard", number, at, key, None, {"pk": {"S": key}} if after else None))

    def read_past(self, table: str, positions: Any, _is_over: Any) -> Any:
        assert (table, positions) == (REVOCATIONS, {})
        return ({"shard": self.entries[-1].number} if self.entries else {}), True

    def read_late_writes(
        self, table: str, _since: Any, _delay: float, positions: Any, at_most: int, _is_over: Any
    ) -> Any:
        assert table == REVOCATIONS
        if self.error:
            raise self.error
        new = [entry for entry in self.entries if entry.number > positions.get("shard", -1)][:at_most]
        return new, {"shard": new[-1].number} if new else positions


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def tables():
    return Tables(TABLE, REVOCATIONS)


@pytest.fixture
def metered(tables, clock):
    return Metered(tables, clock.now)


@pytest.fixture
def log():
    return Log()


def compare(log, metered, clock, progress=ReplayProgress(), *, is_over=lambda: False, written=(), **more):  # noqa: B008
    cloud: Any = SimpleNamespace(late_writes=log, now=clock.now)
    since = more.pop("since", clock.now() - timedelta(minutes=30))
    entries = read_log_entries(cloud, REVOCATIONS, since, progress, seconds(5), is_over)
    tokens = RestoredTokens(metered, TABLE, "source", REVOCATIONS, sleep=clock.advance)
    return end_logged(tokens, entries, written, progress, is_over, **more)


def alive(tables):
    items = tables.scan(TableName=TABLE)["Items"]
    return {item["pk"]["S"].replace("family#", "") for item in items if "revoked_because" not in item}


def test_new_entries_of_the_log_end_the_families_that_they_list_and_no_others(log, metered, clock, tables):
    for name in ("kept", "revoked", "disowned", "of-another", "old", "synthetic#family#revoked"):
        tables.put_item(TableName=TABLE, Item=family(name))
    for key in (
        "revoked#revoked", "revoked#never-there", "epoch", "synthetic#revoked#other",
        f"disowned#disowned#{client_digest('native')}", f"disowned#of-another#{client_digest('another')}",
    ):  # fmt: skip
        log.add(key)
    log.add("revoked#old", after=False)  # its time to live is over
    progress = compare(log, metered, clock)
    assert alive(tables) == {"kept", "of-another", "old", "synthetic#revoked"}
    assert (progress.complete, progress.positions_of(LOG)) == (True, {"shard": 6})
    log.add("synthetic#revoked#revoked")
    compare(log, metered, clock, progress)
    assert "synthetic#revoked" not in alive(tables)


def test_a_family_that_the_replay_wrote_is_looked_up_in_the_log_once_more(log, metered, clock, tables):
    """Its entry may be older than those that this pass reads."""
    tables.put_item(TableName=TABLE, Item=family("late"))
    tables.put_item(TableName=REVOCATIONS, Item={"pk": {"S": "revoked#late"}})
    compare(log, metered, clock)
    assert alive(tables) == {"late"}
    compare(log, metered, clock, written=[("late", "native")])
    assert alive(tables) == set()


def test_the_number_of_reads_does_not_grow_with_the_table(log, metered, clock, tables):
    reads = []
    for number in range(3):
        log.add(f"revoked#{number}")
    for families in (10, 1000):
        for number in range(families):
            tables.put_item(TableName=TABLE, Item=family(f"{number}"))
        metered.reads.clear()
        compare(log, metered, clock)
        reads.append(sum(units for _, units in metered.reads))
    assert reads == [3, 3]


def test_entries_that_are_left_are_read_by_the_next_pass(log, metered, clock, tables, monkeypatch):
    monkeypatch.setattr(logged_revocations, "MOST_ENTRIES", 2)
    for name in ("a", "b", "c"):
        tables.put_item(TableName=TABLE, Item=family(name))
        log.add(f"revoked#{name}")
    progress = compare(log, metered, clock)
    assert (progress.complete, alive(tables)) == (False, {"c"})
    progress = compare(log, metered, clock, replace(progress, behind=False))
    assert (progress.complete, alive(tables)) == (True, set())


@pytest.fixture
def forty(tables, monkeypatch):
    """Forty families that were revoked a day ago, in a table whose comparison with the log takes some passes."""
    monkeypatch.setattr("orchestrator.aws.oauth_tables.restored_tokens.PAGE_ITEMS", 5)
    for number in range(40):
        tables.put_item(TableName=TABLE, Item=family(f"{number}"))
        tables.put_item(TableName=REVOCATIONS, Item={"pk": {"S": f"revoked#{number}"}})


def test_without_a_stream_the_table_is_compared_from_where_the_pass_before_stopped(log, metered, clock, tables, forty):
    log.error = SourceStateUnknown("no stream")
    progress, left = ReplayProgress(), [40]
    while left[1:] == [] or not progress.complete:
        progress = compare(log, metered, clock, progress, is_over=lambda: True)
        left.append(len(alive(tables)))
    assert left == sorted(set(left), reverse=True), "each pass goes on"
    assert (len(left) > 2, left[-1]) == (True, 0)
    metered.reads.clear()
    compare(log, metered, clock, progress)
    assert metered.reads, "the next pass compares all of it again"


def test_a_restore_of_more_than_a_day_compares_the_table_once_and_then_new_entries_only(
    log, metered, clock, tables, forty
):
    log.add("revoked#0")
    progress = compare(log, metered, clock, is_over=lambda: True, since=clock.now() - timedelta(hours=30))
    log.add("revoked#late")
    while not progress.complete:
        tables.put_item(TableName=TABLE, Item=family("late"))
        progress = replace(progress, behind=False)
        progress = compare(log, metered, clock, progress, since=clock.now() - timedelta(hours=30))
    assert alive(tables) == set()
    metered.reads.clear()
    compare(log, metered, clock, progress, since=clock.now() - timedelta(hours=30))
    assert metered.reads == []


def throttled_clients(reads):
    """How many of the clients' requests are throttled, who use 70 % of the units and have no burst."""
    now = 0.0
    bucket = CapacityBucket(0, lambda: now, burst_seconds=1)
    waiting = [(at - reads[0][0] + 1, units) for at, units in reads]
    last, throttled, interval = waiting[-1][0] + 5, 0, 1 / (READ_UNITS * CLIENT_SHARE)
    while now < last:
        now += interval
        while waiting and waiting[0][0] <= now:
            bucket.admits(READ_UNITS)
            bucket.consume(waiting.pop(0)[1])
        if bucket.admits(READ_UNITS):
            bucket.consume(1)
        else:
            throttled += 1
    return throttled


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("paced", [True, False])
def test_clients_of_a_table_with_few_read_units_are_not_throttled(log, metered, clock, tables, streamed, paced):
    for number in range(400):
        tables.put_item(TableName=TABLE, Item=family(f"{number:04}"))
        log.add(f"revoked#{number:04}")
    log.error = None if streamed else SourceStateUnknown("no stream")
    pace = ReadPace(READ_UNITS * 0.2, clock=lambda: clock.now().timestamp(), sleep=clock.advance) if paced else None
    progress = compare(log, metered, clock, pace=lambda: pace)
    assert progress.complete
    assert (throttled_clients(metered.reads) == 0) is paced
