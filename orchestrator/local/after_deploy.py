"""What is set through the API after a deployment: the stack policy, and what the local CloudFormation forgets or does not await.

MiniStack makes a table without its time to live and without its point-in-time recovery, and is done with a function before the
function is done with its update. The template stays the only place
that says what they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import boto3

POLL_SECONDS = 0.1
UPDATE_SECONDS = 30
LONGEST_DAYS = 35
"""How far back a table can be restored that does not say."""
_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"


class NotUpdated(Exception):
    """A function did not take its new code or settings in time."""


def apply(template: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Set what the template says of its tables; doing so again changes nothing.

    Args:
        template: a synthesised CloudFormation template whose tables have names.
        environ: variables with which AWS clients talk to the local cloud.
    """
    client = _session(environ).client("dynamodb", endpoint_url=environ["AWS_ENDPOINT_URL"])
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::DynamoDB::Table":
            continue
        properties = resource["Properties"]
        name = properties["TableName"]
        if (wanted := properties.get("TimeToLiveSpecification")) and wanted != _time_to_live(client, name):
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)
        wanted = properties.get("PointInTimeRecoverySpecification")
        if wanted and {"RecoveryPeriodInDays": LONGEST_DAYS, **wanted} != _point_in_time_recovery(client, name):
            client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)


def settle(template: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Wait until the template's functions are updated, as CloudFormation does in an account.

    Args:
        template: a synthesised CloudFormation template whose functions have names.
        environ: variables with which AWS clients talk to the local cloud.
    """
    client = _session(environ).client("lambda", endpoint_url=environ["AWS_ENDPOINT_URL"])
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            _await_update(client, resource["Properties"]["FunctionName"])


def begin(template: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Have what runs every minute run now, so that nobody has to wait for the first one; returns the functions' names.

    Args:
        template: a synthesised CloudFormation template whose functions have names.
        environ: variables with which AWS clients talk to the local cloud.
    """
    client = _session(environ).client("lambda", endpoint_url=environ["AWS_ENDPOINT_URL"])
    names = every_minute(template)
    for name in names:
        client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    return names


def every_minute(template: Mapping[str, Any]) -> list[str]:
    """The functions that rules of a template run every minute."""
    resources = template["Resources"]
    rules = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Events::Rule"]
    targets = [
        target["Arn"]["Fn::GetAtt"][0]
        for rule in rules
        if rule.get("ScheduleExpression") == "rate(1 minute)" and rule["State"] == "ENABLED"
        for target in rule["Targets"]
    ]
    return sorted(resources[target]["Properties"]["FunctionName"] for target in targets)


def _await_update(client: Any, function_name: str) -> None:
    deadline = time.monotonic() + UPDATE_SECONDS
    while (found := client.get_function_configuration(FunctionName=function_name))["LastUpdateStatus"] != "Successful":
        if time.monotonic() > deadline:
            raise NotUpdated(f"{function_name} is {found['LastUpdateStatus']} after {UPDATE_SECONDS} s")
        time.sleep(POLL_SECONDS)


def protect(stack: str, policy: str, environ: Mapping[str, str]) -> None:
    """Set a stack's policy, which the CDK command line cannot.

    Args:
        stack: the stack's name.
        policy: JSON.
        environ: variables with which AWS clients talk to the local cloud.
    """
    client = _session(environ).client("cloudformation", endpoint_url=environ["AWS_ENDPOINT_URL"])
    client.set_stack_policy(StackName=stack, StackPolicyBody=policy)


def bootstrapped(environ: Mapping[str, str]) -> bool:
    """Whether the CDK command line was made at home in the local cloud."""
    client = _session(environ).client("ssm", endpoint_url=environ["AWS_ENDPOINT_URL"])
    try:
        client.get_parameter(Name=_BOOTSTRAP_VERSION)
    except client.exceptions.ParameterNotFound:
        return False
    return True


def _time_to_live(client: Any, table: str) -> Mapping[str, Any] | None:
    described = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if described["TimeToLiveStatus"] != "ENABLED":
        return None
    return {"AttributeName": described["AttributeName"], "Enabled": True}


def _point_in_time_recovery(client: Any, table: str) -> Mapping[str, Any]:
    described = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    found = described["PointInTimeRecoveryDescription"]
    if found["PointInTimeRecoveryStatus"] != "ENABLED":
        return {"PointInTimeRecoveryEnabled": False}
    return {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": found.get("RecoveryPeriodInDays", LONGEST_DAYS)}


def _session(environ: Mapping[str, str]) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
