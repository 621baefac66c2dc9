"""Provisioned concurrency sits on versions, takes a while, and is listed.

https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.lambda_.provisioned_concurrency import ProvisionedConcurrency
from orchestrator.domain.capacity.provisioned_concurrency import ProvisionedState
from tests.contract.waiting import eventually

ANSWERS = "def handler(event, context): return 1"


@pytest.fixture
def function(cloud):
    name = cloud.function(ANSWERS)
    cloud.versions(name, "def handler(event, context): return 2", "def handler(event, context): return 3")
    return name


def put(cloud, name, qualifier, count):
    """The error code of a refusal; the state at first where it is taken."""
    try:
        taken = cloud.client("lambda").put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
        )
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return taken["Status"]


def test_a_version_is_warm_some_time_after_it_was_requested_and_then_listed_until_it_is_cooled(cloud, function):
    provisioned = ProvisionedConcurrency(cloud.client("lambda"))
    assert provisioned.read_state(function) == {}
    provisioned.provision(function, "2", 3)
    assert provisioned.read_state(function)["2"] in {
        ProvisionedState(3, 0, "IN_PROGRESS"),
        ProvisionedState(3, 3, "READY"),
    }
    eventually(lambda: provisioned.read_state(function) == {"2": ProvisionedState(3, 3, "READY")})
    provisioned.remove(function, "2")
    provisioned.remove(function, "2")
    assert provisioned.read_state(function) == {}


def test_one_version_can_be_queried_by_itself(cloud, function):
    client = cloud.client("lambda")
    assert put(cloud, function, "1", 2) == "IN_PROGRESS"
    config = client.get_provisioned_concurrency_config(FunctionName=function, Qualifier="1")
    assert config["RequestedProvisionedConcurrentExecutions"] == 2
    with pytest.raises(client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        client.get_provisioned_concurrency_config(FunctionName=function, Qualifier="2")


def test_what_is_not_published_cannot_have_it(cloud, function):
    assert put(cloud, function, "$LATEST", 1) == "InvalidParameterValueException"


def test_versions_have_no_more_together_than_is_reserved_for_the_function(cloud, function):
    cloud.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=5)
    assert put(cloud, function, "1", 3) == "IN_PROGRESS"
    assert put(cloud, function, "2", 3) == "InvalidParameterValueException"
    assert put(cloud, function, "2", 2) == "IN_PROGRESS"


@pytest.mark.parametrize(("first", "second"), [("1", "live"), ("live", "1")])
def test_a_version_has_it_by_itself_or_by_an_alias_and_not_both(cloud, function, first, second):
    client = cloud.client("lambda")
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert put(cloud, function, first, 1) == "IN_PROGRESS"
    assert put(cloud, function, second, 1) == "ResourceConflictException"
    client.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=first)
    assert put(cloud, function, second, 1) == "IN_PROGRESS"


def test_it_is_deleted_with_its_alias(cloud, function):
    client = cloud.client("lambda")
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    assert put(cloud, function, "live", 1) == "IN_PROGRESS"
    client.delete_alias(FunctionName=function, Name="live")
    assert put(cloud, function, "1", 1) == "IN_PROGRESS"
