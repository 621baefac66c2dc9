"""The second place of the evidence chain: a bucket with object lock in another region, with the signed head of each entry.

A deletion of a locked file only hides it behind a delete marker, and a replacement adds a version. So every version of
every file is read.
"""

from __future__ import annotations

from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.evidence.signatures import SignedHead, head_file

PREFIX = "heads/"


class EvidenceHeads:
    """The bucket of signed heads.

    Args:
        client: botocore's S3 client, of the bucket's region.
        bucket: its name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self.bucket = client, bucket

    def put_head(self, head: SignedHead) -> None:
        """Put the signed head of an entry.

        Raises:
            Throttled, Unreachable: S3 did not answer.
        """
        with translate_errors():
            self._client.put_object(
                Bucket=self.bucket,
                Key=f"{PREFIX}{head.number:06}.json",
                Body=head_file(head),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
            )

    def read_versions(self) -> list[bytes]:
        """Return every version of every head, also those that are hidden by a delete marker."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=PREFIX)
        with translate_errors():
            versions = [(one["Key"], one["VersionId"]) for page in pages for one in page.get("Versions", ())]
            return [
                self._client.get_object(Bucket=self.bucket, Key=key, VersionId=version)["Body"].read()
                for key, version in versions
            ]
