"""The permissions boundary: the maximum permissions of every role of an environment, whatever its own policies allow.

It is limited to the environment's resources by name, by tag where names are generated, and by account and region.
It does not allow a role to be created, changed or assumed, with or without a boundary.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from infrastructure.arns import (
    function_arn,
    keys_arn,
    plain_arn,
    rest_apis_arns,
    role_arn,
    scaling_alarms_arn,
)
from infrastructure.nag import suppress_nag
from infrastructure.naming import bucket_name, global_name, physical_name
from infrastructure.orchestrator.iam_arns import resources_of_settings
from infrastructure.orchestrator.iam_resources import Resource
from orchestrator.environments import Environment
from orchestrator.environments.monitoring import OWN_BOUNDARY

UNSCOPED_ACTIONS = (
    "application-autoscaling:Describe*", "cloudtrail:LookupEvents", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData",
    # The roles name the recovery points. A restore also needs a role of ours, which only AWS Backup can assume.
    "backup:*RestoreJob", "backup:DescribeC*", "backup:List*", "backup:PutRestoreV*",
    "dynamodb:ListBackups", "dynamodb:ListTables", "events:ListRules", "iam:ListRoles", "kms:ListAliases",
    "lambda:GetAccountSettings", "lambda:ListEventSourceMappings", "lambda:ListFunctions", "logs:DescribeLogGroups",
    "scheduler:ListSchedules",
    "sns:ListTopics", "sqs:ListQueues", "states:ListStateMachines", "tag:GetResources",
    # A policy has at most 6,144 characters: what begins alike stands once. Each role names its actions.
    "xray:GetSampling*", "xray:Put*",
    # Step Functions configures the logging of state machines with their roles.
    "logs:*LogDeliver*", "logs:DescribeResourcePolicies", "logs:PutResourcePolicy",
    # Lambda attaches a function to its VPC with the function's role.
    "ec2:Describe*", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip
"""Actions without resource-level permissions, or whose resources cannot be named: listing, metrics and tracing."""

SIGNING_KEY_TAG = "ib-oauth:signing-key"
"""The tag on keys that the rotation creates. The service's stack uses the same name, which a test compares."""

ROLE_ACTIONS = (
    "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:PassRole",
)  # fmt: skip
DRILL_ROLE_ACTIONS = ("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:ListRolePolicies")
NEW_KEY_ACTIONS = ("kms:CreateKey", "kms:TagResource")

HOME_ACTIONS = (
    *("dynamodb:GetItem", "dynamodb:Query", "kms:Decrypt"),
    *("lambda:GetFunctionConfiguration", "s3:ListBucket"),
)
"""What the evaluation of a failover reads in the home region: its lease, the records of managed clients, the releases of its
live aliases, and what files it has of its evidence."""

DENIED_ACTIONS = (
    "cloudwatch:DisableAlarmActions", "events:PutPermission",
    "events:RemovePermission", "kms:PutKeyPolicy", "kms:ReplicateKey", "lambda:AddPermission",
    "lambda:CreateFunctionUrlConfig", "lambda:UpdateFunctionCode", "logs:DeleteMetricFilter",
    "logs:DeleteResourcePolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock", "sns:AddPermission", "sns:SetTopicAttributes", "sqs:AddPermission",
    "sqs:SetQueueAttributes",
)  # fmt: skip
"""Actions that grant access to others or hide activity.

Our functions never need them; CloudFormation has its own role.
"""

DENIED_EXCEPT_SCALING_ALARMS = ("cloudwatch:DeleteAlarms",)
"""Denied likewise, except of the alarms that scale a restored table, which Application Auto Scaling replaces."""

DENIED_EXCEPT_STATE_MACHINES = ("logs:PutResourcePolicy",)
"""Denied likewise, except to the roles of state machines, which need it ("Logging using CloudWatch Logs")."""


def create_boundary(scope: Construct, environment: Environment) -> None:
    """Create the boundary, if the environment has its own."""
    if environment.security.permission_boundary != OWN_BOUNDARY:
        return
    policy = iam.ManagedPolicy(
        scope,
        "Boundary",
        managed_policy_name=boundary_name(environment),
        description=f"Maximum permissions of every role of {environment.name}",
        statements=[
            *_own_resource_statements(Stack.of(scope), environment),
            *_key_statements(Stack.of(scope), environment),
            *_statements_of_settings(Stack.of(scope), environment),
            # Without Sids, here and below: a managed policy has at most 6,144 characters.
            iam.PolicyStatement(actions=list(UNSCOPED_ACTIONS), resources=["*"]),
            iam.PolicyStatement(effect=iam.Effect.DENY, actions=list(DENIED_ACTIONS), resources=["*"]),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=list(DENIED_EXCEPT_SCALING_ALARMS),
                not_resources=[scaling_alarms_arn(Stack.of(scope), environment)],
            ),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=list(DENIED_EXCEPT_STATE_MACHINES),
                resources=["*"],
                conditions={"ArnNotLike": {"aws:PrincipalArn": role_arn(Stack.of(scope), environment, "machine-*")}},
            ),
        ],
    )
    suppress_nag(
        policy, "A boundary grants nothing: it limits the permissions that a role's own policy can grant", "IAM5"
    )


def _statements_of_settings(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Allow what the environment's checks, hooks, notifications, traces and status page use, outside its own names."""
    arns = dict(resources_of_settings(stack, environment))
    secrets = [*arns[Resource.NOTIFICATION_SECRETS], *arns[Resource.WEBHOOK_SECRETS], *arns[Resource.LINK_KEY]]
    secrets += arns[Resource.TELEMETRY_SECRET]
    resources = {
        "logs:StartQuery": arns[Resource.CHECKED_LOGS],
        "logs:GetQueryResults": arns[Resource.LOG_QUERIES],
        "lambda:InvokeFunction": arns[Resource.HOOK_FUNCTIONS],
        "secretsmanager:GetSecretValue": [*arns[Resource.HOOK_SECRETS], *_covering(secrets)],
        "s3:PutObject": arns[Resource.STATUS_PAGE_OBJECTS],
        "ses:Send*": arns[Resource.MAIL_IDENTITY],
        "backup:StartCopyJob": arns[Resource.BACKUP_COPIES],
        "dynamodb:GetItem": arns[Resource.ISSUING_ASSIGNMENT],
        "kms:Decrypt": arns[Resource.ASSIGNMENT_KEYS],
        "apigateway:GET": arns[Resource.API_DOMAIN],
        "route53:*": [*arns[Resource.DOMAIN_ZONE], *arns[Resource.DNS_CHANGES]],
    }
    statements = [
        iam.PolicyStatement(actions=[action], resources=list(dict.fromkeys(found)))
        for action, found in resources.items()
        if found
    ]
    # One statement for all kinds: a managed policy has at most 6,144 characters. Each action suits one kind only.
    # HOME_LEDGER_KEYS has the ARN of HOME_DATA_KEYS: only their conditions differ.
    at_home = [*arns[Resource.HOME_LEASE], *arns[Resource.HOME_DATA_KEYS], *arns[Resource.HOME_EVIDENCE]]
    at_home += arns[Resource.HOME_CLIENT_RECORDS]
    at_home += _home_functions(stack, environment, arns[Resource.HOME_FUNCTIONS])
    if at_home:
        statements.append(iam.PolicyStatement(actions=list(HOME_ACTIONS), resources=at_home))
    return statements


def _home_functions(stack: Stack, environment: Environment, functions: Sequence[str]) -> list[str]:
    """Return one ARN pattern that covers the live aliases in the home region; none without them."""
    if not functions:
        return []
    return [function_arn(stack, f"{physical_name('*', environment)}:live", region=environment.lost_region)]


def _covering(secrets: Sequence[str]) -> list[str]:
    """Return few ARNs that cover secrets: a managed policy has at most 6,144 characters. The roles name each secret.

    Secrets of one account and region are covered by what their names begin with.
    """
    by_place: dict[str, list[str]] = {}
    for arn in secrets:
        by_place.setdefault(arn.partition(":secret:")[0], []).append(arn)
    return [arns[0] if len(arns) == 1 else f"{_common_beginning(arns)}*" for arns in by_place.values()]


def _common_beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with: what the first and the last in order begin with."""
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((number for number, (one, other) in pairs if one != other), len(first))]


def _own_resource_statements(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Allow everything on the environment's own resources, in its account and region, one statement a service."""
    pattern, bus = physical_name("*", environment), f"ib-oauth-{environment.name}"
    service = environment.service
    tables = dict.fromkeys(f"table/{name}" for name in (pattern, service.state_table, service.tokens_table))

    def arns(service_name: str, *resources: str) -> list[str]:
        return [plain_arn(stack, service_name, resource) for resource in resources]

    def allow(service_name: str, *resources: str, actions: Sequence[str] = ()) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=list(actions) or [f"{service_name}:*"],
            resources=arns(service_name, *resources),
        )

    def global_arns(service_name: str, *resources: str) -> list[str]:
        account = "" if service_name == "s3" else None
        return [plain_arn(stack, service_name, resource, region="", account=account) for resource in resources]

    bucket = bucket_name("*", environment, stack.account)
    # CloudFormation names the role of API Gateway after its stack.
    roles = global_arns("iam", f"role/{global_name(pattern, environment)}", f"role/ib-oauth-stack-{environment.name}-*")
    return [
        iam.PolicyStatement(
            actions=["apigateway:*"],
            resources=rest_apis_arns(stack),
        ),
        allow("application-autoscaling", "scalable-target/*"),
        allow("cloudformation", f"stack/{pattern}/*"),
        iam.PolicyStatement(
            actions=["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"],
            resources=[scaling_alarms_arn(stack, environment)],
        ),
        allow("dynamodb", *tables, *(f"{table}/*" for table in tables)),
        allow("events", f"event-bus/{bus}", f"rule/{pattern}", f"rule/{bus}/{pattern}"),
        allow("lambda", f"function:{pattern}", f"function:{pattern}:*"),
        allow("logs", f"log-group:*{pattern}", f"log-group:*{pattern}:*"),
        iam.PolicyStatement(actions=["s3:*"], resources=global_arns("s3", bucket, f"{bucket}/*")),
        allow("scheduler", f"schedule/*/{pattern}"),
        allow("sns", pattern),
        allow("sqs", pattern),
        allow(
            "states",
            f"stateMachine:{pattern}",
            f"execution:{pattern}:*",
            f"execution:{pattern}/*",
            f"mapRun:{pattern}/*",
        ),
        iam.PolicyStatement(actions=list(ROLE_ACTIONS), resources=roles),
        iam.PolicyStatement(
            actions=list(DRILL_ROLE_ACTIONS),
            resources=global_arns("iam", f"role/{physical_name('drill-*', environment)}*"),
        ),
    ]


def _key_statements(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Allow the use of the environment's keys by tag, because KMS generates key ids. Rotation tags new signing keys."""
    keys = [keys_arn(stack)]

    def tagged(kind: str, tag: str) -> dict[str, dict[str, str]]:
        return {"StringEquals": {f"aws:{kind}Tag/{tag}": environment.name}}

    return [
        *(
            iam.PolicyStatement(sid=sid, actions=["kms:*"], resources=keys, conditions=tagged("Resource", tag))
            for sid, tag in (("Keys", "environment"), ("SigningKeys", SIGNING_KEY_TAG))
        ),
        iam.PolicyStatement(
            sid="NewKeys", actions=list(NEW_KEY_ACTIONS), resources=["*"], conditions=tagged("Request", SIGNING_KEY_TAG)
        ),
    ]


def boundary_name(environment: Environment) -> str:
    """Return the name of the environment's own boundary."""
    return global_name(physical_name("boundary", environment), environment)


def apply_boundary(stack: Stack, environment: Environment) -> None:
    """Set the boundary that the environment configures on every role of a stack."""
    configured = environment.security.permission_boundary
    if configured is None:
        return
    name = boundary_name(environment) if configured == OWN_BOUNDARY else configured
    iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", name))


def exempt_from_own_boundary(scope: IConstruct, environment: Environment) -> None:
    """Keep the environment's own boundary off a role that serves more than the environment.

    A boundary that the account prescribes stays: the account decides what it allows.
    """
    if environment.security.permission_boundary == OWN_BOUNDARY:
        iam.PermissionsBoundary.of(scope).clear()
