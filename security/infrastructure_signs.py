"""Signs that something is done which should not be: patterns over the trail, and what the web ACL turns away.

A pattern leaves out what CloudFormation and the roles of this product do by their nature, so that an alarm is one to look
at. A trail's events are in its log group some five minutes after they happened; these alarms find things, they stop nothing.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html

A comparison with a field that is not there is left out of no pattern by accident: where its absence counts, NOT EXISTS says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from environments import Environment
from stack_parts import name_of, with_runbook

NAMESPACE = "IbOauth/Security"
LONGEST_PATTERN = 1024
"""CloudWatch Logs takes no longer one."""
_ROLE = "$.userIdentity.sessionContext.sessionIssuer.userName"
_BY_HAND = '(($.sourceIPAddress NOT EXISTS) || ($.sourceIPAddress != "cloudformation.amazonaws.com"))'


@dataclass(frozen=True)
class Sign:
    """One alarm on the trail: rings when more than `above` events within five minutes match.

    Attributes:
        metric: name of the metric that counts them.
    """

    what: str
    metric: str
    meaning: str
    pattern: str
    above: int = 0


def _named(*events: str) -> str:
    return "(" + " || ".join(f'($.eventName = "{event}")' for event in events) + ")"


def _nobody_of(*roles: str) -> str:
    """Done by none of these roles; root and users have no role."""
    others = " && ".join(f'({_ROLE} != "{role}")' for role in roles)
    return f"(({_ROLE} NOT EXISTS) || ({others}))"


def signs_of(environment: Environment) -> Sequence[Sign]:
    """Return the signs that are looked for in the trail."""
    name = environment.name
    return (
        Sign(
            "denied-calls",
            "DeniedCalls",
            "a role of ours was denied something: a right is missing, or somebody tries what it can do",
            f'{{ (($.errorCode = "AccessDenied*") || ($.errorCode = "*UnauthorizedOperation")) && ({_ROLE} = "ib-oauth-*-{name}") }}',
        ),
        Sign(
            "denied-anybody",
            "DeniedAnybody",
            "many calls in the account are denied: somebody looks for what they may do",
            '{ ($.errorCode = "AccessDenied*") || ($.errorCode = "*UnauthorizedOperation") }',
            above=20,
        ),
        Sign(
            "signed-by-others",
            "SignedByOthers",
            "a KMS key signed for somebody who is not the token function: a forged access token",
            f'{{ ($.eventSource = "kms.amazonaws.com") && ($.eventName = "Sign") && {_nobody_of(f"ib-oauth-token-{name}")} }}',
        ),
        Sign(
            "sessions-opened",
            "SessionsOpened",
            "a person's session at a platform was decrypted by somebody who is not the service",
            f'{{ ($.eventSource = "kms.amazonaws.com") && ($.eventName = "Decrypt") && '
            f'($.requestParameters.encryptionContext.environment = "{name}") && '
            f"{_nobody_of(f'ib-oauth-authorize-{name}', f'ib-oauth-public-{name}')} }}",
        ),
        Sign(
            "keys-changed",
            "KeysChanged",
            "a KMS key was disabled, is to be deleted, or has another policy, by hand",
            f'{{ ($.eventSource = "kms.amazonaws.com") && {_named("DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "DisableKeyRotation")} && '
            f"{_BY_HAND} && {_nobody_of(f'ib-oauth-intake-rotate-keys-{name}')} }}",
        ),
        Sign(
            "aliases-moved",
            "AliasesMoved",
            "an alias of a Lambda function was moved by somebody who is not the orchestrator",
            f'{{ ($.eventSource = "lambda.amazonaws.com") && ($.eventName = "UpdateAlias*") && '
            f"{_nobody_of(*(f'ib-oauth-task-{task}-{name}' for task in ('shift-traffic', 'promote', 'restore-aliases')))} }}",
        ),
        Sign(
            "tables-changed",
            "TablesChanged",
            "a table or its backups were changed or deleted by hand",
            f'{{ ($.eventSource = "dynamodb.amazonaws.com") && '
            f"{_named('DeleteTable', 'UpdateTable', 'UpdateContinuousBackups', 'DeleteBackup', 'PutResourcePolicy')} && "
            f"{_BY_HAND} && {_nobody_of(f'ib-oauth-*-{name}')} }}",
        ),
        Sign(
            "policies-changed",
            "PoliciesChanged",
            "what somebody may do was changed by hand",
            f'{{ ($.eventSource = "iam.amazonaws.com") && (($.eventName = "Put*Policy") || ($.eventName = "Attach*Policy") || '
            f'($.eventName = "Detach*Policy") || ($.eventName = "Delete*Policy") || ($.eventName = "Create*") || '
            f'($.eventName = "Update*") || ($.eventName = "*PermissionsBoundary")) && {_BY_HAND} }}',
        ),
        Sign(
            "root-used",
            "RootUsed",
            "the account's root user did something",
            '{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != "AwsServiceEvent") }',
        ),
        Sign(
            "login-without-mfa",
            "LoginWithoutMfa",
            "somebody logged in at the console with a password alone",
            '{ ($.eventName = "ConsoleLogin") && ($.userIdentity.type = "IAMUser") && '
            '($.responseElements.ConsoleLogin = "Success") && ($.additionalEventData.MFAUsed = "No") }',
        ),
        Sign(
            "trail-changed",
            "TrailChanged",
            "the record of what is done was stopped, narrowed or opened",
            "{ "
            + _named("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DeleteMetricFilter")
            + f' || (($.requestParameters.bucketName = "ib-oauth-trail-{name}-*") && '
            + _named("PutBucketPolicy", "DeleteBucketPolicy", "DeleteBucketEncryption", "PutBucketVersioning", "DeleteBucket")
            + ") }",
        ),
    )  # fmt: skip


def watch(scope: Construct, environment: Environment, trail: logs.ILogGroup, topic: sns.ITopic) -> None:
    """Make a metric and an alarm for every sign.

    Args:
        scope: the stack.
        environment: where.
        trail: log group with the trail's events.
        topic: of whoever guards.
    """
    for sign in signs_of(environment):
        title = sign.what.title().replace("-", "")
        logs.CfnMetricFilter(
            scope,
            f"{title}Filter",
            filter_name=name_of(sign.what, environment),
            filter_pattern=sign.pattern,
            log_group_name=trail.log_group_name,
            metric_transformations=[
                logs.CfnMetricFilter.MetricTransformationProperty(
                    metric_namespace=_namespace(environment), metric_name=sign.metric, metric_value="1"
                )
            ],
        )
        metric = cloudwatch.Metric(
            namespace=_namespace(environment), metric_name=sign.metric, statistic="Sum", period=Duration.minutes(5)
        )
        _alarm(scope, environment, topic, sign.what, sign.meaning, metric, sign.above)


def firewall_blocks(scope: Construct, environment: Environment, topic: sns.ITopic) -> None:
    """Make the alarm on what the web ACL turns away: many requests are an attack, or a rule that is wrong for a client."""
    metric = cloudwatch.Metric(
        namespace="AWS/WAFV2",
        metric_name="BlockedRequests",
        dimensions_map={"WebACL": name_of("api", environment), "Region": environment.region, "Rule": "ALL"},
        statistic="Sum",
        period=Duration.minutes(5),
    )
    above = environment.security.blocked_requests_per_five_minutes
    meaning = f"the web ACL turned away more than {above} requests in five minutes"
    _alarm(scope, environment, topic, "firewall-blocks", meaning, metric, above)


def _namespace(environment: Environment) -> str:
    # Filters of two environments may look at one account's trail.
    return f"{NAMESPACE}/{environment.name}"


def _alarm(
    scope: Construct,
    environment: Environment,
    topic: sns.ITopic,
    what: str,
    meaning: str,
    metric: cloudwatch.IMetric,
    above: int,
) -> None:
    alarm = cloudwatch.Alarm(
        scope,
        f"{what.title().replace('-', '')}Alarm",
        alarm_name=name_of(what, environment),
        alarm_description=with_runbook(meaning, what),
        metric=metric,
        threshold=above,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=1,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
