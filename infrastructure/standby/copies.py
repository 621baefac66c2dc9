"""The replication of the evidence bucket to the standby region, and its alarms.

S3 replicates new objects, usually within minutes, and not what was there before (the runbook has the command). Deletions
are not replicated, so a file that an attacker hides at home is still in the copy.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.alarms import Alarm, create_alarm, metric
from infrastructure.arns import bucket_arn, keys_arn, named_arn
from infrastructure.nag import suppress_wildcards
from infrastructure.naming import global_name, physical_name
from infrastructure.orchestrator.buckets import COPIES, copies_bucket_name, home_evidence_bucket_name
from infrastructure.security.permissions_boundary import exempt_from_own_boundary
from orchestrator.domain.failover.copies import LATEST
from orchestrator.environments import Environment

RULE = "to-the-standby-region"
_SOURCE_ACTIONS = ("s3:GetReplicationConfiguration", "s3:ListBucket")
_OBJECT_ACTIONS = (
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging",
    "s3:GetObjectRetention",
    "s3:GetObjectLegalHold",
)
_COPY_ACTIONS = ("s3:ReplicateObject", "s3:ReplicateTags")


def replicate_evidence(scope: Construct, environment: Environment, bucket: s3.Bucket, key: kms.IKey | None) -> None:
    """Have S3 replicate the evidence bucket to the standby region.

    Args:
        scope: the stack of the home region.
        environment: the environment, which has a standby region.
        bucket: the evidence bucket.
        key: encrypts it; None for S3's own key.
    """
    role = _replication_role(scope, environment, key)
    copies = bucket_arn(copies_bucket_name(environment))
    rule, encrypted = s3.CfnBucket, key is not None
    properties = bucket.node.default_child
    assert isinstance(properties, s3.CfnBucket), "the construct of a bucket has one"
    properties.replication_configuration = rule.ReplicationConfigurationProperty(
        role=role.role_arn,
        rules=[
            rule.ReplicationRuleProperty(
                id=RULE,
                status="Enabled",
                priority=1,
                filter=rule.ReplicationRuleFilterProperty(prefix=""),
                delete_marker_replication=rule.DeleteMarkerReplicationProperty(status="Disabled"),
                source_selection_criteria=rule.SourceSelectionCriteriaProperty(
                    # Without it S3 does not replicate what a key of KMS encrypts.
                    sse_kms_encrypted_objects=rule.SseKmsEncryptedObjectsProperty(status="Enabled")
                )
                if encrypted
                else None,
                destination=rule.ReplicationDestinationProperty(
                    bucket=copies,
                    encryption_configuration=rule.EncryptionConfigurationProperty(
                        replica_kms_key_id=_copies_key_alias(scope, environment)
                    )
                    if encrypted
                    else None,
                    metrics=rule.MetricsProperty(status="Enabled"),
                ),
            )
        ],
    )
    # S3 checks the role when it gets the configuration.
    properties.node.add_dependency(role)


def create_copies_alarm(scope: Construct, environment: Environment, operators: sns.ITopic) -> None:
    """Create the region's alarm on the replication.

    S3 publishes failed operations in the region of the source, and the latency in that of the destination. Most hours
    have nothing to replicate, so silence is no problem: a file that is missing is found by the evaluation of the plan.
    """
    if environment.standby_region:
        problem, name, statistic, threshold = "failed", "OperationsFailedReplication", "Sum", 0.0
    else:
        problem, name, statistic, threshold = "late", "ReplicationLatency", "Maximum", LATEST.total_seconds()
    dimensions = {
        "SourceBucket": home_evidence_bucket_name(environment),
        "DestinationBucket": copies_bucket_name(environment),
        "RuleId": RULE,
    }
    alarm = Alarm(
        f"{COPIES}-{problem}",
        COPIES,
        f"copies of evidence or configuration snapshots in the standby region are {problem}",
        metric("AWS/S3", name, dimensions, statistic, Duration.minutes(5)),
        threshold,
    )
    create_alarm(scope, environment, alarm, operators)


def _replication_role(scope: Construct, environment: Environment, key: kms.IKey | None) -> iam.Role:
    # By name: the bucket refers to the role.
    home = home_evidence_bucket_name(environment)
    objects = bucket_arn(home, "*")
    copies = bucket_arn(copies_bucket_name(environment), "*")
    statements = [
        iam.PolicyStatement(actions=list(_SOURCE_ACTIONS), resources=[bucket_arn(home)]),
        iam.PolicyStatement(actions=list(_OBJECT_ACTIONS), resources=[objects]),
        iam.PolicyStatement(actions=list(_COPY_ACTIONS), resources=[copies]),
    ]
    wildcards = {objects: "files are named by their digests", copies: "files are named by their digests"}
    if key is not None:
        keys = keys_arn(Stack.of(scope), region=environment.standby_region)
        alias = f"alias/{physical_name(COPIES, environment)}"
        statements += [
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"s3.{environment.region}.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                actions=["kms:Encrypt", "kms:GenerateDataKey"],
                resources=[keys],
                conditions={
                    "ForAnyValue:StringEquals": {"kms:ResourceAliases": alias},
                    "StringEquals": {"kms:ViaService": f"s3.{environment.standby_region}.amazonaws.com"},
                },
            ),
        ]
        wildcards[keys] = "KMS generates key ids; a condition on the alias limits this to the copies' key"
    role = iam.Role(
        scope,
        "ReplicationRole",
        role_name=global_name(physical_name("replication", environment), environment),
        # Without a condition on the account: AWS documents none for this role, and with one that S3 does not meet nothing
        # would be copied. A bucket of another account cannot name it, because that needs iam:PassRole in this account.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
        assumed_by=iam.ServicePrincipal("s3.amazonaws.com"),
        inline_policies={"access": iam.PolicyDocument(statements=statements)},
    )
    suppress_wildcards(role, wildcards)
    # The boundary ends at the region, and S3 writes to the other one.
    exempt_from_own_boundary(role, environment)
    return role


def _copies_key_alias(scope: Construct, environment: Environment) -> str:
    """Return the ARN of the alias of the copies' key. The key's id is unknown in the home region's stack."""
    alias = physical_name(COPIES, environment)
    return named_arn(Stack.of(scope), "kms", "alias", alias, region=environment.standby_region)
