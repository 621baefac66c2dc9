"""Services that an account has once, enabled by one of its environments: GuardDuty, and AWS Config with rules."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_config as config
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_guardduty as guardduty
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.arns import plain_arn
from infrastructure.nag import suppress_nag
from infrastructure.naming import global_name, physical_name, title_of
from infrastructure.security.cloudtrail import create_record_bucket
from orchestrator.environments import Environment

MEDIUM_SEVERITY = 4
RULES: Mapping[str, str] = {
    "CLOUD_TRAIL_LOG_FILE_VALIDATION_ENABLED": "CloudTrail validates its log files",
    "DYNAMODB_PITR_ENABLED": "every table has point-in-time recovery",
    "IAM_ROOT_ACCESS_KEY_CHECK": "the root user has no access key",
    "KMS_CMK_NOT_SCHEDULED_FOR_DELETION": "no KMS key is scheduled for deletion",
    "LAMBDA_FUNCTION_PUBLIC_ACCESS_PROHIBITED": "no function allows public access",
    "S3_BUCKET_PUBLIC_READ_PROHIBITED": "no bucket is publicly readable",
}
"""Managed rules of AWS Config, each with the requirement that it checks."""


def enable_guard_duty(scope: Construct, environment: Environment, topic: sns.ITopic) -> None:
    """Enable GuardDuty, and publish findings of at least medium severity to the topic."""
    guardduty.CfnDetector(scope, "Detector", enable=True, finding_publishing_frequency="FIFTEEN_MINUTES")
    _notify(
        scope,
        environment,
        topic,
        "guard-duty",
        events.EventPattern(
            source=["aws.guardduty"],
            detail_type=["GuardDuty Finding"],
            detail={"severity": [{"numeric": [">=", MEDIUM_SEVERITY]}]},
        ),
    )


def enable_config_rules(scope: Construct, environment: Environment, key: kms.IKey, topic: sns.ITopic) -> None:
    """Enable AWS Config with its rules, and publish violations to the topic."""
    # AWS Config cannot deliver to a bucket with object lock.
    bucket = create_record_bucket(scope, environment, key, "config", locked=False)
    service = iam.ServicePrincipal("config.amazonaws.com")
    role = iam.Role(
        scope,
        "ConfigRole",
        role_name=global_name(physical_name("config", environment), environment),
        assumed_by=service,
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWS_ConfigRole")],
    )
    suppress_nag(
        role,
        "AWS's managed policy for Config, which grows with the services that Config records",
        "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWS_ConfigRole]",
    )
    bucket.grant_put(role)
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetBucketAcl"], resources=[bucket.bucket_arn]))
    suppress_nag(role, "Config names the objects that it writes into its own bucket", "IAM5")
    recorder = config.CfnConfigurationRecorder(
        scope,
        "Recorder",
        role_arn=role.role_arn,
        recording_group=config.CfnConfigurationRecorder.RecordingGroupProperty(
            all_supported=True, include_global_resource_types=True
        ),
    )
    channel = config.CfnDeliveryChannel(scope, "Channel", s3_bucket_name=bucket.bucket_name)
    for identifier, requirement in RULES.items():
        rule = config.ManagedRule(
            scope,
            f"{title_of(identifier)}Rule",
            identifier=identifier,
            config_rule_name=physical_name(identifier.lower().replace("_", "-"), environment),
            description=requirement,
        )
        rule.node.add_dependency(recorder, channel)
    _notify(
        scope,
        environment,
        topic,
        "config-rules",
        events.EventPattern(
            source=["aws.config"],
            detail_type=["Config Rules Compliance Change"],
            detail={"newEvaluationResult": {"complianceType": ["NON_COMPLIANT"]}},
        ),
    )


def allow_events(topic: sns.Topic, key: kms.IKey, name: str) -> None:
    """Allow EventBridge to publish to the topic, and to use the key for it.

    EventBridge's requests have no `aws:SourceAccount`: a condition on it would be met by none. The encryption context is
    the topic that SNS encrypts for.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services

    Args:
        topic: the topic.
        key: its key.
        name: the topic's name. The key cannot refer to the topic, which depends on it.
    """
    service = "events.amazonaws.com"
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sns:Publish"], principals=[iam.ServicePrincipal(service)], resources=[topic.topic_arn]
        )
    )
    arn = plain_arn(Stack.of(topic), "sns", name)
    context = {"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": arn}}
    key.grant(iam.ServicePrincipal(service, conditions=context), "kms:Decrypt", "kms:GenerateDataKey*")


def _notify(
    scope: Construct, environment: Environment, topic: sns.ITopic, source: str, pattern: events.EventPattern
) -> None:
    rule = events.Rule(
        scope,
        f"{title_of(source)}Findings",
        rule_name=physical_name(f"{source}-findings", environment),
        event_pattern=pattern,
    )
    # The target of a topic with a key would allow EventBridge every use of the key: `allow_events` limits it.
    rule.add_target(targets.SnsTopic(sns.Topic.from_topic_arn(rule, "Topic", topic.topic_arn)))
