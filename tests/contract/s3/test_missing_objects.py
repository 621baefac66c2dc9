"""What a caller learns of an object that is not there, where policies are enforced."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from orchestrator.local.cloud import ACCOUNT

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    ],
}


@pytest.fixture
def bucket(cloud):
    """A bucket with one object; policies are enforced while the test runs."""
    name = cloud.name("bucket")
    client = cloud.client("s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    client.put_object(Bucket=name, Key="a/there", Body=b"content")
    cloud.local.enforce_policies(True)
    yield name
    cloud.local.enforce_policies(False)


def reader(cloud, *statements: dict):
    """The S3 client of a role with these permissions."""
    iam, name = cloud.client("iam"), cloud.name("role")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
    iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=json.dumps(document))
    credentials = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
        region_name=cloud.region,
    )
    return session.client("s3", endpoint_url=cloud.endpoint_url)


def may_read(bucket: str) -> dict:
    return {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}


def may_list(bucket: str, **condition) -> dict:
    return {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}", **condition}


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as failed:
        call(**arguments)
    return failed.value.response["Error"]["Code"]


def test_a_missing_object_is_a_refusal_to_a_role_that_may_not_list_the_bucket(cloud, bucket):
    client = reader(cloud, may_read(bucket))

    assert client.get_object(Bucket=bucket, Key="a/there")["Body"].read() == b"content"
    assert code(client.get_object, Bucket=bucket, Key="a/missing") == "AccessDenied"
    assert code(client.head_object, Bucket=bucket, Key="a/missing") == "403"


def test_a_right_to_list_one_prefix_is_none_to_learn_that_an_object_is_missing(cloud, bucket):
    """GetObject names no prefix, so the condition is not met."""
    condition = {"StringLike": {"s3:prefix": "a/*"}}
    client = reader(cloud, may_read(bucket), may_list(bucket, Condition=condition))

    assert code(client.get_object, Bucket=bucket, Key="a/missing") == "AccessDenied"


@pytest.mark.both
def test_a_missing_object_is_missing_to_a_role_that_may_list_the_bucket(cloud, bucket):
    client = reader(cloud, may_read(bucket), may_list(bucket))

    assert code(client.get_object, Bucket=bucket, Key="a/missing") == "NoSuchKey"
    assert code(client.head_object, Bucket=bucket, Key="a/missing") == "404"
