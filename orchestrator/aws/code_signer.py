"""AWS Signer: put a package into a bucket, have a job sign it, and read the signed package from the bucket.

https://docs.aws.amazon.com/signer/latest/developerguide/lambda-workflow.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused

_EVERY_SECONDS, _TRIES = 5, 60


@dataclass(frozen=True)
class Publisher:
    """A version of a signing profile. `owner` is the id of the profile's account."""

    name: str
    owner: str
    version: str


class Signer:
    """AWS Signer with one bucket.

    Args:
        client: botocore's Signer client.
        s3: botocore's S3 client.
        bucket: of this account, with versioning.
    """

    def __init__(self, client: Any, s3: Any, bucket: str) -> None:
        self._client, self._s3, self._bucket = client, s3, bucket

    def read_publisher(self, name: str, owner: str) -> Publisher:
        """Return the current version of a signing profile.

        Raises:
            Refused: there is no such profile.
        """
        try:
            with translate_errors():
                profile = self._client.get_signing_profile(profileName=name, profileOwner=owner)
        except ClientError as error:
            if error_code(error) not in {"ResourceNotFoundException", "NotFoundException"}:
                raise
            raise Refused("code_signing", name, "deploy the security stack first: it creates the profile") from error
        return Publisher(name, owner, profile["profileVersion"])

    def sign_package(self, publisher: Publisher, key: str, package: bytes) -> bytes:
        """Sign a package, and return the signed package.

        Args:
            publisher: whose signature.
            key: the package's key in the bucket.
            package: its bytes.

        Raises:
            Refused: the job did not succeed, with AWS Signer's reason; or the bucket does not exist.
        """
        with translate_errors(NoSuchBucket=SigningBucketMissing):
            put = self._s3.put_object(Bucket=self._bucket, Key=key, Body=package, ChecksumAlgorithm="SHA256")
            job = self._client.start_signing_job(
                source={"s3": {"bucketName": self._bucket, "key": key, "version": put["VersionId"]}},
                destination={"s3": {"bucketName": self._bucket, "prefix": f"signed/{key}-"}},
                profileName=publisher.name,
                profileOwner=publisher.owner,
                # The same version of the same object is the same job: a retry does not sign twice.
                clientRequestToken=f"{publisher.version}-{put['VersionId']}",
            )["jobId"]
            signed = self._wait_for(job)["signedObject"]["s3"]
            content: bytes = self._s3.get_object(Bucket=signed["bucketName"], Key=signed["key"])["Body"].read()
        return content

    def _wait_for(self, job: str) -> Any:
        waiter = self._client.get_waiter("successful_signing_job")
        try:
            waiter.wait(jobId=job, WaiterConfig={"Delay": _EVERY_SECONDS, "MaxAttempts": _TRIES})
        except WaiterError as error:
            description = self._client.describe_signing_job(jobId=job)
            reason = (
                description.get("statusReason") or f"it is {description['status']} after {_EVERY_SECONDS * _TRIES} s"
            )
            raise Refused("signing job", job, reason) from error
        return self._client.describe_signing_job(jobId=job)


class SigningBucketMissing(Refused):
    """The bucket for signing does not exist."""

    def __init__(self, reason: str) -> None:
        super().__init__("code_signing", reason, "deploy the security stack first: it creates the bucket")
