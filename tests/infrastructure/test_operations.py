"""The operations that the adapters call are the actions that the functions' roles allow: none is missing, none is left over."""

from __future__ import annotations

import re

from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS
from infrastructure.orchestrator.iam_grants import PIPELINE_PERMISSIONS, Ledger
from infrastructure.service.iam import ACCESS
from infrastructure.standby.functions import FAILOVER_HANDLERS, FAILOVER_TASKS
from tests.aws_operations import ROOT, called_operations

ROWS = (
    *(*TASKS.values(), *EVENT_HANDLERS.values(), *OPTIONAL_HANDLERS.values()),
    *(*FAILOVER_TASKS.values(), *FAILOVER_HANDLERS.values()),
)
PREFIXES = {"stepfunctions": "states", "resourcegroupstaggingapi": "tag", "dynamodbstreams": "dynamodb", "sesv2": "ses"}
"""IAM's prefix of a service, where it is not botocore's name."""

OTHER_ACTIONS = {
    "dynamodb:TransactWriteItems": {"dynamodb:ConditionCheckItem", "dynamodb:PutItem"},
    "lambda:CreateFunction": {"iam:PassRole", "lambda:CreateFunction", "lambda:TagResource"},
    "lambda:Invoke": {"lambda:InvokeFunction"},
    "kms:CreateKey": {"kms:CreateKey", "kms:TagResource"},
    "dynamodb:ExportTableToPointInTime": {
        "dynamodb:ExportTableToPointInTime", "s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl",
    },
    "application-autoscaling:PutScalingPolicy": {
        "application-autoscaling:PutScalingPolicy", "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricAlarm",
    },
    "sqs:SendMessageBatch": {"sqs:SendMessage"},
    "ses:SendEmail": {"ses:SendEmail", "ses:SendRawEmail"},  # a raw message needs both
    "s3:DeleteObjects": {"s3:DeleteObject"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    "s3:GetBucketEncryption": {"s3:GetEncryptionConfiguration"},
    "s3:GetBucketLifecycleConfiguration": {"s3:GetLifecycleConfiguration"},
    "s3:GetObjectLockConfiguration": {"s3:GetBucketObjectLockConfiguration"},
    "s3:GetPublicAccessBlock": {"s3:GetBucketPublicAccessBlock"},
    "apigateway:GetGatewayResponses": {"apigateway:GET"},
    "apigateway:GetResources": {"apigateway:GET"},
    "apigateway:GetRestApis": {"apigateway:GET"},
    "apigateway:GetStages": {"apigateway:GET"},
    "apigateway:GetDomainName": {"apigateway:GET"},
    "s3:ListBuckets": {"s3:ListAllMyBuckets"},
    "backup:StartCopyJob": {"backup:StartCopyJob", "iam:PassRole"},
    "backup:StartRestoreJob": {"backup:StartRestoreJob", "iam:PassRole"},
}  # fmt: skip
"""The actions of an operation that is not authorised by the one action of its name (Service Authorization Reference)."""

BY_PERSONS = {
    "cloudformation:DeleteStack", "cloudformation:DescribeStackResources",  # stacks whose creation failed
    "cloudformation:UpdateTerminationProtection", "logs:DeleteLogGroup",
    "cloudformation:CreateChangeSet", "cloudformation:CreateStack", "cloudformation:DescribeChangeSet",  # rebuild
    "cloudformation:DescribeStackEvents", "cloudformation:ExecuteChangeSet", "cloudformation:ListStacks",
    "cloudformation:SetStackPolicy", "cloudformation:UpdateStack", "kms:CancelKeyDeletion", "kms:EnableKey",
    "kms:ListKeys", "s3:ListAllMyBuckets",
    "signer:DescribeSigningJob", "signer:GetSigningProfile", "signer:StartSigningJob",  # release sign
    "states:SendTaskSuccess",  # resume, promote and abort in a pause
    "application-autoscaling:DeregisterScalableTarget",  # restore discard
    "ce:ListCostAllocationTags", "iam:GetOpenIDConnectProvider", "secretsmanager:DescribeSecret", "ssm:GetParameter",  # doctor
    "cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:LookupEvents",  # compliance, audit
    "acm:ListCertificates", "ce:GetCostAndUsage", "cloudwatch:DescribeAlarmHistory",  # upkeep
    "iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails",
    "s3:ListBucketVersions",  # evidence verify
    "sts:GetCallerIdentity",  # authorised for every caller
}  # fmt: skip
"""Operations of commands only, which an operator's or a pipeline's own role allows."""


def called_actions() -> set[str]:
    operations = {f"{PREFIXES.get(one.service, one.service)}:{one.name}" for one in called_operations()}
    return {action for one in operations for action in OTHER_ACTIONS.get(one, {one})}


def allowed_actions() -> set[str]:
    rows = [row.permissions for row in ROWS] + [PIPELINE_PERMISSIONS]
    actions = {action for row in rows for grant in row.grants for action in grant.actions}
    actions |= {f"dynamodb:{action}" for row in rows for action in row.ledger.value}
    actions |= {"events:PutEvents"} if any(row.publishes_events for row in rows) else set()
    for row in ACCESS.values():
        actions |= {f"dynamodb:{action}" for action in (*row.state, *row.tokens, *row.revocations)}
        actions |= {f"kms:{action}" for action in (*row.signing, *row.session, *row.synthetic)}
    return actions


def test_the_permissions_of_people_are_actions_that_the_product_calls():
    page = (ROOT / "docs/reference/permissions.md").read_text(encoding="utf-8")
    section = page.partition("## Permissions of people\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+:[A-Z][A-Za-z]+)`", section))
    assert named >= {"states:StartExecution", "states:SendTaskSuccess", "dynamodb:PutItem", "events:PutEvents"}
    assert named - called_actions() == {"kms:GenerateDataKey"}  # DynamoDB calls it for the caller


def test_every_operation_is_allowed_to_a_function_or_left_to_persons():
    assert called_actions() - allowed_actions() == BY_PERSONS


def test_every_action_that_is_allowed_is_one_of_an_operation_in_use():
    assert allowed_actions() - called_actions() == set()


def test_the_ledger_needs_both_kinds_of_access():
    assert set(Ledger.READS.value) < set(Ledger.WRITES.value)
