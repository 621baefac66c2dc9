"""Security alarms: metric filters on CloudTrail events, and the requests that the web ACL blocks.

The patterns exclude the expected calls of CloudFormation and of our own roles, so that every alarm needs attention.
CloudTrail events reach the log group about five minutes after the call. These alarms detect; they do not prevent.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html

In a term, an asterisk is a wildcard only at the beginning and at the end; within the term it is literal. So a name with
a variable middle is two comparisons, one with its prefix and one with its suffix. A regular expression could do the
same, but a log group may have five patterns with one. AWS does not document whether `!=` matches an absent field, so
each pattern says NOT EXISTS where the field can be absent.

Roles are excluded by their names without the environment. In an account that environments share, the trail of one of
them records the same calls of the others. A role with such a name cannot be created unnoticed: `iam-policy-changed`
fires at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from infrastructure.alarms import Alarm, create_alarm, metric
from infrastructure.naming import global_name, physical_name, title_of
from infrastructure.orchestrator.evidence_keys import RECORDERS
from orchestrator.aws.ledger.seeded_grants import PURPOSE
from orchestrator.domain.names import role_beginning
from orchestrator.environments import Environment

NAMESPACE = "IbOauth/Security"
_PERIOD = Duration.minutes(5)
MAX_PATTERN_CHARACTERS = 1024
"""The limit of CloudWatch Logs for a filter pattern."""
MAX_REGULAR_EXPRESSIONS = 2
"""The limit of CloudWatch Logs for regular expressions in a filter pattern."""
MAX_PATTERNS_WITH_REGULAR_EXPRESSIONS = 5
"""The limit of CloudWatch Logs for such patterns in a log group."""
_ROLE = "$.userIdentity.sessionContext.sessionIssuer.userName"
_CONTEXT = "$.requestParameters.encryptionContext"
_ALIAS_ROLES = ("task-shift-traffic", "task-promote", "task-revert-aliases")
_SIGNING_ROLES = ("token", "functions-of-drills", *RECORDERS)
_ROTATION_ROLE = "event-rotate-signing-keys"
# Roles of drills, which earlier versions created.
_DRILL_ROLE_REMOVERS = ("task-clean-up", "event-clean-up-drills")
_TABLE_ROLES = ("task", "event", "backups")
# Only the services can assume these roles: one changes the capacity of provisioned tables, one deletes expired backups.
# https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html
# https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles-AWSServiceRoleForBackup.html
_TABLE_SERVICE_ROLES = ("AWSServiceRoleForApplicationAutoScaling_DynamoDBTable", "AWSServiceRoleForBackup")
_TABLE_CHANGES = ("DeleteTable", "UpdateTable", "UpdateContinuousBackups", "DeleteBackup", "PutResourcePolicy")
_BUCKET_CHANGES = (
    "PutBucketPolicy", "DeleteBucketPolicy", "DeleteBucketEncryption", "PutBucketVersioning", "DeleteBucket",
)  # fmt: skip
# Put* are policies and permissions boundaries, Create* also users, roles and access keys.
_IAM_CHANGES = (
    "Add*", "Attach*", "Create*", "DeleteGroupPolicy", "DeletePolicy*", "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy", "DeleteUserPermissionsBoundary", "DeleteUserPolicy", "Detach*", "Put*", "SetDefault*",
    "Update*",
)  # fmt: skip
_MANUALLY = '(($.sourceIPAddress NOT EXISTS) || ($.sourceIPAddress != "cloudformation.amazonaws.com"))'


@dataclass(frozen=True)
class CloudTrailAlarm:
    """One alarm on CloudTrail: fires if more than `threshold` events within five minutes match the pattern.

    Attributes:
        metric: the name of the metric that counts them.
    """

    name: str
    metric: str
    meaning: str
    pattern: str
    threshold: int = 0


def _event_names(*events: str) -> str:
    return "(" + " || ".join(f'($.eventName = "{event}")' for event in events) + ")"


def _not_by(*roles: str) -> str:
    """Return the condition that the caller has none of these roles. The root user and IAM users have no role."""
    others = " && ".join(f'({_ROLE} != "{role}")' for role in roles)
    return f"(({_ROLE} NOT EXISTS) || ({others}))"


def _not_by_roles(*names: str) -> str:
    """Return the condition that the caller has none of our roles of these names, of any environment and region."""
    return _not_by(*map(_any_environment, names))


def _any_environment(name: str) -> str:
    return f"{role_beginning(name)}*"


def _by_own_role(environment: Environment) -> str:
    """Return the condition that the caller has a role of the environment; after a failover, in either region."""
    suffixes = dict.fromkeys((f"-{environment.name}", global_name(f"-{environment.name}", environment)))
    ends = " || ".join(f'({_ROLE} = "*{suffix}")' for suffix in suffixes)
    return f'({_ROLE} = "ib-oauth-*") && ({ends})'


def cloudtrail_alarms(environment: Environment) -> Sequence[CloudTrailAlarm]:
    """Return the alarms on CloudTrail for an environment."""
    name = environment.name
    return (
        CloudTrailAlarm(
            "access-denied",
            "AccessDenied",
            "a call by one of our roles was denied: a permission is missing, or the role is misused",
            # KMS applies the tag of a new signing key within five minutes. Until then reading the public key is denied.
            # https://docs.aws.amazon.com/kms/latest/developerguide/abac.html
            '{ (($.errorCode = "AccessDenied*") || ($.errorCode = "*UnauthorizedOperation")) && '
            f'($.eventName != "GetPublicKey") && {_by_own_role(environment)} }}',
        ),
        CloudTrailAlarm(
            "access-denied-spike",
            "AccessDeniedSpike",
            "many calls in the account were denied: a caller may be probing its permissions",
            '{ ($.errorCode = "AccessDenied*") || ($.errorCode = "*UnauthorizedOperation") }',
            threshold=20,
        ),
        CloudTrailAlarm(
            "unauthorized-kms-sign",
            "UnauthorizedKmsSign",
            "a caller other than the token function and the recorders of evidence signed with a KMS key: access tokens or "
            "evidence may be forged",
            f'{{ ($.eventSource = "kms.amazonaws.com") && ($.eventName = "Sign") && {_not_by_roles(*_SIGNING_ROLES)} }}',
        ),
        CloudTrailAlarm(
            "unauthorized-session-decrypt",
            "UnauthorizedSessionDecrypt",
            "a caller other than the service decrypted a user's session at an upstream identity provider",
            # The encryption context of a session is authenticated: it cannot be decrypted as a drill's seeded grant.
            '{ ($.eventSource = "kms.amazonaws.com") && ($.eventName = "Decrypt") && '
            f'({_CONTEXT}.environment = "{name}") && '
            f'(({_CONTEXT}.purpose NOT EXISTS) || ({_CONTEXT}.purpose != "{PURPOSE}")) && '
            f"{_not_by_roles('authorize', 'public')} }}",
        ),
        CloudTrailAlarm(
            "kms-key-changed",
            "KmsKeyChanged",
            "a KMS key was disabled or scheduled for deletion, or its policy or rotation was changed manually",
            '{ ($.eventSource = "kms.amazonaws.com") && '
            f"{_event_names('DisableKey', 'ScheduleKeyDeletion', 'PutKeyPolicy', 'DisableKeyRotation')} && "
            f"{_MANUALLY} && {_not_by_roles(_ROTATION_ROLE)} }}",
        ),
        CloudTrailAlarm(
            "alias-changed-manually",
            "AliasChangedManually",
            "a caller other than the orchestrator changed an alias of a Lambda function",
            f'{{ ($.eventSource = "lambda.amazonaws.com") && ($.eventName = "UpdateAlias*") && '
            f"{_not_by_roles(*_ALIAS_ROLES)} }}",
        ),
        CloudTrailAlarm(
            "table-changed-manually",
            "TableChangedManually",
            "a table or its backups were changed or deleted manually",
            f'{{ ((($.eventSource = "dynamodb.amazonaws.com") && {_event_names(*_TABLE_CHANGES)}) || '
            '(($.eventSource = "backup.amazonaws.com") && ($.eventName = "DeleteRecoveryPoint"))) && '
            f"{_MANUALLY} && {_not_by(*map(_any_environment, _TABLE_ROLES), *_TABLE_SERVICE_ROLES)} }}",
        ),
        CloudTrailAlarm(
            "iam-policy-changed",
            "IamPolicyChanged",
            "IAM permissions were changed manually",
            f'{{ ($.eventSource = "iam.amazonaws.com") && {_event_names(*_IAM_CHANGES)} && {_MANUALLY} && '
            f"{_not_by_roles(*_DRILL_ROLE_REMOVERS)} }}",
        ),
        CloudTrailAlarm(
            "root-account-used",
            "RootAccountUsed",
            "the account's root user made a call",
            '{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && '
            '($.eventType != "AwsServiceEvent") }',
        ),
        CloudTrailAlarm(
            "console-login-without-mfa",
            "ConsoleLoginWithoutMfa",
            "an IAM user logged in to the console without MFA",
            '{ ($.eventName = "ConsoleLogin") && ($.userIdentity.type = "IAMUser") && '
            '($.responseElements.ConsoleLogin = "Success") && ($.additionalEventData.MFAUsed = "No") }',
        ),
        CloudTrailAlarm(
            "cloudtrail-changed",
            "CloudTrailChanged",
            "CloudTrail or its bucket was changed: logging may be stopped, narrowed or exposed",
            "{ "
            + _event_names("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DeleteMetricFilter")
            + f' || (($.requestParameters.bucketName = "ib-oauth-trail-{name}-*") && '
            + _event_names(*_BUCKET_CHANGES)
            + ") }",
        ),
    )  # fmt: skip


def create_alarms(scope: Construct, environment: Environment, trail: logs.ILogGroup, topic: sns.ITopic) -> None:
    """Create the metric filter and the alarm of each entry.

    Args:
        scope: the stack.
        environment: the environment.
        trail: the log group of CloudTrail's events.
        topic: the topic of the security contacts.
    """
    for alarm in cloudtrail_alarms(environment):
        logs.CfnMetricFilter(
            scope,
            f"{title_of(alarm.name)}Filter",
            filter_name=physical_name(alarm.name, environment),
            filter_pattern=alarm.pattern,
            log_group_name=trail.log_group_name,
            metric_transformations=[
                logs.CfnMetricFilter.MetricTransformationProperty(
                    metric_namespace=_namespace(environment), metric_name=alarm.metric, metric_value="1"
                )
            ],
        )
        events = metric(_namespace(environment), alarm.metric, {}, "Sum", _PERIOD)
        create_alarm(scope, environment, Alarm(alarm.name, alarm.name, alarm.meaning, events, alarm.threshold), topic)


def create_waf_alarm(scope: Construct, environment: Environment, topic: sns.ITopic) -> None:
    """Create the alarm on blocked requests. Many are an attack, or a rule that blocks a legitimate client."""
    dimensions = {"WebACL": physical_name("api", environment), "Region": environment.region, "Rule": "ALL"}
    threshold = environment.security.blocked_requests_per_five_minutes
    name = "waf-blocked-requests"
    alarm = Alarm(
        name,
        name,
        f"the web ACL blocked more than {threshold} requests in five minutes",
        metric("AWS/WAFV2", "BlockedRequests", dimensions, "Sum", _PERIOD),
        threshold,
    )
    create_alarm(scope, environment, alarm, topic)


def _namespace(environment: Environment) -> str:
    # Two environments in one account may have filters on the same trail.
    return f"{NAMESPACE}/{environment.name}"
