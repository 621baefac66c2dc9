"""The bucket of a static site, from which CloudFront reads."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused

CACHE_CONTROL = "public, max-age=5"
"""Browsers and CloudFront ask again after 5 seconds: a reader sees a change within 10."""

_NOT_WRITABLE = frozenset({"AccessDenied", "NoSuchBucket"})


class SiteBucket:
    """A bucket of a site.

    Args:
        client: botocore's S3 client, of the bucket's region.
        bucket: its name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self._bucket

    def read_file(self, path: str) -> bytes:
        """Return a file's bytes; none if there is no such file.

        Raises:
            Throttled, Unreachable: S3 did not answer.
        """
        try:
            with translate_errors():
                content: bytes = self._client.get_object(Bucket=self._bucket, Key=path)["Body"].read()
                return content
        except ClientError as error:
            if error_code(error) not in {"NoSuchKey", "NoSuchBucket"}:
                raise
            return b""

    def write_file(self, path: str, content_type: str, content: bytes) -> None:
        """Write a file in the place of an earlier one.

        Args:
            path: without a leading slash.
            content_type: with which it is served.
            content: its bytes.

        Raises:
            Refused: the bucket does not exist, or may not be written.
            Throttled, Unreachable: S3 did not answer.
        """
        try:
            with translate_errors():
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=path,
                    Body=content,
                    ContentType=content_type,
                    CacheControl=CACHE_CONTROL,
                    ChecksumAlgorithm="SHA256",
                )
        except ClientError as error:
            if error_code(error) not in _NOT_WRITABLE:
                raise
            remedy = "deploy the status page's stack, and use credentials that may write to its bucket"
            raise Refused("status page", self._bucket, remedy) from error
