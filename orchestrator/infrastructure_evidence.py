"""The bucket of evidence and configuration bundles, which outlasts the environment and nobody changes unseen; and that of exports, which pass."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from environments import Environment, EvidenceSettings
from stack_parts import explain, kept, name_of, worldwide


def evidence_bucket(scope: Construct, environment: Environment, key: kms.IKey | None) -> s3.Bucket:
    """Make the bucket: versioned, encrypted, closed to the public and to whoever comes without TLS, locked as the settings say.

    Args:
        scope: the stack.
        environment: where.
        key: encrypts it; S3's own key where there is none.
    """
    settings = environment.evidence
    bucket = _bucket(
        scope,
        environment,
        key,
        "evidence",
        versioned=True,
        object_lock_default_retention=_lock(settings),
        lifecycle_rules=[
            s3.LifecycleRule(
                id="keep",
                expiration=Duration.days(settings.keep_days),
                # What was replaced is kept as long as what replaced it: it says what was there.
                noncurrent_version_expiration=Duration.days(settings.keep_days),
                abort_incomplete_multipart_upload_after=Duration.days(1),
            )
        ],
        removal_policy=kept(environment),
    )
    explain(bucket, "two functions write it and people read it; CloudTrail says who did", "S1")
    return bucket


def exports_bucket(scope: Construct, environment: Environment, key: kms.IKey | None) -> s3.Bucket:
    """Make the bucket of tables' exports, which a drill reads and removes. It holds what the tables hold: nothing stays for longer than a day.

    Args:
        scope: the stack.
        environment: where.
        key: encrypts it; S3's own key where there is none.
    """
    bucket = _bucket(
        scope,
        environment,
        key,
        "exports",
        lifecycle_rules=[
            s3.LifecycleRule(
                id="passing", expiration=Duration.days(1), abort_incomplete_multipart_upload_after=Duration.days(1)
            )
        ],
        removal_policy=RemovalPolicy.DESTROY,
    )
    explain(bucket, "DynamoDB writes it for drills, which read it; CloudTrail says who did", "S1")
    return bucket


def _bucket(scope: Construct, environment: Environment, key: kms.IKey | None, what: str, **settings: Any) -> s3.Bucket:
    """Make a bucket that nobody outside the account reaches, nor anybody without TLS."""
    return s3.Bucket(
        scope,
        what.title(),
        # The account's number, because the names of all buckets of the world are one set.
        bucket_name=worldwide(f"{name_of(what, environment)}-{Aws.ACCOUNT_ID}", environment),
        encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=key,
        bucket_key_enabled=True if key else None,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        **settings,
    )


def _lock(settings: EvidenceSettings) -> s3.ObjectLockRetention | None:
    length = Duration.days(settings.lock_days)
    match settings.lock:
        case "governance":
            return s3.ObjectLockRetention.governance(length)
        case "compliance":
            return s3.ObjectLockRetention.compliance(length)
    return None
