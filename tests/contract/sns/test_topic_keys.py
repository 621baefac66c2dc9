"""Topics under a customer managed key.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors
"""

import pytest
from botocore.exceptions import ClientError

from tests.contract.iam.test_request_context import acting, enforced  # noqa: F401 - a fixture
from tests.contract.keys import customer_key, delete_later, disable, through

RIGHTS = {"Action": "sns:Publish", "Resource": "*"}


def topic(cloud, kms_key):
    created = cloud.client("sns").create_topic(Name=cloud.name("topic"), Attributes={"KmsMasterKeyId": kms_key})
    return created["TopicArn"]


def code_of(client, arn):
    with pytest.raises(ClientError) as refused:
        client.publish(TopicArn=arn, Message="text")
    return refused.value.response["Error"]["Code"]


@pytest.mark.parametrize("missing", ["GenerateDataKey", "Decrypt"])
def test_a_publisher_needs_a_data_key_and_decrypts(enforced, missing):  # noqa: F811
    kms_key = customer_key(enforced)
    arn, rights = topic(enforced, kms_key), {"GenerateDataKey", "Decrypt"}
    allowed = acting(enforced, "sns", RIGHTS, through(enforced, "sns", kms_key, *rights))
    lacking = acting(enforced, "sns", RIGHTS, through(enforced, "sns", kms_key, *(rights - {missing})))
    assert allowed.publish(TopicArn=arn, Message="text")["MessageId"]
    assert code_of(lacking, arn) == "KMSAccessDenied"


@pytest.mark.parametrize(("close", "code"), [(disable, "KMSDisabled"), (delete_later, "KMSInvalidState")])
def test_a_topic_whose_key_cannot_be_used_accepts_nothing(cloud, close, code):
    kms_key = customer_key(cloud)
    arn = topic(cloud, kms_key)
    assert cloud.client("sns").publish(TopicArn=arn, Message="text")["MessageId"]
    close(cloud, kms_key)
    assert code_of(cloud.client("sns"), arn) == code
