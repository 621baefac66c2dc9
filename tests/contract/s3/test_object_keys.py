"""Objects under a customer managed key.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

import pytest
from botocore.exceptions import ClientError

from tests.contract.iam.test_request_context import acting, denied, enforced  # noqa: F401 - a fixture
from tests.contract.keys import customer_key, delete_later, disable, through

RIGHTS = {"Action": "s3:*", "Resource": "*"}


def bucket(cloud, kms_key):
    """A bucket that encrypts with a key by default."""
    s3, name = cloud.client("s3"), cloud.name("bucket").lower()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    return name


def test_writing_needs_a_data_key_and_reading_decrypts(enforced):  # noqa: F811
    kms_key = customer_key(enforced)
    name = bucket(enforced, kms_key)
    writer, reader = (
        acting(enforced, "s3", RIGHTS, through(enforced, "s3", kms_key, action))
        for action in ("GenerateDataKey", "Decrypt")
    )
    where = {"Bucket": name, "Key": "evidence/1"}
    assert "kms:GenerateDataKey" in denied(reader.put_object, **where, Body=b"text")
    writer.put_object(**where, Body=b"text")
    assert "kms:Decrypt" in denied(writer.get_object, **where)
    assert reader.get_object(**where)["Body"].read() == b"text"


def test_the_encryption_context_of_a_bucket_key_is_the_bucket(enforced):  # noqa: F811
    kms_key = customer_key(enforced)
    name = bucket(enforced, kms_key)
    right = through(enforced, "s3", kms_key, "GenerateDataKey")
    right["Condition"]["StringEquals"]["kms:EncryptionContext:aws:s3:arn"] = f"arn:aws:s3:::{name}"
    acting(enforced, "s3", RIGHTS, right).put_object(Bucket=name, Key="a", Body=b"text")
    right["Condition"]["StringEquals"]["kms:EncryptionContext:aws:s3:arn"] = f"arn:aws:s3:::{name}/a"
    denied(acting(enforced, "s3", RIGHTS, right).put_object, Bucket=name, Key="a", Body=b"text")


@pytest.mark.parametrize(
    ("close", "code"), [(disable, "KMS.DisabledException"), (delete_later, "KMS.KMSInvalidStateException")]
)
def test_an_object_whose_key_cannot_be_used_is_not_read(cloud, close, code):
    s3, kms_key = cloud.client("s3"), customer_key(cloud)
    where = {"Bucket": bucket(cloud, kms_key), "Key": "a"}
    s3.put_object(**where, Body=b"text")
    close(cloud, kms_key)
    for call, body in ((s3.get_object, {}), (s3.put_object, {"Body": b"text"})):
        with pytest.raises(ClientError) as refused:
            call(**where, **body)
        assert refused.value.response["Error"]["Code"] == code


def test_a_request_for_kms_without_a_key_gets_the_managed_key_of_s3(cloud):
    s3, name = cloud.client("s3"), cloud.name("bucket").lower()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    written = s3.put_object(Bucket=name, Key="a", Body=b"text", ServerSideEncryption="aws:kms")
    assert written["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"text"
