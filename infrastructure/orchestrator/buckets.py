"""The bucket of evidence and configuration snapshots, its second place, its copies, and the bucket of table exports.

All but the last are retained and locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure.buckets import create_bucket
from infrastructure.common import removal_policy_of
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import bucket_name, title_of
from orchestrator.domain import names
from orchestrator.environments import Environment, EvidenceSettings

COPIES = "evidence-copies"


def create_evidence_bucket(scope: Construct, environment: Environment, key: kms.IKey | None) -> s3.Bucket:
    """Create the evidence bucket: versioned, encrypted, private, TLS only, with the lock from the settings.

    Args:
        scope: the stack.
        environment: the environment.
        key: encrypts the bucket; None for S3's own key.
    """
    bucket = _bucket(
        scope,
        environment,
        key,
        "evidence",
        **_kept(environment),
    )
    suppress_nag(bucket, "functions write to it and operators read it; CloudTrail records the access", "S1")
    return bucket


def create_heads_bucket(scope: Construct, environment: Environment) -> None:
    """Create the second place of the evidence chain, in the region of the scope: a bucket of signed heads.

    S3's own key encrypts it, so that it can be read without any resource of the home region. A head is no secret.
    """
    bucket = _bucket(
        scope,
        environment,
        None,
        "evidence-heads",
        **_kept(environment),
    )
    reason = "functions write to it and operators read it; CloudTrail records the access"
    suppress_nag(bucket, reason, "S1")
    suppress_nist(bucket, reason, "S3BucketLoggingEnabled")
    suppress_nist(bucket, "it is itself a copy, of heads that the home region has", "S3BucketReplicationEnabled")
    suppress_nist(bucket, "S3's own key encrypts it, so that it is readable without our keys", "S3DefaultEncryptionKMS")


def heads_bucket_name(environment: Environment) -> str:
    """Return the name of the second place's bucket."""
    return bucket_name("evidence-heads", environment)


def create_copies_bucket(scope: Construct, environment: Environment, key: kms.IKey | None) -> None:
    """Create the bucket in the standby region to which S3 replicates the evidence bucket, with the same lock.

    Args:
        scope: the stack in the standby region.
        environment: the environment in its home region.
        key: of the standby region; None for S3's own key.
    """
    bucket = create_bucket(scope, title_of(COPIES), copies_bucket_name(environment), key, **_kept(environment))
    suppress_nag(bucket, "S3 writes to it, and operators read it; CloudTrail records the access", "S1")
    suppress_nist(bucket, "it is itself the copy of a bucket in the home region", "S3BucketReplicationEnabled")
    if key is None:
        reason = "S3's own key encrypts it: `customer_managed_keys` is off in environments without real users"
        suppress_nist(bucket, reason, "S3DefaultEncryptionKMS")


def copies_bucket_name(environment: Environment, account: str = Aws.ACCOUNT_ID) -> str:
    """Return the name of the bucket of copies, in either of the environment's regions.

    The standby region is in it, so that no stack of that region has a bucket of this name.
    """
    assert environment.failover is not None, "only an environment with a standby region has copies"
    return names.bucket_name(COPIES, environment.name, account, environment.failover.region)


def home_evidence_bucket_name(environment: Environment, account: str = Aws.ACCOUNT_ID) -> str:
    """Return the name of the evidence bucket of the home region, in either of the environment's regions."""
    return names.bucket_name("evidence", environment.name, account, None)


def create_exports_bucket(scope: Construct, environment: Environment, key: kms.IKey | None) -> s3.Bucket:
    """Create the bucket of table exports, which a drill reads and removes.

    It holds table data, so objects expire after a day.

    Args:
        scope: the stack.
        environment: the environment.
        key: encrypts the bucket; None for S3's own key.
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
    suppress_nag(bucket, "DynamoDB writes to it and drills read it; CloudTrail records the access", "S1")
    return bucket


def _bucket(scope: Construct, environment: Environment, key: kms.IKey | None, name: str, **settings: Any) -> s3.Bucket:
    return create_bucket(scope, title_of(name), bucket_name(name, environment), key, **settings)


def _kept(environment: Environment) -> Mapping[str, Any]:
    """Return the settings of a bucket of evidence: locked, and kept for as long as the settings say."""
    settings = environment.evidence
    return {
        "versioned": True,
        "object_lock_default_retention": _lock(settings),
        "lifecycle_rules": [
            s3.LifecycleRule(
                id="keep",
                expiration=Duration.days(settings.keep_days),
                # Replaced versions are kept as long as current ones: they show the earlier content.
                noncurrent_version_expiration=Duration.days(settings.keep_days),
                abort_incomplete_multipart_upload_after=Duration.days(1),
            )
        ],
        "removal_policy": removal_policy_of(environment),
    }


def _lock(settings: EvidenceSettings) -> s3.ObjectLockRetention | None:
    length = Duration.days(settings.lock_days)
    match settings.lock:
        case "governance":
            return s3.ObjectLockRetention.governance(length)
        case "compliance":
            return s3.ObjectLockRetention.compliance(length)
    return None
