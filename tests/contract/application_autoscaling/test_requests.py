"""Scalable targets of tables: what is registered is described, and goes with its policies."""

import boto3
import pytest
from botocore.config import Config

from orchestrator.aws.dynamodb.table_inventory import TableInventory
from orchestrator.aws.dynamodb.table_settings import TableSettingsStore
from tests.contract.dynamodb.test_point_in_time_recovery import refusal
from tests.contract.tables import table

READS, WRITES = "dynamodb:table:ReadCapacityUnits", "dynamodb:table:WriteCapacityUnits"
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"},
}


@pytest.fixture
def scaling(cloud):
    return cloud.client("application-autoscaling")


def provisioned(cloud) -> str:
    return table(cloud, recovery=False, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)


def target(name: str, dimension: str = READS) -> dict:
    return {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{name}", "ScalableDimension": dimension}


def tracked(name: str) -> dict:
    return {**target(name), "PolicyName": f"tracks-{name}", "PolicyType": "TargetTrackingScaling"}


def registered(scaling, *names: str, **selected) -> list:
    resources = [f"table/{name}" for name in names]
    pages = scaling.get_paginator("describe_scalable_targets").paginate(
        ServiceNamespace="dynamodb", ResourceIds=resources, **selected
    )
    found = [one for page in pages for one in page["ScalableTargets"]]
    return [(one["ResourceId"].partition("/")[2], one["MinCapacity"], one["MaxCapacity"]) for one in found]


def test_a_table_without_a_target_is_no_error_on_demand_neither(cloud, scaling):
    assert registered(scaling, table(cloud, recovery=False), provisioned(cloud), cloud.name("absent")) == []


def test_a_target_is_registered_with_both_bounds_and_changed_by_a_repetition(cloud, scaling):
    name, other = provisioned(cloud), provisioned(cloud)
    assert refusal(scaling.register_scalable_target, **target(name), MinCapacity=5) == "ValidationException"
    arn = scaling.register_scalable_target(**target(name), MinCapacity=5, MaxCapacity=50)["ScalableTargetARN"]
    assert scaling.register_scalable_target(**target(name), MaxCapacity=90)["ScalableTargetARN"] == arn
    scaling.register_scalable_target(**target(name, WRITES), MinCapacity=1, MaxCapacity=9)
    scaling.register_scalable_target(**target(other), MinCapacity=2, MaxCapacity=8)

    assert registered(scaling, name) == [(name, 5, 90), (name, 1, 9)]
    assert registered(scaling, name, ScalableDimension=WRITES) == [(name, 1, 9)]
    assert sorted(registered(scaling, name, other, PaginationConfig={"PageSize": 1})) == sorted(
        [(name, 5, 90), (name, 1, 9), (other, 2, 8)]
    )


def test_a_table_that_does_not_exist_and_bounds_that_contradict_are_refused(cloud, scaling):
    bounds = {"MinCapacity": 5, "MaxCapacity": 50}
    absent = target(cloud.name("absent"))
    assert refusal(scaling.register_scalable_target, **absent, **bounds) == "ValidationException"
    contradiction = {"MinCapacity": 5, "MaxCapacity": 4}
    code = refusal(scaling.register_scalable_target, **target(provisioned(cloud)), **contradiction)
    assert code == "ValidationException"


def test_policies_need_a_target_and_go_with_it(cloud, scaling):
    name = provisioned(cloud)
    policy = {**tracked(name), "TargetTrackingScalingPolicyConfiguration": TRACKING}
    assert refusal(scaling.put_scaling_policy, **policy) == "ObjectNotFoundException"
    scaling.register_scalable_target(**target(name), MinCapacity=5, MaxCapacity=50)
    arn = scaling.put_scaling_policy(**policy)["PolicyARN"]
    assert scaling.put_scaling_policy(**policy)["PolicyARN"] == arn
    (found,) = scaling.describe_scaling_policies(**target(name))["ScalingPolicies"]
    assert (found["PolicyARN"], found["TargetTrackingScalingPolicyConfiguration"]) == (arn, TRACKING)

    scaling.deregister_scalable_target(**target(name))
    assert scaling.describe_scaling_policies(**target(name))["ScalingPolicies"] == []
    assert refusal(scaling.deregister_scalable_target, **target(name)) == "ObjectNotFoundException"


def test_a_policy_is_deleted_without_its_target(cloud, scaling):
    name = provisioned(cloud)
    scaling.register_scalable_target(**target(name), MinCapacity=5, MaxCapacity=50)
    scaling.put_scaling_policy(**tracked(name), TargetTrackingScalingPolicyConfiguration=TRACKING)
    deletion = {**target(name), "PolicyName": f"tracks-{name}"}
    scaling.delete_scaling_policy(**deletion)
    assert registered(scaling, name) == [(name, 5, 50)]
    assert refusal(scaling.delete_scaling_policy, **deletion) == "ObjectNotFoundException"


def test_a_region_has_targets_of_its_own(cloud, scaling):
    name = provisioned(cloud)
    scaling.register_scalable_target(**target(name), MinCapacity=5, MaxCapacity=50)
    session = boto3.Session("test", "test", region_name="us-east-2")
    settings = Config(retries={"max_attempts": 0})
    there = session.client("application-autoscaling", endpoint_url=cloud.endpoint_url, config=settings)
    assert registered(there, name) == []


def test_our_adapters_read_and_deregister_the_scaling_of_a_table(cloud, scaling):
    name, dynamodb = provisioned(cloud), cloud.client("dynamodb")
    scaling.register_scalable_target(**target(name), MinCapacity=5, MaxCapacity=50)
    scaling.put_scaling_policy(**tracked(name), TargetTrackingScalingPolicyConfiguration=TRACKING)
    read = TableSettingsStore(dynamodb, scaling).read_settings(name).autoscaling
    assert read == {f" {READS}": {"min": 5, "max": 50, "policies": {"tracks-{table}": TRACKING}}}

    inventory = TableInventory(dynamodb, lambda: scaling)
    assert [inventory.deregister_scaling(one) for one in (name, name, table(cloud, recovery=False))] == [1, 0, 0]
    assert registered(scaling, name) == []
