"""AWS Signer's part of a signature: the package goes in, the job is waited for, what it left comes out."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from orchestrator.aws.code_signer import Publisher, Signer
from orchestrator.domain.errors import Refused
from tests.fakes.errors import client_error
from tests.fakes.s3 import FakeS3

OURS = Publisher("ib_oauth_prod", "123456789012", "0123456789")
JOB = "6d1e2a1c-0000-4000-8000-000000000000"
SOURCE = {"s3": {"bucketName": "signing", "key": "d/service.zip", "version": "1"}}
PARAMS = {
    "source": SOURCE,
    "destination": {"s3": {"bucketName": "signing", "prefix": "signed/d/service.zip-"}},
    "profileName": OURS.name,
    "profileOwner": OURS.owner,
    "clientRequestToken": "0123456789-1",
}


@pytest.fixture
def stub():
    client = boto3.client("signer", "us-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as found:
        yield found
        found.assert_no_pending_responses()


def test_what_the_job_left_is_what_was_signed(stub):
    s3 = FakeS3()
    done = {
        "status": "Succeeded",
        "signedObject": {"s3": {"bucketName": "signing", "key": f"signed/d/service.zip-{JOB}.zip"}},
    }
    s3.objects[f"signed/d/service.zip-{JOB}.zip"] = b"signed"
    stub.add_response("start_signing_job", {"jobId": JOB}, PARAMS)
    stub.add_response("describe_signing_job", done, {"jobId": JOB})
    stub.add_response("describe_signing_job", done, {"jobId": JOB})

    assert Signer(stub.client, s3, "signing").sign_package(OURS, "d/service.zip", b"unsigned") == b"signed"
    assert s3.objects["d/service.zip"] == b"unsigned"


def test_a_job_that_failed_says_why(stub):
    failed = {"status": "Failed", "statusReason": "the profile was revoked"}
    stub.add_response("start_signing_job", {"jobId": JOB}, PARAMS)
    stub.add_response("describe_signing_job", failed, {"jobId": JOB})
    stub.add_response("describe_signing_job", failed, {"jobId": JOB})

    with pytest.raises(Refused, match="the profile was revoked"):
        Signer(stub.client, FakeS3(), "signing").sign_package(OURS, "d/service.zip", b"unsigned")


def test_the_profiles_newest_version_signs(stub):
    stub.add_response(
        "get_signing_profile",
        {"profileVersion": "0123456789"},
        {"profileName": OURS.name, "profileOwner": OURS.owner},
    )
    assert Signer(stub.client, FakeS3(), "signing").read_publisher(OURS.name, OURS.owner) == OURS


def test_a_profile_and_a_bucket_that_are_not_there_say_what_to_deploy(stub):
    class NoBucket(FakeS3):
        def put_object(self, **_params):
            raise client_error("NoSuchBucket", "The specified bucket does not exist", status=404)

    stub.add_client_error("get_signing_profile", "ResourceNotFoundException")
    with pytest.raises(Refused, match="deploy the security stack first: it creates the profile"):
        Signer(stub.client, FakeS3(), "signing").read_publisher(OURS.name, OURS.owner)
    with pytest.raises(Refused, match="deploy the security stack first: it creates the bucket"):
        Signer(stub.client, NoBucket(), "signing").sign_package(OURS, "d/service.zip", b"unsigned")
