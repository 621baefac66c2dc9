"""Rights that a service requires besides the action."""

import pytest

from tests.contract.iam.test_request_context import acting, denied, enforced  # noqa: F401 - a fixture
from tests.contract.tables import key, moment, restorable, table

S3_ACTIONS = ("s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl")


@pytest.mark.parametrize("missing", S3_ACTIONS)
def test_an_export_requires_the_right_to_write_the_bucket(enforced, missing):  # noqa: F811
    client, bucket = enforced.client("dynamodb"), enforced.name("exports").lower()
    s3 = enforced.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    name = table(enforced)
    client.put_item(TableName=name, Item=key("a"))
    at = restorable(enforced, name, moment())
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    export = {"Action": "dynamodb:ExportTableToPointInTime", "Resource": arn}
    request = {"TableArn": arn, "ExportTime": at, "S3Bucket": bucket, "S3Prefix": "here"}

    def exporting(actions):
        objects = {"Action": list(actions), "Resource": f"arn:aws:s3:::{bucket}/*"}
        return acting(enforced, "dynamodb", export, objects).export_table_to_point_in_time

    assert exporting(S3_ACTIONS)(**request)["ExportDescription"]["ExportArn"]
    assert missing in denied(exporting(set(S3_ACTIONS) - {missing}), **request)
