"""CloudTrail: who did what in the account, in a bucket that nobody empties, with digests that show what was changed."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from environments import Environment
from stack_parts import explain, explain_wildcards, kept, log_group, name_of, worldwide


def make_trail(scope: Construct, environment: Environment, key: kms.IKey) -> logs.LogGroup:
    """Make the trail with its bucket; return the log group in which its events are looked for, some minutes after they happened."""
    group = log_group(scope, "TrailLogs", f"/aws/cloudtrail/{name_of('trail', environment)}", environment)
    bucket = bucket_of(scope, environment, key, "trail", locked=environment.deletion_protection)
    trail = cloudtrail.Trail(
        scope,
        "Trail",
        trail_name=name_of("trail", environment),
        bucket=bucket,
        encryption_key=key,
        enable_file_validation=True,
        is_multi_region_trail=True,
        include_global_service_events=True,
        # Reads as well: a key that signs is "read".
        management_events=cloudtrail.ReadWriteType.ALL,
        send_to_cloud_watch_logs=True,
        cloud_watch_log_group=group,
    )
    # CloudTrail may write on behalf of this trail alone, and not on that of somebody who knows the bucket's name.
    arn = Stack.of(scope).format_arn(
        service="cloudtrail", resource="trail", resource_name=name_of("trail", environment)
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid="ThisTrailAlone",
            effect=iam.Effect.DENY,
            principals=[iam.ServicePrincipal("cloudtrail.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects("*")],
            conditions={"StringNotEquals": {"aws:SourceArn": arn}},
        )
    )
    role = trail.node.find_child("LogsRole")
    explain_wildcards(role, {f"{group.log_group_arn}:log-stream:*": "CloudTrail names the streams"})
    return group


def bucket_of(scope: Construct, environment: Environment, key: kms.IKey, what: str, *, locked: bool) -> s3.Bucket:
    """Make a bucket for records: encrypted, private, by TLS alone, every version kept; locked, nobody deletes one early."""
    bucket = s3.Bucket(
        scope,
        f"{what.title()}Bucket",
        bucket_name=worldwide(f"ib-oauth-{what}-{environment.name}-{Stack.of(scope).account}", environment),
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
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
        removal_policy=kept(environment),
    )
    explain(bucket, "Its readers are in the trail; a log of the log's readers would need one, too", "S1")
    return bucket
