"""What an account has once, where an environment is asked to switch it on: GuardDuty, and AWS Config with rules."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_config as config
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_guardduty as guardduty
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from security.infrastructure_trail import bucket_of
from stack_parts import explain, name_of, worldwide

MEDIUM_SEVERITY = 4
RULES: Mapping[str, str] = {
    "CLOUD_TRAIL_LOG_FILE_VALIDATION_ENABLED": "the trail shows what was changed in it",
    "DYNAMODB_PITR_ENABLED": "tables can be restored to a second",
    "IAM_ROOT_ACCESS_KEY_CHECK": "root has no access key",
    "KMS_CMK_NOT_SCHEDULED_FOR_DELETION": "no key is about to be deleted",
    "LAMBDA_FUNCTION_PUBLIC_ACCESS_PROHIBITED": "nobody outside may invoke a function",
    "S3_BUCKET_PUBLIC_READ_PROHIBITED": "no bucket is readable by everybody",
}
"""Managed rules, and what each holds the account to."""


def guard_duty(scope: Construct, environment: Environment, topic: sns.ITopic) -> None:
    """Switch on GuardDuty, and tell of findings from medium severity on."""
    guardduty.CfnDetector(scope, "Detector", enable=True, finding_publishing_frequency="FIFTEEN_MINUTES")
    _tell(
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


def config_rules(scope: Construct, environment: Environment, key: kms.IKey, topic: sns.ITopic) -> None:
    """Switch on AWS Config with its rules, and tell of what does not keep to one."""
    # Config delivers into no bucket that is locked.
    bucket = bucket_of(scope, environment, key, "config", locked=False)
    service = iam.ServicePrincipal("config.amazonaws.com")
    role = iam.Role(
        scope,
        "ConfigRole",
        role_name=worldwide(name_of("config", environment), environment),
        assumed_by=service,
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWS_ConfigRole")],
    )
    explain(
        role,
        "AWS's own list of what Config may read, which grows with its services",
        "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWS_ConfigRole]",
    )
    bucket.grant_put(role)
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetBucketAcl"], resources=[bucket.bucket_arn]))
    explain(role, "Config names what it writes into its own bucket", "IAM5")
    recorder = config.CfnConfigurationRecorder(
        scope,
        "Recorder",
        role_arn=role.role_arn,
        recording_group=config.CfnConfigurationRecorder.RecordingGroupProperty(
            all_supported=True, include_global_resource_types=True
        ),
    )
    channel = config.CfnDeliveryChannel(scope, "Channel", s3_bucket_name=bucket.bucket_name)
    for identifier, meaning in RULES.items():
        rule = config.ManagedRule(
            scope,
            f"{identifier.title().replace('_', '')}Rule",
            identifier=identifier,
            config_rule_name=name_of(identifier.lower().replace("_", "-"), environment),
            description=meaning,
        )
        rule.node.add_dependency(recorder, channel)
    _tell(
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


def _tell(
    scope: Construct, environment: Environment, topic: sns.ITopic, what: str, pattern: events.EventPattern
) -> None:
    rule = events.Rule(
        scope,
        f"{what.title().replace('-', '')}Findings",
        rule_name=name_of(f"{what}-findings", environment),
        event_pattern=pattern,
    )
    rule.add_target(targets.SnsTopic(topic))
