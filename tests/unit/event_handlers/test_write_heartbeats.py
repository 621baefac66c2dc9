"""The heartbeat writer: a row a second, and no heartbeat for a row that was not acknowledged."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.recovery.heartbeats import OVERLAP_SECONDS, ROUND_SECONDS, row_key
from orchestrator.event_handlers.write_heartbeats import write_heartbeats
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.samples import FUNCTIONS

TABLES = {"state": "ib-oauth-state-test", "tokens": "ib-oauth-tokens-test"}
HEARTBEATS = "ib-oauth-heartbeats-test"


class Writes:
    """A DynamoDB client that accepts writes, except those of some seconds, and those to blocked tables."""

    def __init__(self, refused=(), slow=(), sleep=None):
        self.refused, self.slow, self.sleep, self.items = set(refused), set(slow), sleep, []
        self.blocked, self.then = {}, lambda: None

    def put_item(self, *, TableName, Item):  # noqa: N803 - botocore's
        if int(Item["second"]["N"]) in self.refused:
            raise client_error("ThrottlingException", "slow down")
        if int(Item["second"]["N"]) >= self.blocked.get(TableName, float("inf")):
            self.then()
            raise client_error("AccessDeniedException", "with an explicit deny in a resource-based policy")
        self.items.append((TableName, Item))
        if TableName in TABLES.values() and int(Item["second"]["N"]) in self.slow:
            self.sleep(1.5)

    def seconds(self, table):
        return [int(item["second"]["N"]) for name, item in self.items if name == table]


@pytest.fixture
def clock():
    return SimulatedClock()


def functions(tables=TABLES):
    """The service's functions, whose environment variables name their tables."""
    plane = LambdaControlPlane()
    for name in FUNCTIONS:
        plane.add(f"ib-oauth-{name}-test", Environment={"Variables": variables_of(tables)})
    return plane


def variables_of(tables):
    return {f"{role.upper()}_TABLE": table for role, table in tables.items()}


def run(clock, client, plane=None):
    clients = {"dynamodb": client, "lambda": plane or functions()}
    cloud = cloud_over(clients, clock.now, {**SETTINGS, "HEARTBEATS_TABLE": HEARTBEATS})
    vars(cloud)["sleep"] = clock.advance
    return write_heartbeats({}, cloud)


def test_every_second_of_a_minute_is_written_to_every_table_when_it_begins(clock):
    began, client = int(clock.now().timestamp()), Writes()
    run(clock, client)
    seconds = list(range(began + 1, began + ROUND_SECONDS + OVERLAP_SECONDS))
    for table in TABLES.values():
        assert client.seconds(table) == seconds
    assert sorted(client.seconds(HEARTBEATS)) == sorted(seconds * 2)


def test_the_row_comes_before_its_heartbeat_and_both_go_by_themselves(clock):
    client = Writes()
    run(clock, client)
    (table, row), (heartbeats, heartbeat), *_ = client.items
    assert (table, heartbeats) == (TABLES["state"], HEARTBEATS)
    assert row["pk"]["S"] == row_key(int(row["second"]["N"]))
    assert heartbeat["monitored_table"]["S"] == TABLES["state"]
    assert int(row["delete_at"]["N"]) > int(row["second"]["N"]) < int(heartbeat["expires_at"]["N"])


def test_a_second_that_is_refused_is_a_gap_and_the_next_one_is_written(clock):
    refused = int(clock.now().timestamp()) + 5
    client = Writes([refused])
    assert run(clock, client).endswith("2 missed")
    assert refused not in client.seconds(HEARTBEATS)
    assert refused + 1 in client.seconds(HEARTBEATS)


def test_a_row_that_is_acknowledged_after_its_second_has_no_heartbeat(clock):
    slow = int(clock.now().timestamp()) + 5
    client = Writes(slow=[slow], sleep=clock.advance)
    answer = run(clock, client)
    assert slow in client.seconds(TABLES["state"])
    assert slow not in client.seconds(HEARTBEATS)
    # The second table's row of it came late as well, and the two seconds that went by meanwhile belong to neither.
    assert answer.endswith("2 missed")
    assert slow + 4 in client.seconds(HEARTBEATS)


def test_once_a_restore_has_closed_the_tables_those_that_clients_use_get_the_rows(clock):
    closes = int(clock.now().timestamp()) + 10
    restored = {role: f"ib-oauth-restored-re-1-{role}-test" for role in TABLES}
    client, plane = Writes(), functions()
    client.blocked = dict.fromkeys(TABLES.values(), closes)

    def cut_over():
        for name in FUNCTIONS:
            plane.change(f"ib-oauth-{name}-test", "code-1", Environment={"Variables": variables_of(restored)})
            version = plane.publish_version(FunctionName=f"ib-oauth-{name}-test")["Version"]
            plane.update_alias(FunctionName=f"ib-oauth-{name}-test", Name="live", FunctionVersion=version)

    client.then = cut_over
    assert run(clock, client, plane).endswith("2 missed")
    heartbeats = [
        (item["monitored_table"]["S"], int(item["second"]["N"])) for table, item in client.items if table == HEARTBEATS
    ]
    assert (TABLES["tokens"], closes - 1) in heartbeats
    assert (restored["tokens"], closes + 1) in heartbeats
    assert not [second for table, second in heartbeats if table in TABLES.values() and second >= closes]


def test_what_its_role_may_not_write_next_to_a_closed_table_is_an_error(clock):
    client = Writes()
    client.blocked = {HEARTBEATS: 0}
    with pytest.raises(ClientError, match="AccessDenied"):
        run(clock, client)


def test_functions_without_tables_are_refused_with_their_names(clock):
    with pytest.raises(Refused, match="no function's settings name its state, tokens table"):
        run(clock, Writes(), functions({}))


def test_no_source_of_the_tables_is_a_gap_once_it_writes_and_an_error_before(clock):
    plane, client = functions(), Writes()
    seconds = int(clock.now().timestamp())
    client.blocked = {TABLES["state"]: seconds + 5}

    def gone(**_params):
        raise Unreachable("no answer")

    client.then = lambda: setattr(plane, "get_alias", gone)
    assert "heartbeats" in run(clock, client, plane)
    with pytest.raises(Unreachable):
        run(clock, client, plane)
