"""Replication of a bucket to another region.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html
"""

import json

import boto3
import pytest
from botocore.config import Config

from orchestrator.local.cloud import ACCOUNT, LocalCloud
from tests.contract.conftest import CloudUnderTest
from tests.contract.iam.test_request_context import enforced  # noqa: F401 - a fixture
from tests.contract.waiting import eventually

OTHER = "us-east-2"
ROLE_ACTIONS = {"s3:GetObjectVersionForReplication", "s3:ReplicateObject", "kms:Decrypt", "kms:Encrypt"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "s3.amazonaws.com"}}],
}


def elsewhere(cloud, service):
    session = boto3.Session("test", "test", region_name=OTHER)
    return session.client(service, endpoint_url=cloud.endpoint_url, config=Config(retries={"max_attempts": 0}))


def role(cloud, actions=frozenset(ROLE_ACTIONS), **condition):
    name, iam = cloud.name("replication"), cloud.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    of_keys = [one for one in sorted(actions) if one.startswith("kms:")]
    statements = [{"Effect": "Allow", "Action": [one for one in actions if one.startswith("s3:")], "Resource": "*"}]
    statements += [{"Effect": "Allow", "Action": one, "Resource": "*", **condition} for one in of_keys]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=json.dumps(document))
    return arn


def buckets(cloud, key=""):
    """A versioned bucket here, encrypted with a key if one is named, and one in the other region."""
    source, copy = cloud.name("source"), cloud.name("copy")
    for client, name, region in ((cloud.client("s3"), source, cloud.region), (elsewhere(cloud, "s3"), copy, OTHER)):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if key:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rules = [{"ApplyServerSideEncryptionByDefault": default}]
        cloud.client("s3").put_bucket_encryption(Bucket=source, ServerSideEncryptionConfiguration={"Rules": rules})
    return source, copy


def replicate(cloud, source, copy, role_arn, replica_key=""):
    rule = {
        "ID": "all",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{copy}"},
    }
    if replica_key:
        rule["SourceSelectionCriteria"] = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
        rule["Destination"]["EncryptionConfiguration"] = {"ReplicaKmsKeyID": replica_key}
    cloud.client("s3").put_bucket_replication(
        Bucket=source, ReplicationConfiguration={"Role": role_arn, "Rules": [rule]}
    )


def status(cloud, source, key="a"):
    return cloud.client("s3").head_object(Bucket=source, Key=key).get("ReplicationStatus", "")


def keys_of(client, bucket):
    return [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def two_keys(cloud, alias=""):
    here, there = (one.create_key()["KeyMetadata"]["Arn"] for one in (cloud.client("kms"), elsewhere(cloud, "kms")))
    if alias:
        elsewhere(cloud, "kms").create_alias(AliasName=alias, TargetKeyId=there)
    return here, there


@pytest.mark.both
def test_a_new_object_is_replicated_and_an_earlier_one_is_not(cloud):
    source, copy = buckets(cloud)
    cloud.client("s3").put_object(Bucket=source, Key="before", Body=b"text")
    replicate(cloud, source, copy, role(cloud))
    cloud.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert keys_of(elsewhere(cloud, "s3"), copy) == ["a"]
    assert elsewhere(cloud, "s3").get_object(Bucket=copy, Key="a")["Body"].read() == b"text"
    assert elsewhere(cloud, "s3").head_object(Bucket=copy, Key="a")["ReplicationStatus"] == "REPLICA"
    assert status(cloud, source) == "COMPLETED"


@pytest.mark.both
def test_a_deletion_hides_no_replica(cloud):
    source, copy = buckets(cloud)
    replicate(cloud, source, copy, role(cloud))
    cloud.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    cloud.client("s3").delete_object(Bucket=source, Key="a")
    assert keys_of(elsewhere(cloud, "s3"), copy) == ["a"]


def test_a_replica_has_the_key_of_its_own_region_also_by_an_alias(cloud):
    alias = f"alias/{cloud.name('copies')}"
    here, there = two_keys(cloud, alias)
    source, copy = buckets(cloud, here)
    replicate(cloud, source, copy, role(cloud), f"arn:aws:kms:{OTHER}:{ACCOUNT}:{alias}")
    cloud.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    read = elsewhere(cloud, "s3").get_object(Bucket=copy, Key="a")
    assert (read["Body"].read(), read["SSEKMSKeyId"]) == (b"text", there)
    assert cloud.client("s3").head_object(Bucket=source, Key="a")["SSEKMSKeyId"] == here


def test_without_the_criterion_an_encrypted_object_is_not_replicated(cloud):
    here, _ = two_keys(cloud)
    source, copy = buckets(cloud, here)
    replicate(cloud, source, copy, role(cloud))
    cloud.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert (keys_of(elsewhere(cloud, "s3"), copy), status(cloud, source)) == ([], "")


def test_a_replica_s_key_that_cannot_be_used_fails_the_replication(cloud):
    here, there = two_keys(cloud)
    source, copy = buckets(cloud, here)
    replicate(cloud, source, copy, role(cloud), there)
    elsewhere(cloud, "kms").disable_key(KeyId=there)
    cloud.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert (keys_of(elsewhere(cloud, "s3"), copy), status(cloud, source)) == ([], "FAILED")


def test_a_role_that_does_not_exist_fails_the_replication(cloud):
    source, copy = buckets(cloud)
    replicate(cloud, source, copy, f"arn:aws:iam::{ACCOUNT}:role/missing")
    cloud.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert status(cloud, source) == "FAILED"


@pytest.mark.parametrize("missing", sorted(ROLE_ACTIONS))
def test_a_role_without_a_permission_fails_the_replication(enforced, missing):  # noqa: F811
    here, there = two_keys(enforced)
    source, copy = buckets(enforced, here)
    replicate(enforced, source, copy, role(enforced, frozenset(ROLE_ACTIONS - {missing})), there)
    enforced.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert status(enforced, source) == "FAILED"


def test_a_condition_on_the_alias_allows_the_replica_s_key(enforced):  # noqa: F811
    alias = f"alias/{enforced.name('copies')}"
    here, there = two_keys(enforced, alias)
    source, copy = buckets(enforced, here)
    encrypt = {"Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}}
    granted = role(enforced, frozenset(ROLE_ACTIONS - {"kms:Decrypt"}), **encrypt)
    name = granted.rpartition("/")[2]
    decrypt = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": here}
    document = json.dumps({"Version": "2012-10-17", "Statement": [decrypt]})
    enforced.client("iam").put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=document)
    replicate(enforced, source, copy, granted, there)
    enforced.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert status(enforced, source) == "COMPLETED"
    elsewhere(enforced, "kms").delete_alias(AliasName=alias)
    enforced.client("s3").put_object(Bucket=source, Key="b", Body=b"text")
    assert status(enforced, source, "b") == "FAILED"


def test_cloudformation_sets_and_removes_the_replication(cloud):
    source, copy = buckets(cloud)
    name, stack = cloud.name("made"), cloud.name("stack")
    properties = {
        "BucketName": name,
        "VersioningConfiguration": {"Status": "Enabled"},
        "ReplicationConfiguration": {
            "Role": role(cloud),
            "Rules": [
                {
                    "Id": "all",
                    "Status": "Enabled",
                    "Priority": 1,
                    "Filter": {"Prefix": ""},
                    "DeleteMarkerReplication": {"Status": "Disabled"},
                    "Destination": {"Bucket": f"arn:aws:s3:::{copy}", "Metrics": {"Status": "Enabled"}},
                }
            ],
        },
    }

    def template():
        return json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})

    formation, s3 = cloud.client("cloudformation"), cloud.client("s3")
    formation.create_stack(StackName=stack, TemplateBody=template())
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    (rule,) = s3.get_bucket_replication(Bucket=name)["ReplicationConfiguration"]["Rules"]
    assert (rule["ID"], rule["Destination"]["Bucket"]) == ("all", f"arn:aws:s3:::{copy}")
    s3.put_object(Bucket=name, Key="a", Body=b"text")
    assert keys_of(elsewhere(cloud, "s3"), copy) == ["a"]
    del properties["ReplicationConfiguration"]
    formation.update_stack(StackName=stack, TemplateBody=template())
    formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    s3.put_object(Bucket=name, Key="b", Body=b"text")
    assert keys_of(elsewhere(cloud, "s3"), copy) == ["a"]
    assert source != name


@pytest.fixture
def lossy(tmp_path):
    """A cloud of which a test loses a region."""
    with LocalCloud.start(tmp_path, region="us-west-1") as local:
        yield CloudUnderTest(local, patched=True)


def test_what_is_put_while_the_other_region_is_lost_is_replicated_when_it_returns(lossy):
    source, copy = buckets(lossy)
    replicate(lossy, source, copy, role(lossy))
    lossy.local.set_lost_regions(OTHER)
    lossy.client("s3").put_object(Bucket=source, Key="a", Body=b"text")
    assert status(lossy, source) == "PENDING"
    lossy.local.set_lost_regions()
    eventually(lambda: status(lossy, source) == "COMPLETED" or None)
    assert keys_of(elsewhere(lossy, "s3"), copy) == ["a"]
