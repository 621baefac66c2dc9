"""A drill of provisioned tables under load: their clients are throttled by none of its reads, and nothing of it is left.

Clients use 70 % of the capacity, which is what autoscaling lets them use, and have no burst. The reads of the drill
are those of its real adapters, on simulated time. What clients meet is judged by the local cloud's model of capacity.
"""

from __future__ import annotations

import pytest

from orchestrator.application.cloud import Cloud
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from orchestrator.local.emulator.dynamodb.capacity_bucket import CapacityBucket
from state_machines import definitions
from tests.fakes.errors import client_error
from tests.fakes.exports import FakeExports
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.restores import RestoreWorld, restore_machines
from tests.workflow.world import Scenario, function_arns, inhabited, raised

READ_UNITS, CLIENT_SHARE = 50, 0.7
ITEMS, ITEM_BYTES, FAMILIES = 900, 8000, 200
GB = 10**9


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def scale(world, size_bytes):
    """Provision and scale both tables."""
    for table in (STATE, TOKENS):
        world.tables.tables[table].description |= {
            "BillingModeSummary": {"BillingMode": "PROVISIONED"},
            "ProvisionedThroughput": {"ReadCapacityUnits": READ_UNITS, "WriteCapacityUnits": 20},
            "TableSizeBytes": size_bytes,
            "ItemCount": ITEMS,
        }
        for dimension in ("ReadCapacityUnits", "WriteCapacityUnits"):
            where = {
                "ServiceNamespace": "dynamodb",
                "ResourceId": f"table/{table}",
                "ScalableDimension": f"dynamodb:table:{dimension}",
            }
            world.scaling.register_scalable_target(**where, MinCapacity=20, MaxCapacity=4000)
            world.scaling.put_scaling_policy(
                **where, PolicyName=f"{table}-{dimension}", TargetTrackingScalingPolicyConfiguration={"TargetValue": 70}
            )


def provision(world, size_bytes=ITEMS * ITEM_BYTES):
    """Provision and scale both tables, and fill them; the tokens table has families that a restore has to judge."""
    scale(world, size_bytes)
    for table in (STATE, TOKENS):
        for number in range(ITEMS):
            world.contents.put(table, {"pk": {"S": f"large {number:04}"}, "v": {"S": "x" * (ITEM_BYTES - 40)}})
    world.clock.advance(3600)
    later = str(int(world.clock.now().timestamp()) + 30 * 86400)
    for number in range(FAMILIES):
        world.rows.put_item(
            TableName=TOKENS,
            Item={
                "pk": {"S": f"family#{number:04}"},
                "client_id": {"S": "app"},
                "epoch": {"N": "0"},
                "generation": {"N": "1"},
                "refresh_hash": {"S": "h"},
                "expires_at": {"N": later},
            },
        )


def meter_gets(world):
    """Meter what reads the families of the source."""
    plain = world.rows.batch_get_item

    def batch_get_item(**params):
        for table, keys in params["RequestItems"].items():
            units = len(keys["Keys"]) * (1 if keys.get("ConsistentRead") else 0.5)
            world.contents.consumed.append((world.clock.now(), table, units))
        return plain(**params)

    world.rows.batch_get_item = batch_get_item


def drill(interpreter, name, *, size_bytes=ITEMS * ITEM_BYTES, **policy):
    with drilled(DrillWorld(interpreter, **policy)) as world:
        provision(world, size_bytes)
        meter_gets(world)
        world.drill(name)
    return world, world.recovery(name)


def throttled_clients(world, table):
    """How many requests of clients are throttled from the drill's first read to its last, and how many there are."""
    reads = sorted((at, units) for at, name, units in world.contents.consumed if name == table)
    begun = reads[0][0]
    now = 0.0
    bucket = CapacityBucket(0, lambda: now, burst_seconds=1)  # AWS guarantees no burst
    waiting = [((at - begun).total_seconds() + 1, units) for at, units in reads]
    count, throttled, interval = 0, 0, 1 / (READ_UNITS * CLIENT_SHARE)
    last = waiting[-1][0] + 5
    while now < last:
        now += interval
        while waiting and waiting[0][0] <= now:
            bucket.admits(READ_UNITS)
            bucket.consume(waiting.pop(0)[1])
        count += 1
        if bucket.admits(READ_UNITS):
            bucket.consume(1)
        else:
            throttled += 1
    return throttled, count


@pytest.mark.parametrize(("name", "whole_items"), [("dr-whole", 200_000), ("dr-segments", 100)])
def test_clients_are_not_throttled_by_a_drill(interpreter, name, whole_items):
    world, recovery = drill(interpreter, name, whole_items=whole_items)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    for table in (STATE, TOKENS):
        throttled, count = throttled_clients(world, table)
        assert count > 1000
        assert throttled == 0


def test_they_would_be_without_a_pace(interpreter, monkeypatch):
    """What the test above would miss otherwise: at full speed the same reads throttle clients."""
    monkeypatch.setattr(Cloud, "read_pace", lambda *_, **__: None)
    world, recovery = drill(interpreter, "dr-full-speed")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert throttled_clients(world, STATE)[0] > 100


def test_tables_that_are_too_large_for_their_capacity_are_exported_and_not_read(interpreter):
    world, recovery = drill(interpreter, "dr-large", size_bytes=10 * GB, max_cost_usd=100)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert all(table.by_export for table in recovery.tables)
    scanned = {params["TableName"] for operation, params in world.contents.read if operation == "Scan"}
    assert scanned == {table.target for table in recovery.tables}
    assert throttled_clients(world, TOKENS)[0] == 0  # what its families are looked up with


def test_the_tables_of_a_drill_are_on_demand_and_nothing_of_their_scaling_is_left(interpreter):
    changed = []
    with drilled(DrillWorld(interpreter)) as world:
        provision(world)
        update = world.tables.update_table
        world.tables.update_table = lambda **params: changed.append(params) or update(**params)
        world.drill("dr-scaled")
    recovery = world.recovery("dr-scaled")
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    billing = [one for one in recovery.check_results if one.check.endswith(".billing")]
    assert [one.figures for one in billing] == [
        {"expected": {"mode": "PAY_PER_REQUEST"}, "found": {"mode": "PAY_PER_REQUEST"}}
    ] * 2
    assert not any("BillingMode" in params or "ProvisionedThroughput" in params for params in changed)
    assert {resource for resource, *_ in world.scaling.targets} == {f"table/{STATE}", f"table/{TOKENS}"}
    assert {resource for resource, *_ in world.scaling.policies} == {f"table/{STATE}", f"table/{TOKENS}"}
    assert world.copies() == set()


@pytest.fixture(scope="module")
def restoring():
    with restore_machines() as moto:
        yield moto


class Provisioned(RestoreWorld):
    """A restore of provisioned tables. It notes the state in which a table's capacity is changed."""

    def __init__(self, interpreter, name, scenario=None, *, size_bytes=100_000, failing="", **policy):
        super().__init__(interpreter, name, scenario, self.watch, **policy)
        scale(self, size_bytes)
        self.failing, self.state, self.changed = failing, "", []
        update = self.tables.update_table
        self.tables.update_table = lambda **params: self.note(params) or update(**params)

    def watch(self, invocation, run):
        self.state = invocation.state
        if invocation.state == self.failing:
            return raised("AccessDeniedException", "not authorized")
        return run()

    def note(self, params):
        if "BillingMode" in params or "ProvisionedThroughput" in params:
            self.changed.append((self.state, params["TableName"], params["BillingMode"]))

    def modes(self):
        """The billing modes of the restored tables, and how often each is scaled."""
        targets = [table.target for table in self.recovery.tables]
        return {
            (
                self.tables.tables[name].description["BillingModeSummary"]["BillingMode"],
                sum(resource == f"table/{name}" for resource, _ in self.scaling.targets),
            )
            for name in targets
        }

    def capacity(self):
        """Outcome and weight of the checks of capacity."""
        found = [one for one in self.recovery.check_results if one.check.endswith((".billing", ".autoscaling"))]
        return {(one.verdict.outcome, one.decides) for one in found}


def test_restored_tables_get_their_capacity_once_the_service_uses_them(restoring):
    world = Provisioned(restoring, "re-provisioned")
    with inhabited(world):
        world.restore()
    recovery = world.recovery
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert {(state, mode) for state, _, mode in world.changed} == {("ReapplyCapacity", "PROVISIONED")}
    assert world.modes() == {("PROVISIONED", 2)}
    assert world.capacity() == {(Outcome.PASS, True)}
    # The access block of the source is not taken over with its capacity.
    assert not any(world.table_access.closed(table.target) for table in recovery.tables)


def test_tables_that_do_not_come_into_use_stay_on_demand(restoring):
    world = Provisioned(restoring, "re-not-used", Scenario({100: Outcome.FAIL}, changed=False))
    with inhabited(world):
        world.restore()
        world.settle()
    assert world.recovery.outcome is RecoveryOutcome.FAILED
    assert (world.changed, world.modes()) == ([], {("PAY_PER_REQUEST", 0)})


def test_capacity_that_cannot_be_set_is_reported_while_the_service_uses_the_tables(restoring):
    world = Provisioned(restoring, "re-no-capacity", failing="ReapplyCapacity")
    with inhabited(world):
        world.restore()
    assert world.recovery.in_use
    assert "not authorized" in world.recovery.reason
    assert world.modes() == {("PAY_PER_REQUEST", 0)}


@pytest.mark.parametrize(
    ("how", "outcome", "why"),
    [
        ("in time", Outcome.PASS, ""),
        ("too late", Outcome.INCONCLUSIVE, "its export is not complete"),
        ("failed", Outcome.INCONCLUSIVE, "its export is not complete"),
        ("not allowed", Outcome.INCONCLUSIVE, "its export is not complete"),
    ],
)
def test_a_large_source_is_compared_by_an_export_and_a_restore_waits_for_none(restoring, how, outcome, why):
    world = Provisioned(restoring, f"re-large-{how.replace(' ', '-')}", size_bytes=10 * GB, max_cost_usd=100)
    seconds = 10 * 3600 if how == "too late" else 300
    exports = FakeExports(world.clock.now, world.contents.held, world.clients["s3"].objects, seconds)
    exports.fails = "no bucket" if how == "failed" else ""
    world.clients["dynamodb"] = WithExports(exports, world.clients["dynamodb"], allowed=how != "not allowed")
    with inhabited(world):
        world.restore()
    recovery = world.recovery
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    content = [one for one in recovery.check_results if one.check.startswith("content.")]
    assert [one.verdict.outcome for one in content] == [outcome, outcome]
    assert all(why in one.verdict.reason for one in content)
    assert [one.decides for one in content] == [outcome is Outcome.PASS] * 2
    scanned = {params["TableName"] for operation, params in world.contents.read if operation == "Scan"}
    assert scanned & {STATE, TOKENS} == set()


class WithExports:
    """A DynamoDB client that exports, too, or is not allowed to."""

    def __init__(self, exports, client, *, allowed):
        self.exports, self.client, self.allowed = exports, client, allowed

    def __getattr__(self, operation):
        return getattr(self.client, operation)

    def export_table_to_point_in_time(self, **params):
        if not self.allowed:
            raise client_error("AccessDeniedException", "not authorized to perform s3:PutObjectAcl")
        return self.exports.export_table_to_point_in_time(**params)

    def describe_export(self, **params):
        return self.exports.describe_export(**params)
