"""The tables of an account: all of their names, what each costs to keep, and the scaling that would outlive them."""

from __future__ import annotations

import pytest

from orchestrator.aws.dynamodb.table_inventory import TableInventory
from orchestrator.domain.recovery.unused_tables import TableFacts
from tests.fakes.clock import SimulatedClock
from tests.fakes.errors import client_error
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.scaling import FakeScaling

READS, INDEX_WRITES = "dynamodb:table:ReadCapacityUnits", "dynamodb:index:WriteCapacityUnits"


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def tables(clock):
    return RestorableTables(clock.now)


@pytest.fixture
def scaling():
    return FakeScaling()


@pytest.fixture
def inventory(tables, scaling):
    return TableInventory(tables, lambda: scaling)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_the_tables_of_all_pages_are_listed_in_the_order_of_their_names(tables, inventory, count):
    for number in reversed(range(count)):
        tables.add(f"wanted-{number}")
        tables.add(f"{number}-other")
    assert inventory.list_tables(lambda name: name.startswith("wanted")) == [f"wanted-{one}" for one in range(count)]


def test_a_table_is_described_with_its_indexes(tables, inventory, clock):
    index = {"IndexName": "by-day", "IndexSizeBytes": 5, "ProvisionedThroughput": units(3, 4)}
    tables.add("t", GlobalSecondaryIndexes=[index], ProvisionedThroughput=units(1, 2))
    assert inventory.describe("t") == TableFacts("t", clock.now(), 1_000_005, 1000, read_units=4, write_units=6)
    tables.add("on-demand")
    assert inventory.describe("on-demand") == TableFacts("on-demand", clock.now(), 1_000_000, 1000)


def units(reads, writes):
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}


def test_a_table_that_is_not_there_is_none_and_one_that_may_not_be_seen_is_an_error(tables, inventory, monkeypatch):
    assert inventory.describe("none") is None

    def refuse(**_):
        raise client_error("AccessDeniedException")

    monkeypatch.setattr(tables, "describe_table", refuse)
    with pytest.raises(Exception, match="AccessDenied"):
        inventory.describe("none")


def test_whether_a_table_has_point_in_time_recovery_is_read(tables, inventory):
    tables.add("on")
    tables.add("off").recovery_days = 0
    assert [inventory.has_point_in_time_recovery(name) for name in ("on", "off")] == [True, False]


def test_the_scalable_targets_of_a_table_and_of_its_indexes_are_deregistered_and_no_other(tables, inventory, scaling):
    tables.add("t", GlobalSecondaryIndexes=[{"IndexName": "by-day"}])
    tables.add("t2")
    for resource, dimension in (("table/t", READS), ("table/t/index/by-day", INDEX_WRITES), ("table/t2", READS)):
        target = {"ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension}
        scaling.register_scalable_target(**target)
        scaling.put_scaling_policy(**target, PolicyName="tracking")
    assert inventory.deregister_scaling("t") == 2
    assert list(scaling.targets) == [("table/t2", READS)]
    assert list(scaling.policies) == [("table/t2", READS, "tracking")]
    assert inventory.deregister_scaling("t") == 0
