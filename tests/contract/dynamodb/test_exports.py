"""What an export to S3 writes, and what is refused."""

import gzip
import json
from base64 import b64encode
from datetime import timedelta
from hashlib import md5

import pytest
from botocore.exceptions import ClientError

from tests.contract.tables import content, fill, key, moment, restorable, restore, rewrite, table
from tests.contract.waiting import eventually


@pytest.fixture
def bucket(cloud):
    name = cloud.name("exports").lower()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    return name


def request_export(cloud, bucket, name, at, token="t"):
    arn = cloud.client("dynamodb").describe_table(TableName=name)["Table"]["TableArn"]
    request = {
        "TableArn": arn,
        "ExportTime": at,
        "S3Bucket": bucket,
        "S3Prefix": "here",
        "ClientToken": f"{name}-{token}",
    }
    return cloud.client("dynamodb").export_table_to_point_in_time(**request)["ExportDescription"]


def complete(cloud, arn):
    def ended():
        found = cloud.client("dynamodb").describe_export(ExportArn=arn)["ExportDescription"]
        return found if found["ExportStatus"] != "IN_PROGRESS" else None

    return eventually(ended)


def exported_items(cloud, bucket, export):
    """The items in an export's files, each of which is as the manifests say."""

    def read(path):
        return cloud.client("s3").get_object(Bucket=bucket, Key=path)["Body"].read()

    summary = json.loads(read(export["ExportManifest"]))
    assert (summary["itemCount"], summary["outputFormat"]) == (export["ItemCount"], "DYNAMODB_JSON")
    items = []
    for line in read(summary["manifestFilesS3Key"]).splitlines():
        file = json.loads(line)
        data = read(file["dataFileS3Key"])
        assert b64encode(md5(data).digest()).decode() == file["md5Checksum"]
        held = [json.loads(text)["Item"] for text in gzip.decompress(data).splitlines()]
        assert len(held) == file["itemCount"]
        items += held
    return items


def test_an_export_holds_the_table_as_it_was_in_files_that_its_manifests_list(cloud, bucket):
    client, name = cloud.client("dynamodb"), table(cloud)
    for number in range(20):
        client.put_item(TableName=name, Item={**key(str(number)), "n": {"N": str(number)}})
    at, then = moment(), content(cloud, name)
    client.put_item(TableName=name, Item=key("later"))
    client.delete_item(TableName=name, Key=key("0"))
    restorable(cloud, name, at)

    export = complete(cloud, request_export(cloud, bucket, name, at)["ExportArn"])

    assert (export["ExportStatus"], export["ItemCount"], export["ExportTime"]) == ("COMPLETED", 20, at)

    items = exported_items(cloud, bucket, export)
    assert sorted(items, key=lambda item: item["pk"]["S"]) == sorted(then, key=lambda item: item["pk"]["S"])


def test_an_export_holds_the_same_whatever_is_written_while_it_runs_and_to_a_table_restored_to_its_time(cloud, bucket):
    client, name = cloud.client("dynamodb"), table(cloud)
    then, at = fill(client, name), moment()
    rewrite(client, restore(cloud, name, at))
    begun = request_export(cloud, bucket, name, at)
    rewrite(client, name)
    again = request_export(cloud, bucket, name, at, "again")
    for export in (begun, again):
        items = exported_items(cloud, bucket, complete(cloud, export["ExportArn"]))
        assert sorted(items, key=lambda item: item["pk"]["S"]) == then


def test_the_same_token_is_the_same_export_and_with_another_request_a_conflict(cloud, bucket):
    name = table(cloud)
    at = restorable(cloud, name, moment())
    first = request_export(cloud, bucket, name, at)
    assert request_export(cloud, bucket, name, at)["ExportArn"] == first["ExportArn"]
    with pytest.raises(ClientError, match="ExportConflictException"):
        request_export(cloud, bucket, name, at - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("recovery", "hours", "code"),
    [
        (False, 0, "PointInTimeRecoveryUnavailableException"),
        (True, -1, "InvalidExportTimeException"),
        (True, 1, "InvalidExportTimeException"),
    ],
)
def test_what_cannot_be_exported_is_refused(cloud, bucket, recovery, hours, code):
    name = table(cloud, recovery=recovery)
    with pytest.raises(ClientError, match=code):
        request_export(cloud, bucket, name, moment() + timedelta(hours=hours))


def test_an_export_into_a_bucket_that_is_not_there_fails_and_says_so(cloud):
    name = table(cloud)
    at = restorable(cloud, name, moment())
    export = complete(cloud, request_export(cloud, "no-such-bucket-anywhere", name, at)["ExportArn"])
    assert (export["ExportStatus"], export["FailureCode"]) == ("FAILED", "S3NoSuchBucket")
