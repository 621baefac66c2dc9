"""CloudTrail: the record of API calls in the account, in a locked bucket, with digests that reveal changes to it."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure.arns import trail_arn
from infrastructure.buckets import create_bucket
from infrastructure.common import removal_policy_of
from infrastructure.logs import create_log_group
from infrastructure.nag import suppress_nag, suppress_wildcards
from infrastructure.naming import bucket_name, physical_name, title_of
from orchestrator.environments import Environment

TRAIL = "Trail"
"""The construct's id."""


def create_trail(scope: Construct, environment: Environment, key: kms.IKey) -> logs.LogGroup:
    """Create the trail with its bucket; return the log group of its events, which arrive after some minutes."""
    group = create_log_group(scope, "TrailLogs", f"/aws/cloudtrail/{physical_name('trail', environment)}", environment)
    bucket = create_record_bucket(scope, environment, key, "trail", locked=environment.deletion_protection)
    trail = cloudtrail.Trail(
        scope,
        TRAIL,
        trail_name=physical_name("trail", environment),
        bucket=bucket,
        encryption_key=key,
        enable_file_validation=True,
        is_multi_region_trail=True,
        include_global_service_events=True,
        # Including read events: CloudTrail records a signature by a KMS key as a read.
        management_events=cloudtrail.ReadWriteType.ALL,
        send_to_cloud_watch_logs=True,
        cloud_watch_log_group=group,
    )
    # CloudTrail may write for this trail only, not for another trail that names this bucket.
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid="DenyOtherTrails",
            effect=iam.Effect.DENY,
            principals=[iam.ServicePrincipal("cloudtrail.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects("*")],
            conditions={"StringNotEquals": {"aws:SourceArn": trail_arn(Stack.of(scope), environment)}},
        )
    )
    role = trail.node.find_child("LogsRole")
    suppress_wildcards(role, {f"{group.log_group_arn}:log-stream:*": "CloudTrail chooses the names of the streams"})
    return group


def create_record_bucket(
    scope: Construct, environment: Environment, key: kms.IKey, name: str, *, locked: bool
) -> s3.Bucket:
    """Create a bucket for records: encrypted, private, TLS only, versioned, and with object lock if `locked`."""
    bucket = create_bucket(
        scope,
        f"{title_of(name)}Bucket",
        bucket_name(name, environment, Stack.of(scope).account),
        key,
        versioned=True,
        object_lock_enabled=locked or None,
        object_lock_default_retention=s3.ObjectLockRetention.governance(Duration.days(environment.log_retention_days))
        if locked
        else None,
        lifecycle_rules=[
            s3.LifecycleRule(
                id="Expire",
                expiration=Duration.days(environment.log_retention_days + 1),
                noncurrent_version_expiration=Duration.days(1),
                abort_incomplete_multipart_upload_after=Duration.days(1),
            )
        ],
        removal_policy=removal_policy_of(environment),
    )
    suppress_nag(bucket, "CloudTrail records access to it; a bucket of access logs would need access logs itself", "S1")
    return bucket
