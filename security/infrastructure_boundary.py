"""The permission boundary: what no role of ours can do, whatever its own policy says one day.

It ends at the environment: by names, by tags where names are drawn, and by account and region. No role can be made, changed or
taken on under it, with a boundary or without one.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from environments import Environment
from environments.watching import OWN_BOUNDARY
from stack_parts import explain, name_of, worldwide

ANYWHERE = (
    "application-autoscaling:Describe*", "cloudtrail:LookupEvents", "cloudwatch:GetMetricData", "dynamodb:ListBackups", "dynamodb:ListTables",
    "events:ListRules", "iam:ListRoles", "kms:ListAliases", "lambda:GetAccountSettings", "lambda:ListFunctions", "logs:DescribeLogGroups",
    "scheduler:ListSchedules", "sns:ListTopics", "sqs:ListQueues", "states:ListStateMachines", "tag:GetResources",
    "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
    # Step Functions says where its machines log in the name of their roles.
    "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
    "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    # Lambda puts a function's interface into its network in the name of the function's role.
    "ec2:Describe*", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip
"""What knows no resources, or none that could be named: it lists, measures and traces."""

SIGNING_KEY_TAG = "ib-oauth:signing-key"
"""On keys that rotation makes; the service's own name of it, which this stack does not know."""

ON_ROLES = ("iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:PassRole")
ON_ROLES_OF_DRILLS = ("iam:DeleteRole", "iam:DeleteRolePolicy")
ON_NEW_KEYS = ("kms:CreateKey", "kms:TagResource")

NEVER = (
    "cloudwatch:DeleteAlarms", "cloudwatch:DisableAlarmActions",
    "events:PutPermission", "events:RemovePermission", "kms:PutKeyPolicy", "kms:ReplicateKey",
    "lambda:AddPermission", "lambda:CreateFunctionUrlConfig", "lambda:UpdateFunctionCode", "logs:DeleteMetricFilter", "logs:DeleteResourcePolicy",
    "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock",
    "sns:AddPermission", "sns:SetTopicAttributes", "sqs:AddPermission", "sqs:SetQueueAttributes",
)  # fmt: skip
"""What would give a right to others, or hide what was done. None of our functions does it; CloudFormation does, under its own role."""


BUT_FOR_MACHINES = ("logs:PutResourcePolicy",)
"""The same, but that Step Functions asks the roles of machines that log to have it ("Logging using CloudWatch Logs")."""


def boundary(scope: Construct, environment: Environment) -> None:
    """Make the boundary, where the environment has its own."""
    if environment.security.permission_boundary != OWN_BOUNDARY:
        return
    policy = iam.ManagedPolicy(
        scope,
        "Boundary",
        managed_policy_name=boundary_name(environment),
        description=f"The most that any role of {environment.name} can ever do",
        statements=[
            *_on_what_is_ours(Stack.of(scope), environment),
            *_on_keys(Stack.of(scope), environment),
            iam.PolicyStatement(sid="Anywhere", actions=list(ANYWHERE), resources=["*"]),
            iam.PolicyStatement(sid="Never", effect=iam.Effect.DENY, actions=list(NEVER), resources=["*"]),
            iam.PolicyStatement(
                sid="NeverButForMachines",
                effect=iam.Effect.DENY,
                actions=list(BUT_FOR_MACHINES),
                resources=["*"],
                conditions={"ArnNotLike": {"aws:PrincipalArn": _roles_of_machines(Stack.of(scope), environment)}},
            ),
        ],
    )
    explain(policy, "A boundary grants nothing: it is the most that a role's own policy can come to", "IAM5")


def _roles_of_machines(stack: Stack, environment: Environment) -> str:
    name = worldwide(name_of("machine-*", environment), environment)
    return stack.format_arn(service="iam", region="", resource="role", resource_name=name)


def _on_what_is_ours(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Allow everything on what has the environment's names, in its account and region; a statement's name is its service."""
    named, bus = name_of("*", environment), f"ib-oauth-{environment.name}"
    service = environment.service
    tables = dict.fromkeys(f"table/{one}" for one in (named, service.state_table, service.tokens_table))

    def arns(of: str, *resources: str) -> list[str]:
        return [stack.format_arn(service=of, resource=one, arn_format=ArnFormat.NO_RESOURCE_NAME) for one in resources]

    def only(of: str, *resources: str, actions: Sequence[str] = ()) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=of.title().replace("-", ""), actions=list(actions) or [f"{of}:*"], resources=arns(of, *resources)
        )

    def worldwide_arns(of: str, *resources: str) -> list[str]:
        account = "" if of == "s3" else None
        return [
            stack.format_arn(
                service=of, region="", account=account, resource=one, arn_format=ArnFormat.NO_RESOURCE_NAME
            )
            for one in resources
        ]

    bucket = worldwide(f"{named}-{stack.account}", environment)
    of_stacks = [f"role/ib-oauth-{one}-{environment.name}-*" for one in ("stack", "orchestrator")]
    roles = worldwide_arns(
        "iam", f"role/{worldwide(named, environment)}", *dict.fromkeys((f"role/{named}", *of_stacks))
    )
    return [
        iam.PolicyStatement(
            sid="Apigateway",
            actions=["apigateway:*"],
            # API Gateway knows its APIs by ids that are drawn.
            resources=[
                stack.format_arn(service="apigateway", account="", resource=path, arn_format=ArnFormat.NO_RESOURCE_NAME)
                for path in ("/restapis", "/restapis/*")
            ],
        ),
        only("application-autoscaling", "scalable-target/*"),
        only("cloudformation", f"stack/{named}/*"),
        # CloudWatch authorises a description of some alarms as one of all.
        only("cloudwatch", "alarm:*", actions=["cloudwatch:DescribeAlarms"]),
        only("dynamodb", *tables, *(f"{table}/*" for table in tables)),
        only("events", f"event-bus/{bus}", f"rule/{named}", f"rule/{bus}/{named}"),
        only("lambda", f"function:{named}", f"function:{named}:*"),
        only("logs", f"log-group:*{named}", f"log-group:*{named}:*"),
        iam.PolicyStatement(sid="S3", actions=["s3:*"], resources=worldwide_arns("s3", bucket, f"{bucket}/*")),
        only("scheduler", f"schedule/*/{named}"),
        only("sns", named),
        only("sqs", named),
        only("states", f"stateMachine:{named}", f"execution:{named}:*", f"execution:{named}/*", f"mapRun:{named}/*"),
        iam.PolicyStatement(sid="Roles", actions=list(ON_ROLES), resources=list(dict.fromkeys(roles))),
        iam.PolicyStatement(
            sid="RolesOfDrills",
            actions=list(ON_ROLES_OF_DRILLS),
            resources=worldwide_arns("iam", f"role/{name_of('drill-*', environment)}*"),
        ),
    ]


def _on_keys(stack: Stack, environment: Environment) -> list[iam.PolicyStatement]:
    """Keys have ids that are drawn: their tags say whose they are. Rotation gives new ones a tag of their own."""
    keys = [stack.format_arn(service="kms", resource="key/*", arn_format=ArnFormat.NO_RESOURCE_NAME)]

    def tagged(kind: str, tag: str) -> dict[str, dict[str, str]]:
        return {"StringEquals": {f"aws:{kind}Tag/{tag}": environment.name}}

    return [
        *(
            iam.PolicyStatement(sid=sid, actions=["kms:*"], resources=keys, conditions=tagged("Resource", tag))
            for sid, tag in (("Keys", "environment"), ("SigningKeys", SIGNING_KEY_TAG))
        ),
        iam.PolicyStatement(
            sid="NewKeys", actions=list(ON_NEW_KEYS), resources=["*"], conditions=tagged("Request", SIGNING_KEY_TAG)
        ),
    ]


def boundary_name(environment: Environment) -> str:
    """Return the name of the environment's own boundary."""
    return worldwide(name_of("boundary", environment), environment)


def bound(stack: Stack, environment: Environment) -> None:
    """Put the boundary that the environment asks for on every role of a stack."""
    asked = environment.security.permission_boundary
    if asked is None:
        return
    name = boundary_name(environment) if asked == OWN_BOUNDARY else asked
    iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", name))
