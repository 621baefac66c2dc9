"""Log groups under a customer managed key.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

import pytest
from botocore.exceptions import ClientError

from orchestrator.local.cloud import ACCOUNT
from tests.contract.keys import customer_key, disable

ACTIONS = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]


def group_key(cloud, name, **change):
    """A key that CloudWatch Logs may use for one group."""
    arn = f"arn:aws:logs:{cloud.region}:{ACCOUNT}:log-group:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{cloud.region}.amazonaws.com"},
        "Action": ACTIONS,
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
    }
    return customer_key(cloud, statement | change)


def rejected(cloud, name, key):
    with pytest.raises(ClientError) as refused:
        cloud.client("logs").create_log_group(logGroupName=name, kmsKeyId=key)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": {"Service": "logs.another-region.amazonaws.com"}},
        {"Action": ACTIONS[:2]},
        {"Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:*:*:log-group:another"}}},
    ],
)
def test_the_key_policy_must_allow_the_service_to_use_the_key_for_the_group(cloud, change):
    name, logs = cloud.name("/aws/lambda/group"), cloud.client("logs")
    rejected(cloud, name, group_key(cloud, name, **change))
    logs.create_log_group(logGroupName=name, kmsKeyId=group_key(cloud, name))
    assert len(logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]) == 1


def test_a_key_that_cannot_be_used_encrypts_no_group(cloud):
    name = cloud.name("/aws/lambda/group")
    key = group_key(cloud, name)
    disable(cloud, key)
    rejected(cloud, name, key)
