"""Every setting that a restore drops is put right on a copy, in as many rounds as a table takes changes."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.aws.dynamodb.table_settings import TableSettingsStore
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.restored_table import Removal
from orchestrator.domain.recovery.table_settings import (
    MAX_ROUNDS,
    TableSettings,
    capacity_to_reapply,
    differing_settings,
    settings_to_reapply,
)
from tests.fakes.clock import SimulatedClock
from tests.fakes.errors import client_error
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
        self.settings = TableSettingsStore(self.tables, self.scaling)
        self.restoring = TableRestores(self.tables)

    def restored(self):
        point = self.restoring.describe_source(Role.STATE, SOURCE).latest
        assert self.restoring.start_restore(SOURCE, COPY, point)
        self.clock.advance(61)
        return self

    def put_right(self, names_of=settings_to_reapply) -> int:
        """Rounds that it takes."""
        for rounds in range(MAX_ROUNDS):
            wanted, found = self.settings.read_settings(SOURCE), self.settings.read_settings(COPY)
            names = names_of(wanted, found)
            if not names:
                return rounds
            for name in names:
                self.settings.apply(name, COPY, wanted, found)
            self.clock.advance(10)
        raise AssertionError(differing_settings(wanted, found))

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
    before = differing_settings(world.settings.read_settings(SOURCE), world.settings.read_settings(COPY))
    assert set(before) == {
        "time_to_live", "recovery", "deletion_protection", "stream", "tags", "resource_policy", "autoscaling", "table_class",
        "billing",
    }  # fmt: skip
    assert world.put_right() > 1
    differing = differing_settings(world.settings.read_settings(SOURCE), world.settings.read_settings(COPY))
    assert differing == ("billing", "autoscaling")
    assert world.put_right(capacity_to_reapply) > 1
    assert world.settings.read_settings(COPY) == world.settings.read_settings(SOURCE)


def test_a_copy_is_on_demand_until_it_gets_its_capacity():
    """Nothing that a drill does provisions or scales it: neither the restore nor the settings that it drops."""
    world = provisioned().restored()
    world.put_right()
    found = world.settings.read_settings(COPY)
    assert (found.billing["mode"], found.autoscaling) == ("PAY_PER_REQUEST", None)
    assert [target for target in world.scaling.targets if COPY in target[0]] == []
    assert [policy for policy in world.scaling.policies if COPY in policy[0]] == []


def test_units_that_autoscaling_chose_meanwhile_are_no_difference():
    world = provisioned().restored()
    for names_of in (settings_to_reapply, capacity_to_reapply):
        world.put_right(names_of)
    world.source.description["ProvisionedThroughput"] = {"ReadCapacityUnits": 40, "WriteCapacityUnits": 6}
    wanted, found = world.settings.read_settings(SOURCE), world.settings.read_settings(COPY)
    assert wanted.billing != found.billing
    assert differing_settings(wanted, found) == ()
    assert capacity_to_reapply(wanted, found) == ()


def test_a_policy_that_is_put_right_names_the_copy():
    world = provisioned().restored()
    world.put_right()
    (statement,) = json.loads(world.tables.tables[COPY].policy)["Statement"]
    assert statement["Resource"] == arn_of(COPY)


def test_autoscaling_that_is_put_right_is_the_copys():
    world = provisioned().restored()
    world.put_right(capacity_to_reapply)
    assert {resource for resource, _ in world.scaling.targets if COPY in resource} == {
        f"table/{COPY}",
        f"table/{COPY}/index/by-day",
    }
    assert {name for resource, _, name in world.scaling.policies if COPY in resource} == {f"{COPY}-read"}


def test_a_table_on_demand_has_nothing_to_scale():
    assert World().settings.read_settings(SOURCE).autoscaling is None


def test_what_the_copy_has_too_much_is_taken_away():
    world = World().restored()
    copy = world.tables.tables[COPY]
    copy.tags["stray"], copy.policy = "1", "{}"
    copy.description["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    world.put_right()
    assert differing_settings(world.settings.read_settings(SOURCE), world.settings.read_settings(COPY)) == ()
    assert "stray" not in copy.tags


def test_contributor_insights_are_turned_on_with_their_mode_and_off_where_the_source_has_none():
    world = provisioned()
    world.source.insights |= {"": "ACCESSED_AND_THROTTLED_KEYS", "by-day": "THROTTLED_KEYS"}
    world.restored()
    copy = world.tables.tables[COPY]
    assert "contributor_insights" in differing_settings(
        world.settings.read_settings(SOURCE), world.settings.read_settings(COPY)
    )
    world.put_right()
    assert copy.insights == world.source.insights
    copy.insights |= {"": "THROTTLED_KEYS"}
    del world.source.insights["by-day"]
    world.put_right()
    assert copy.insights == {"": "ACCESSED_AND_THROTTLED_KEYS"}


def test_a_source_that_says_little_is_read_as_what_that_means():
    world = World()
    world.source.time_to_live, world.source.recovery_days = {"TimeToLiveStatus": "DISABLED"}, 0
    found = world.settings.read_settings(SOURCE)
    assert (found.time_to_live, found.recovery, found.encryption, found.table_class) == ("", 0, "AWS_OWNED", "STANDARD")
    assert isinstance(found, TableSettings)


def test_a_change_that_comes_while_another_is_under_way_is_left_for_later():
    world = World().restored()
    wanted, found = world.settings.read_settings(SOURCE), world.settings.read_settings(COPY)
    assert world.settings.apply("deletion_protection", COPY, wanted, found)
    assert not world.settings.apply("time_to_live", COPY, wanted, found)


def test_where_an_index_is_missing_everything_else_is_put_right():
    world = provisioned()
    world.source.insights |= {"": "THROTTLED_KEYS", "by-day": "THROTTLED_KEYS"}
    world.restored()
    world.tables.tables[COPY].description["GlobalSecondaryIndexes"] = []
    assert world.put_right() > 1
    assert world.tables.tables[COPY].insights == {"": "THROTTLED_KEYS"}
    assert world.put_right(capacity_to_reapply) > 1
    source, copy = world.settings.read_settings(SOURCE), world.settings.read_settings(COPY)
    assert set(differing_settings(source, copy)) == {"indexes", "billing", "autoscaling", "contributor_insights"}
    assert copy.billing["table"] == source.billing["table"]
    assert {resource for resource, _ in world.scaling.targets if COPY in resource} == {f"table/{COPY}"}


def test_an_index_that_is_being_deleted_is_missing():
    world = provisioned().restored()
    world.tables.tables[COPY].description["GlobalSecondaryIndexes"][0]["IndexStatus"] = "DELETING"
    found = world.settings.read_settings(COPY)
    assert (found.indexes, found.billing["indexes"]) == ({}, {})


def test_what_aws_rejects_is_refused_with_its_reason():
    world = World().restored()
    world.tables.update_time_to_live = raising("ValidationException", "TimeToLive is already enabled")
    wanted, found = world.settings.read_settings(SOURCE), world.settings.read_settings(COPY)
    with pytest.raises(Refused, match=rf"settings\.{COPY}\.time_to_live: 'delete_at' .*TimeToLive is already enabled"):
        world.settings.apply("time_to_live", COPY, wanted, found)
    world.tables.update_time_to_live = raising("AccessDeniedException", "no")
    with pytest.raises(ClientError):
        world.settings.apply("time_to_live", COPY, wanted, found)


def raising(code, message):
    def call(**_params):
        raise client_error(code, message)

    return call


def test_aws_and_our_own_tags_are_not_the_sources():
    world = World()
    world.source.tags |= {"ib-oauth:drill": "dr-1"}
    assert world.settings.read_settings(SOURCE).tags == {"environment": "test"}


class TestRestoring:
    def test_a_copy_that_is_there_is_not_requested_again(self):
        world = World().restored()
        assert world.restoring.start_restore(SOURCE, COPY, world.clock.now())
        assert len(world.tables.restored) == 1

    def test_a_copy_is_not_readable_until_its_restore_has_ended(self):
        world = World()
        world.restoring.start_restore(SOURCE, COPY, world.restoring.describe_source(Role.STATE, SOURCE).latest)
        assert not world.restoring.describe_restore(COPY).readable
        world.clock.advance(61)
        assert world.restoring.describe_restore(COPY).readable

    def test_a_protected_table_goes_once_its_protection_is_lifted(self):
        world = World()
        assert world.restoring.remove_table(SOURCE, lift_protection=False) is Removal.REFUSED
        assert world.restoring.remove_table(SOURCE) is Removal.UNDER_WAY
        world.clock.advance(10)
        assert world.restoring.remove_table(SOURCE) is Removal.GONE
        assert world.restoring.remove_table(SOURCE) is Removal.GONE

    def test_a_table_that_is_being_made_is_removed_later(self):
        world = World()
        world.restoring.start_restore(SOURCE, COPY, world.restoring.describe_source(Role.STATE, SOURCE).latest)
        assert world.restoring.remove_table(COPY) is Removal.UNDER_WAY

    @pytest.mark.parametrize("absent", ["nothing"])
    def test_what_is_not_there_is_passed_over(self, absent):
        restoring = World().restoring
        restoring.set_deletion_protection(absent, on=True)
        assert restoring.describe_restore(absent) is None
        assert not restoring.tag_table(arn_of(absent), {"a": "b"})


def test_a_backup_states_the_keys_indexes_capacity_and_encryption_of_its_table():
    world = World(
        BillingModeSummary={"BillingMode": "PROVISIONED"},
        ProvisionedThroughput={"ReadCapacityUnits": 9, "WriteCapacityUnits": 8},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 6},
            }
        ],
        SSEDescription={"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": "arn:key"},
    ).restored()
    world.tables.back_up(SOURCE, "nightly")
    (arn,) = world.tables.backups
    before = world.settings.read_settings(SOURCE)
    stated = world.settings.read_backed_up(arn, COPY)
    # The restored table of this fake defines no attribute `day`, so its type is not known.
    assert stated.indexes == {"by-day": {**before.indexes["by-day"], "keys": [["day", "", "HASH"]]}}
    assert (stated.keys, stated.billing, stated.encryption) == (before.keys, before.billing, before.encryption)


def test_a_backup_of_which_nothing_is_stated_is_none():
    world = World().restored()
    recovery_point = "arn:aws:backup:us-west-1:123456789012:recovery-point:1"
    assert world.settings.read_backed_up(recovery_point, COPY) is None
    assert world.settings.read_backed_up(f"{arn_of(SOURCE)}/backup/deleted", COPY) is None


def test_a_backup_that_may_not_be_described_is_no_statement():
    world = World().restored()

    def refuse(**_params):
        raise client_error("AccessDeniedException", "not authorized")

    world.tables.describe_backup = refuse
    with pytest.raises(ClientError, match="not authorized"):
        world.settings.read_backed_up(f"{arn_of(SOURCE)}/backup/1", COPY)
