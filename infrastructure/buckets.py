"""The buckets of every stack: private, encrypted, and reached by TLS only."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


def create_bucket(scope: Construct, construct_id: str, name: str, key: kms.IKey | None, **settings: Any) -> s3.Bucket:
    """Create a bucket.

    Args:
        scope: the stack.
        construct_id: unique within the stack.
        name: the complete name.
        key: encrypts the objects; None for S3's own key.
        settings: further settings of the bucket: versions, lock, lifecycle rules and removal policy.
    """
    return s3.Bucket(
        scope,
        construct_id,
        bucket_name=name,
        encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=key,
        bucket_key_enabled=True if key else None,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        **settings,
    )
