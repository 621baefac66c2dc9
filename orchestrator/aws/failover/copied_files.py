"""The files of an evidence bucket and of its copy, to be compared."""

from __future__ import annotations

from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.failover.copies import StoredFile


def list_files(client: Any, bucket: str) -> tuple[StoredFile, ...]:
    """Return the files of a bucket, in the order of their keys.

    Args:
        client: botocore's S3 client, of the bucket's region.
        bucket: its name.

    Raises:
        Throttled, Unreachable: S3 did not answer.
    """
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="")
    with translate_errors():
        return tuple(
            StoredFile(one["Key"], one["Size"], one["LastModified"])
            for page in pages
            for one in page.get("Contents", ())
        )
