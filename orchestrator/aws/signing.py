"""AWS Signer: a package goes into a bucket, a job signs it, and what the job leaves is taken from there.

https://docs.aws.amazon.com/signer/latest/developerguide/lambda-workflow.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused

_EVERY_SECONDS, _TRIES = 5, 60


@dataclass(frozen=True)
class Publisher:
    """A version of a signing profile. `owner` is the account whose it is."""

    name: str
    owner: str
    version: str


class Signer:
    """AWS Signer with one bucket.

    Args:
        client: botocore's Signer client.
        s3: botocore's S3 client.
        bucket: versioned, of this account.
    """

    def __init__(self, client: Any, s3: Any, bucket: str) -> None:
        self._client, self._s3, self._bucket = client, s3, bucket

    def publisher(self, name: str, owner: str) -> Publisher:
        """Read which version of a profile signs now.

        Raises:
            Refused: there is no such profile.
        """
        try:
            with narrowed():
                found = self._client.get_signing_profile(profileName=name, profileOwner=owner)
        except ClientError as error:
            if code_of(error) not in {"ResourceNotFoundException", "NotFoundException"}:
                raise
            raise Refused("code_signing", name, "deploy the security stack first: it makes the profile") from error
        return Publisher(name, owner, found["profileVersion"])

    def sign(self, publisher: Publisher, key: str, package: bytes) -> bytes:
        """Have a package signed; returns what AWS Signer made of it.

        Raises:
            Refused: the job did not succeed; says why.
        """
        with narrowed(NoSuchBucket=NoBucket):
            put = self._s3.put_object(Bucket=self._bucket, Key=key, Body=package, ChecksumAlgorithm="SHA256")
            job = self._client.start_signing_job(
                source={"s3": {"bucketName": self._bucket, "key": key, "version": put["VersionId"]}},
                destination={"s3": {"bucketName": self._bucket, "prefix": f"signed/{key}-"}},
                profileName=publisher.name,
                profileOwner=publisher.owner,
                # The same version of the same object is the same job: a retry signs nothing twice.
                clientRequestToken=f"{publisher.version}-{put['VersionId']}",
            )["jobId"]
            done = self._ended(job)
            signed = done["signedObject"]["s3"]
            found: bytes = self._s3.get_object(Bucket=signed["bucketName"], Key=signed["key"])["Body"].read()
        return found

    def _ended(self, job: str) -> Any:
        waiter = self._client.get_waiter("successful_signing_job")
        try:
            waiter.wait(jobId=job, WaiterConfig={"Delay": _EVERY_SECONDS, "MaxAttempts": _TRIES})
        except WaiterError as error:
            told = self._client.describe_signing_job(jobId=job)
            reason = told.get("statusReason") or f"it is {told['status']} after {_EVERY_SECONDS * _TRIES} s"
            raise Refused("signing job", job, reason) from error
        return self._client.describe_signing_job(jobId=job)


class NoBucket(Refused):
    """The bucket for signing is not there."""

    def __init__(self, reason: str) -> None:
        super().__init__("code_signing", reason, "deploy the security stack first: it makes the bucket")
