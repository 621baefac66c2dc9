"""Resources of a stack are encrypted with the key that the template names.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-dynamodb-table-ssespecification.html
"""

import json

import pytest

from tests.contract.cloudformation.test_failed_creations import Stacks, table
from tests.contract.conftest import ROLE
from tests.contract.keys import customer_key
from tests.contract.tables import described


def created(cloud, resource) -> str:
    """Create a stack of one resource, and return the resource's physical id."""
    stacks = Stacks(cloud)
    name = stacks.create({"Own": resource})
    (own,) = stacks.client.describe_stack_resources(StackName=name)["StackResources"]
    assert own["ResourceStatus"] == "CREATE_COMPLETE", own
    return own["PhysicalResourceId"]


def encrypted_table(cloud, key):
    resource = table(cloud.name("table"))
    resource["Properties"]["SSESpecification"] = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    return resource


def global_table(cloud, key):
    resource = table(cloud.name("table"))
    properties = resource["Properties"]
    properties.pop("DeletionProtectionEnabled")
    properties["SSESpecification"] = {"SSEEnabled": True, "SSEType": "KMS"}
    own = {"Region": cloud.region, "SSESpecification": {"KMSMasterKeyId": key}}
    other = {"Region": "us-east-2", "SSESpecification": {"KMSMasterKeyId": "alias/another"}}
    properties["Replicas"] = [other, own]
    return {**resource, "Type": "AWS::DynamoDB::GlobalTable"}


@pytest.mark.parametrize("resource", [encrypted_table, global_table])
def test_a_table_has_its_key_and_dynamodb_its_grant(cloud, resource):
    key = customer_key(cloud)
    name = created(cloud, resource(cloud, key))
    assert described(cloud, name)["SSEDescription"] == {
        "Status": "ENABLED",
        "SSEType": "KMS",
        "KMSMasterKeyArn": key,
    }
    (grant,) = cloud.client("kms").list_grants(KeyId=key)["Grants"]
    assert grant["Constraints"]["EncryptionContextSubset"]["aws:dynamodb:tableName"] == name


def test_a_table_gets_and_loses_its_key_by_an_update(cloud):
    key, stacks = customer_key(cloud), Stacks(cloud)
    without = table(cloud.name("table"))
    name = stacks.create({"Own": without})
    changed = json.loads(json.dumps(without))
    changed["Properties"]["SSESpecification"] = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    seen = []
    for resource in (changed, without):
        stacks.client.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Own": resource}}))
        stacks.settled(name)
        seen.append(described(cloud, without["Properties"]["TableName"]).get("SSEDescription"))
    assert [sse and sse["KMSMasterKeyArn"] for sse in seen] == [key, None]


def test_a_function_a_topic_and_a_bucket_have_their_keys(cloud):
    key = customer_key(cloud)
    code = {"ZipFile": "def handler(event, context): return {}"}
    properties = {"Code": code, "Runtime": "python3.13", "Handler": "index.handler", "Role": ROLE, "KmsKeyArn": key}
    function = created(cloud, {"Type": "AWS::Lambda::Function", "Properties": properties})
    assert cloud.client("lambda").get_function_configuration(FunctionName=function)["KMSKeyArn"] == key
    topic = created(cloud, {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key}})
    assert cloud.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == key
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    encryption = {"BucketEncryption": {"ServerSideEncryptionConfiguration": rules}}
    bucket = created(cloud, {"Type": "AWS::S3::Bucket", "Properties": encryption})
    kept = cloud.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert kept == [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]


def test_a_log_group_whose_key_the_service_may_not_use_fails_its_stack(cloud):
    key, stacks = customer_key(cloud), Stacks(cloud)
    group = {"LogGroupName": cloud.name("/ib-oauth/group"), "KmsKeyId": key}
    name = stacks.create({"Own": {"Type": "AWS::Logs::LogGroup", "Properties": group}})
    events = stacks.client.describe_stack_events(StackName=name)["StackEvents"]
    (failed,) = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "The specified KMS Key does not exist or is not allowed to be used" in failed["ResourceStatusReason"]
