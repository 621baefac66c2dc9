"""Calls that no run of the local cloud can record: AWS makes them with a role of ours, because of what was called or is deployed.

Each rule names the AWS page that documents it. Where AWS is unclear, the rule is the wider reading, so that the policies
hold either way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.infrastructure.permissions.deployed import DeployedEnvironment, Function

_READS_OF_ITEMS = frozenset({"BatchGetItem", "ConditionCheckItem", "GetItem", "GetRecords", "Query", "Scan"})
_WRITES_OF_ITEMS = frozenset({"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"})
_RESTORES = frozenset({"RestoreTableFromBackup", "RestoreTableToPointInTime"})
_READS_VARIABLES = frozenset({
    "GetFunction", "GetFunctionConfiguration", "ListVersionsByFunction", "PublishVersion", "UpdateFunctionConfiguration",
})  # fmt: skip


@dataclass(frozen=True)
class DeployedCall:
    """A call by a role of a deployed environment, with real names.

    Attributes:
        role: the role's name.
        why: the runs that recorded it, or the rule that implies it.
        by_code: whether the function's own code makes it, through the function's network.
    """

    role: str
    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    by_code: bool = True


def implied_by(deployed: DeployedEnvironment, call: DeployedCall) -> Iterator[DeployedCall]:
    """Yield the calls that AWS makes with the caller's permissions because of a call."""
    service, _, name = call.action.partition(":")
    rule = {"dynamodb": _by_dynamodb, "lambda": _by_lambda, "s3": _by_s3, "sns": _by_sns}.get(service)
    if rule:
        yield from rule(deployed, call, name)
    if call.action == "application-autoscaling:PutScalingPolicy":
        yield from _by_scaling(deployed, call)


def _key_use(
    deployed: DeployedEnvironment, call: DeployedCall, service: str, key: str, actions: tuple[str, ...], **context: str
) -> Iterator[DeployedCall]:
    keys = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    keys["kms:ViaService"] = f"{service}.{deployed.region}.amazonaws.com"
    for action in actions:
        granting = {"kms:GrantIsForAWSResource": "true"} if action == "CreateGrant" else {}
        yield DeployedCall(
            call.role, f"kms:{action}", key, keys | granting, f"{service} for {call.action} ({call.why})", by_code=False
        )


def _by_dynamodb(deployed: DeployedEnvironment, call: DeployedCall, name: str) -> Iterator[DeployedCall]:
    """DynamoDB uses a customer managed key, and fills a restored table, with the caller's permissions.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
    """
    table = "/".join(call.resource.split("/")[:2])
    table_name = table.rpartition("/")[2]
    key = deployed.encryption_key_of(table)
    if name in _RESTORES and table_name.startswith(("ib-oauth-drill-", "ib-oauth-restored-")):
        for action in sorted(_WRITES_OF_ITEMS | {"GetItem", "Query", "Scan"}):
            yield DeployedCall(
                call.role, f"dynamodb:{action}", table, {}, f"the restored table of {name}", by_code=False
            )
    if not key:
        return
    actions: tuple[str, ...] = ()
    if name in _RESTORES:
        actions = (
            "CreateGrant",
            "DescribeKey",
            "Decrypt",
            "Encrypt",
            "GenerateDataKey",
            "ReEncryptFrom",
            "ReEncryptTo",
        )
    elif name == "UpdateTable":
        actions = ("CreateGrant", "DescribeKey")
    elif name in _WRITES_OF_ITEMS:
        actions = ("Decrypt", "Encrypt", "GenerateDataKey")
    elif name in _READS_OF_ITEMS:
        actions = ("Decrypt",)
    own = {"aws:dynamodb:tableName": table_name, "aws:dynamodb:subscriberId": deployed.account}
    yield from _key_use(deployed, call, "dynamodb", key, actions, **own)


def _by_lambda(deployed: DeployedEnvironment, call: DeployedCall, name: str) -> Iterator[DeployedCall]:
    """Lambda decrypts and encrypts variables under a customer managed key with the caller's permissions.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    """
    if name == "CreateFunction":
        yield from _by_created_function(deployed, call)
    function = deployed.functions.get(call.resource.partition(":function:")[2].partition(":")[0])
    if function is None or function.variables_key is None or name not in _READS_VARIABLES:
        return
    writes = ("CreateGrant", "Encrypt", "GenerateDataKey") if name == "UpdateFunctionConfiguration" else ()
    own = {"aws:lambda:FunctionArn": call.resource}
    yield from _key_use(deployed, call, "lambda", function.variables_key, ("Decrypt", *writes), **own)


def _by_created_function(deployed: DeployedEnvironment, call: DeployedCall) -> Iterator[DeployedCall]:
    """The creator of a tagged function passes its role and tags it; Lambda logs and traces with that role.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    """
    role, why = deployed.role_of("functions-of-drills"), f"{call.action} ({call.why})"
    assert role
    yield DeployedCall(call.role, "iam:PassRole", role.arn, {"iam:PassedToService": "lambda.amazonaws.com"}, why)
    yield DeployedCall(call.role, "lambda:TagResource", call.resource, {}, why)
    group = f"arn:aws:logs:{deployed.region}:{deployed.account}:log-group:/aws/lambda/ib-oauth-functions-of-drills-{deployed.name}"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        yield DeployedCall(role.name, action, f"{group}:log-stream:2026/11/24/[1]a", {}, why, by_code=False)
    for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords"):
        yield DeployedCall(role.name, action, "*", {}, why)


def _by_s3(deployed: DeployedEnvironment, call: DeployedCall, name: str) -> Iterator[DeployedCall]:
    """S3 uses a bucket's customer managed key with the caller's permissions; parts of an upload are decrypted, too.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
    """
    bucket = call.resource.partition("/")[0]
    key = deployed.encryption_key_of(bucket)
    if key is None:
        return
    actions = {"PutObject": ("GenerateDataKey", "Decrypt"), "GetObject": ("Decrypt",)}.get(name, ())
    # With a bucket key the encryption context is the bucket.
    yield from _key_use(deployed, call, "s3", key, actions, **{"aws:s3:arn": bucket})


def _by_sns(deployed: DeployedEnvironment, call: DeployedCall, name: str) -> Iterator[DeployedCall]:
    """SNS uses a topic's key with the publisher's permissions.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    key = deployed.encryption_key_of(call.resource)
    if key and name == "Publish":
        own = {"aws:sns:topicArn": call.resource}
        yield from _key_use(deployed, call, "sns", key, ("Decrypt", "GenerateDataKey"), **own)


def _by_scaling(deployed: DeployedEnvironment, call: DeployedCall) -> Iterator[DeployedCall]:
    """Application Auto Scaling creates a policy's alarms with the caller's permissions.

    https://docs.aws.amazon.com/autoscaling/application/userguide/required-api-permissions.html
    """
    table = f"table/ib-oauth-restored-20261124-state-{deployed.name}"
    alarm = f"arn:aws:cloudwatch:{deployed.region}:{deployed.account}:alarm:TargetTracking-{table}-AlarmHigh-0123"
    for action in ("DeleteAlarms", "PutMetricAlarm"):
        yield DeployedCall(call.role, f"cloudwatch:{action}", alarm, {}, f"scaling for {call.action}", by_code=False)


def implied_by_deployment(deployed: DeployedEnvironment) -> Iterator[DeployedCall]:
    """Yield the calls that AWS makes with the roles of what is deployed."""
    for function in deployed.functions.values():
        yield from _of_function(deployed, function)
    for stack, logical_id, machine in deployed.resources("AWS::StepFunctions::StateMachine"):
        del stack, logical_id
        yield from _of_state_machine(deployed, machine)
    for _, _, schedule in deployed.resources("AWS::Scheduler::Schedule"):
        target = schedule["Target"]
        role, why = target["RoleArn"].rpartition("/")[2], f"schedule {schedule['Name']}"
        yield DeployedCall(role, "lambda:InvokeFunction", target["Arn"], {}, why, by_code=False)
        yield DeployedCall(role, "sqs:SendMessage", target["DeadLetterConfig"]["Arn"], {}, why, by_code=False)
    yield from _of_scaling_tasks(deployed)
    yield from _of_log_writers(deployed)


def _of_function(deployed: DeployedEnvironment, function: Function) -> Iterator[DeployedCall]:
    """Lambda logs, traces, decrypts variables and attaches to a network with the function's role.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    """

    def call(
        action: str, resource: str, context: Mapping[str, Any] | None = None, *, by_code: bool = False
    ) -> DeployedCall:
        return DeployedCall(function.role, action, resource, context or {}, f"function {function.name}", by_code)

    stream = f"arn:aws:logs:{function.arn.split(':')[3]}:{deployed.account}:log-group:{function.log_group}:log-stream:2026/11/24/[1]a"
    yield call("logs:CreateLogStream", stream)
    yield call("logs:PutLogEvents", stream)
    if function.traced:
        yield call("xray:PutTraceSegments", "*", by_code=True)
        yield call("xray:PutTelemetryRecords", "*", by_code=True)
    for arn in (function.arn, f"{function.arn}:7") if function.variables_key else ():
        yield call("kms:Decrypt", function.variables_key, {"kms:EncryptionContext:aws:lambda:FunctionArn": arn})
    if function.dead_letters:
        yield call("sqs:SendMessage", function.dead_letters)
    if function.in_vpc:
        account = f"arn:aws:ec2:{deployed.region}:{deployed.account}"
        for action, resource in (
            ("AssignPrivateIpAddresses", f"{account}:network-interface/eni-0123"),
            ("CreateNetworkInterface", f"{account}:network-interface/eni-0123"),
            ("CreateNetworkInterface", f"{account}:subnet/subnet-0123"),
            ("CreateNetworkInterface", f"{account}:security-group/sg-0123"),
            ("DeleteNetworkInterface", f"{account}:network-interface/eni-0123"),
            ("DescribeNetworkInterfaces", "*"),
            ("DescribeSubnets", "*"),
            ("UnassignPrivateIpAddresses", f"{account}:network-interface/eni-0123"),
        ):
            yield call(f"ec2:{action}", resource)


def _of_state_machine(deployed: DeployedEnvironment, machine: Mapping[str, Any]) -> Iterator[DeployedCall]:
    """A state machine invokes its functions, runs its distributed maps, logs and traces with its role.

    https://docs.aws.amazon.com/step-functions/latest/dg/lambda-iam.html
    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
    https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
    """
    role, name = machine["RoleArn"].rpartition("/")[2], machine["StateMachineName"]

    def call(action: str, resource: str) -> DeployedCall:
        return DeployedCall(role, action, resource, {}, f"state machine {name}", by_code=False)

    states = json.loads(machine["DefinitionString"])["States"]
    substitutions = machine.get("DefinitionSubstitutions", {})
    for state in _states(states):
        invoked = state.get("Parameters", {}).get("FunctionName")
        if invoked:
            yield call("lambda:InvokeFunction", substitutions[invoked.strip("${}")])
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            place = f"{deployed.region}:{deployed.account}"
            yield call("states:StartExecution", f"arn:aws:states:{place}:stateMachine:{name}")
            # The documentation names the executions of the state machine; the ARN of a child has its map run's label.
            for child in (f"{name}:0123", f"{name}/map:0123"):
                for action in ("DescribeExecution", "StopExecution"):
                    yield call(f"states:{action}", f"arn:aws:states:{place}:execution:{child}")
    yield from (call(action, "*") for action in _deliveries(machine))


def _deliveries(machine: Mapping[str, Any]) -> Iterator[str]:
    """Yield the actions with which a state machine delivers its logs and traces."""
    if "LoggingConfiguration" in machine:
        for action in (
            *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries"),
            *("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"),
        ):
            yield f"logs:{action}"
    if machine.get("TracingConfiguration", {}).get("Enabled"):
        for action in ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets"):
            yield f"xray:{action}"


def _states(states: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every state, also those of Map and Parallel."""
    for state in states.values():
        yield state
        yield from _states(state.get("ItemProcessor", {}).get("States", {}))
        for branch in state.get("Branches", []):
            yield from _states(branch["States"])


_SCALING = {
    "task-compare-settings": ("DescribeScalableTargets", "DescribeScalingPolicies"),
    "task-reapply-settings": (
        *("DescribeScalableTargets", "DescribeScalingPolicies", "RegisterScalableTarget", "PutScalingPolicy"),
    ),
}
"""What the tasks call at Application Auto Scaling, which the local cloud does not authorize."""


def _of_scaling_tasks(deployed: DeployedEnvironment) -> Iterator[DeployedCall]:
    """Tasks that read and write the scaling of provisioned tables.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html
    """
    target = f"arn:aws:application-autoscaling:{deployed.region}:{deployed.account}:scalable-target/0123"
    for short, actions in _SCALING.items():
        role = deployed.role_of(short)
        assert role, short
        for action in actions:
            resource = "*" if action.startswith("Describe") else target
            context = {} if resource == "*" else {"application-autoscaling:service-namespace": "dynamodb"}
            made = DeployedCall(
                role.name, f"application-autoscaling:{action}", resource, context, f"scaling of {short}"
            )
            yield made
            yield from implied_by(deployed, made)


def _of_log_writers(deployed: DeployedEnvironment) -> Iterator[DeployedCall]:
    """CloudTrail and VPC flow logs write to log groups with roles of ours.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-required-policy-for-cloudwatch-logs.html
    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """
    place = f"{deployed.region}:{deployed.account}"
    for _, _, trail in deployed.resources("AWS::CloudTrail::Trail"):
        group = trail["CloudWatchLogsLogGroupArn"].removesuffix(":*")
        stream = f"{group}:log-stream:{deployed.account}_CloudTrail_{deployed.region}"
        for action in ("CreateLogStream", "PutLogEvents"):
            role = trail["CloudWatchLogsRoleArn"].rpartition("/")[2]
            yield DeployedCall(role, f"logs:{action}", stream, {}, f"trail {trail['TrailName']}", by_code=False)
    for _, _, flows in deployed.resources("AWS::EC2::FlowLog"):
        group = f"arn:aws:logs:{place}:log-group:{flows['LogGroupName']}"
        role = flows["DeliverLogsPermissionArn"].rpartition("/")[2]
        for action, resource in (
            ("CreateLogStream", f"{group}:log-stream:eni-0123"),
            ("PutLogEvents", f"{group}:log-stream:eni-0123"),
            ("DescribeLogStreams", f"{group}:*"),
        ):
            yield DeployedCall(role, f"logs:{action}", resource, {}, "flow logs", by_code=False)
