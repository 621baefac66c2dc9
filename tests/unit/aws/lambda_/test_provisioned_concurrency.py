"""Provisioned concurrency on versions, as Lambda's API has it."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from orchestrator.aws.lambda_.provisioned_concurrency import ProvisionedConcurrency
from orchestrator.domain.capacity.provisioned_concurrency import ProvisionedState
from orchestrator.domain.errors import Throttled

ARN = "arn:aws:lambda:us-west-1:123456789012:function:token"


@pytest.fixture
def stub():
    client = boto3.client("lambda", "us-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as found:
        yield found
        found.assert_no_pending_responses()


def entry(qualifier, **changes):
    return {
        "FunctionArn": f"{ARN}:{qualifier}",
        "RequestedProvisionedConcurrentExecutions": 5,
        "AvailableProvisionedConcurrentExecutions": 3,
        "Status": "IN_PROGRESS",
        **changes,
    }


def test_what_versions_have_is_read_from_all_pages_and_aliases_are_left_out(stub):
    listed = "list_provisioned_concurrency_configs"
    one = {"ProvisionedConcurrencyConfigs": [entry("1"), entry("live")], "NextMarker": "more"}
    failed = entry("12", Status="FAILED", StatusReason="FUNCTION_ERROR_INIT_FAILURE")
    failed.pop("AvailableProvisionedConcurrentExecutions")
    stub.add_response(listed, one, {"FunctionName": "token"})
    stub.add_response(listed, {"ProvisionedConcurrencyConfigs": [failed]}, {"FunctionName": "token", "Marker": "more"})
    assert ProvisionedConcurrency(stub.client).read_state("token") == {
        "1": ProvisionedState(5, 3, "IN_PROGRESS"),
        "12": ProvisionedState(5, 0, "FAILED", "FUNCTION_ERROR_INIT_FAILURE"),
    }


def test_a_version_is_warmed_and_cooled(stub):
    params = {"FunctionName": "token", "Qualifier": "2"}
    stub.add_response(
        "put_provisioned_concurrency_config",
        {"Status": "IN_PROGRESS"},
        {**params, "ProvisionedConcurrentExecutions": 5},
    )
    stub.add_response("delete_provisioned_concurrency_config", {}, params)
    ProvisionedConcurrency(stub.client).provision("token", "2", 5)
    ProvisionedConcurrency(stub.client).remove("token", "2")


def test_a_version_that_is_busy_is_left_for_the_next_look(stub):
    for operation in ("put", "delete"):
        stub.add_client_error(f"{operation}_provisioned_concurrency_config", "ResourceConflictException")
    ProvisionedConcurrency(stub.client).provision("token", "2", 5)
    ProvisionedConcurrency(stub.client).remove("token", "2")


def test_cooling_what_is_gone_is_done_and_warming_it_is_not(stub):
    for operation in ("delete", "put"):
        stub.add_client_error(f"{operation}_provisioned_concurrency_config", "ResourceNotFoundException")
    ProvisionedConcurrency(stub.client).remove("token", "2")
    with pytest.raises(ClientError):
        ProvisionedConcurrency(stub.client).provision("token", "2", 5)


def test_a_throttle_is_reported_as_one(stub):
    stub.add_client_error("put_provisioned_concurrency_config", "TooManyRequestsException")
    with pytest.raises(Throttled):
        ProvisionedConcurrency(stub.client).provision("token", "2", 5)
