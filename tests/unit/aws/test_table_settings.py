"""Every setting that a restore drops is put right on a copy, in as many rounds as a table takes changes."""

from __future__ import annotations

import json

import pytest

from orchestrator.aws.restoring import Restoring
from orchestrator.aws.table_settings import SettingsOfTables
from orchestrator.domain.recovery import Role
from orchestrator.domain.restored import Removal
from orchestrator.domain.table_settings import MOST_ROUNDS, TableSettings, differing, to_reapply
from tests.fakes.clock import SimulatedClock
from tests.fakes.restorable_tables import RestorableTables, arn_of
from tests.fakes.scaling import FakeScaling

SOURCE, COPY = "orders", "ib-oauth-drill-dr-1-state-test"
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"},
}


class World:
    def __init__(self, **description):
        self.clock, self.scaling = SimulatedClock(), FakeScaling()
        self.tables = RestorableTables(self.clock.now, restore_seconds=60)
        self.source = self.tables.add(SOURCE, **description)
        self.settings = SettingsOfTables(self.tables, self.scaling)
        self.restoring = Restoring(self.tables)

    def restored(self):
        point = self.restoring.source(Role.STATE, SOURCE).latest
        assert self.restoring.ask(SOURCE, COPY, point)
        self.clock.advance(61)
        return self

    def put_right(self) -> int:
        """Rounds that it takes."""
        for rounds in range(MOST_ROUNDS):
            wanted, found = self.settings.read(SOURCE), self.settings.read(COPY)
            names = to_reapply(wanted, found)
            if not names:
                return rounds
            for name in names:
                self.settings.put_right(name, COPY, wanted, found)
            self.clock.advance(10)
        raise AssertionError(differing(wanted, found))

    def scale(self, resource: str) -> None:
        where = {"ServiceNamespace": "dynamodb", "ResourceId": resource}
        where["ScalableDimension"] = f"dynamodb:{'index' if 'index' in resource else 'table'}:ReadCapacityUnits"
        self.scaling.register_scalable_target(**where, MinCapacity=5, MaxCapacity=50)
        self.scaling.put_scaling_policy(
            **where,
            PolicyName=f"{SOURCE}-read",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING,
        )


def provisioned() -> World:
    index = {
        "IndexName": "by-day",
        "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b", "a"]},
        "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
    }
    world = World(
        BillingModeSummary={"BillingMode": "PROVISIONED"},
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        GlobalSecondaryIndexes=[index],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "day")],
        TableClassSummary={"TableClass": "STANDARD_INFREQUENT_ACCESS"},
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        SSEDescription={"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": "arn:key"},
    )
    statement = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:DeleteItem", "Resource": arn_of(SOURCE)}
    world.source.policy = json.dumps({"Statement": [statement]})
    world.scale(f"table/{SOURCE}")
    world.scale(f"table/{SOURCE}/index/by-day")
    return world


def test_all_that_a_restore_drops_is_put_right():
    world = provisioned().restored()
    before = differing(world.settings.read(SOURCE), world.settings.read(COPY))
    assert set(before) == {
        "time_to_live", "recovery", "deletion_protection", "stream", "tags", "resource_policy", "autoscaling", "table_class",
        "billing",
    }  # fmt: skip
    assert world.put_right() > 1
    assert world.settings.read(COPY) == world.settings.read(SOURCE)


def test_a_policy_that_is_put_right_names_the_copy():
    world = provisioned().restored()
    world.put_right()
    (statement,) = json.loads(world.tables.tables[COPY].policy)["Statement"]
    assert statement["Resource"] == arn_of(COPY)


def test_autoscaling_that_is_put_right_is_the_copys():
    world = provisioned().restored()
    world.put_right()
    assert {resource for resource, _ in world.scaling.targets if COPY in resource} == {
        f"table/{COPY}",
        f"table/{COPY}/index/by-day",
    }
    assert {name for resource, _, name in world.scaling.policies if COPY in resource} == {f"{COPY}-read"}


def test_a_table_on_demand_has_nothing_to_scale():
    assert World().settings.read(SOURCE).autoscaling is None


def test_what_the_copy_has_too_much_is_taken_away():
    world = World().restored()
    copy = world.tables.tables[COPY]
    copy.tags["stray"], copy.policy = "1", "{}"
    copy.description["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    world.put_right()
    assert differing(world.settings.read(SOURCE), world.settings.read(COPY)) == ()
    assert "stray" not in copy.tags


def test_a_source_that_says_little_is_read_as_what_that_means():
    world = World()
    world.source.time_to_live, world.source.recovery_days = {"TimeToLiveStatus": "DISABLED"}, 0
    found = world.settings.read(SOURCE)
    assert (found.time_to_live, found.recovery, found.encryption, found.table_class) == ("", 0, "AWS_OWNED", "STANDARD")
    assert isinstance(found, TableSettings)


def test_a_change_that_comes_while_another_is_under_way_is_left_for_later():
    world = World().restored()
    wanted, found = world.settings.read(SOURCE), world.settings.read(COPY)
    assert world.settings.put_right("deletion_protection", COPY, wanted, found)
    assert not world.settings.put_right("time_to_live", COPY, wanted, found)


def test_aws_and_our_own_tags_are_not_the_sources():
    world = World()
    world.source.tags |= {"ib-oauth:drill": "dr-1"}
    assert world.settings.read(SOURCE).tags == {"environment": "test"}


class TestRestoring:
    def test_a_copy_that_is_there_is_not_asked_for_again(self):
        world = World().restored()
        assert world.restoring.ask(SOURCE, COPY, world.clock.now())
        assert len(world.tables.restored) == 1

    def test_a_copy_is_not_readable_until_its_restore_has_ended(self):
        world = World()
        world.restoring.ask(SOURCE, COPY, world.restoring.source(Role.STATE, SOURCE).latest)
        assert not world.restoring.look(COPY).readable
        world.clock.advance(61)
        assert world.restoring.look(COPY).readable

    def test_a_protected_table_goes_once_its_protection_is_lifted(self):
        world = World()
        assert world.restoring.remove(SOURCE, lift_protection=False) is Removal.REFUSED
        assert world.restoring.remove(SOURCE) is Removal.UNDER_WAY
        world.clock.advance(10)
        assert world.restoring.remove(SOURCE) is Removal.GONE
        assert world.restoring.remove(SOURCE) is Removal.GONE

    def test_a_table_that_is_being_made_is_removed_later(self):
        world = World()
        world.restoring.ask(SOURCE, COPY, world.restoring.source(Role.STATE, SOURCE).latest)
        assert world.restoring.remove(COPY) is Removal.UNDER_WAY

    @pytest.mark.parametrize("absent", ["nothing"])
    def test_what_is_not_there_is_passed_over(self, absent):
        restoring = World().restoring
        restoring.protect(absent, on=True)
        assert restoring.look(absent) is None
        assert not restoring.tag(arn_of(absent), {"a": "b"})
