from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from orchestrator.aws.ledger.deployments import Ledger
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.samples import FUNCTIONS

TABLE = "ib-oauth-ledger-test"


@pytest.fixture
def moto_table(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-west-1")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture(params=["fake", "moto"])
def ledger(request):
    """The ledger over each of two independent DynamoDBs."""
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return Ledger(client, TABLE)


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def lambdas():
    plane = LambdaControlPlane()
    for name in FUNCTIONS:
        plane.add(f"ib-oauth-{name}-test")
    return plane


@pytest.fixture
def cloud(lambdas, clock):
    """A cloud over fakes: a ledger and Lambda's control plane."""
    return cloud_over({"dynamodb": FakeDynamoDB(), "lambda": lambdas}, clock.now)
