"""Settings made through the API after a deployment: stack policies, and what the local CloudFormation omits.

MiniStack creates tables without time to live and without point-in-time recovery, and does not wait for the update of
functions. The template stays the only definition of these settings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import boto3
from botocore.exceptions import ClientError

from orchestrator.local.cloud import LocalCloudError

POLL_SECONDS = 0.1
UPDATE_SECONDS = 30
LONGEST_DAYS = 35
"""Recovery period of a table without `RecoveryPeriodInDays`."""
_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"


class FunctionUpdateTimeout(LocalCloudError):
    """The update of a function's code or settings did not finish in time."""


def apply_table_settings(template: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Apply the template's time to live and point-in-time recovery to its tables; idempotent.

    Args:
        template: a synthesised CloudFormation template whose tables have names.
        environ: environment variables with which AWS clients use the local cloud.
    """
    client = _session(environ).client("dynamodb", endpoint_url=environ["AWS_ENDPOINT_URL"])
    tables = {name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"]}
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::DynamoDB::Table":
            continue
        properties = resource["Properties"]
        name = properties["TableName"]
        # CloudFormation does not look at a resource that the template leaves as it was, so a table that was deleted
        # outside it, and whose restored successor is in use, fails no deployment.
        if name not in tables:
            continue
        if (expiry := properties.get("TimeToLiveSpecification")) and expiry != _time_to_live(client, name):
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
        recovery = properties.get("PointInTimeRecoverySpecification")
        if recovery and {"RecoveryPeriodInDays": LONGEST_DAYS, **recovery} != _point_in_time_recovery(client, name):
            client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)


def wait_for_functions(template: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Wait until the template's functions are updated, as CloudFormation does in an AWS account.

    Args:
        template: a synthesised CloudFormation template whose functions have names.
        environ: environment variables with which AWS clients use the local cloud.

    Raises:
        FunctionUpdateTimeout: an update did not finish within `UPDATE_SECONDS`.
    """
    client = _session(environ).client("lambda", endpoint_url=environ["AWS_ENDPOINT_URL"])
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            _await_update(client, resource["Properties"]["FunctionName"])


def verify_identity(identity: str, region: str, environ: Mapping[str, str]) -> None:
    """Have the local SES send for an identity, which in an account a person verifies once; idempotent.

    A region that is lost sends no mail, and its identity does not stop a deployment in another region.

    Args:
        identity: a domain, or an address.
        region: of the identity.
        environ: environment variables with which AWS clients use the local cloud.
    """
    client = _session(environ).client("sesv2", region_name=region, endpoint_url=environ["AWS_ENDPOINT_URL"])
    try:
        client.create_email_identity(EmailIdentity=identity)
    except client.exceptions.AlreadyExistsException:
        return
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise


def invoke_minutely_functions(template: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Invoke the functions that run every minute once, so that nothing has to wait for their first run.

    Args:
        template: a synthesised CloudFormation template whose functions have names.
        environ: environment variables with which AWS clients use the local cloud.

    Returns:
        The functions' names.
    """
    client = _session(environ).client("lambda", endpoint_url=environ["AWS_ENDPOINT_URL"])
    names = minutely_functions(template)
    for name in names:
        client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    return names


def minutely_functions(template: Mapping[str, Any]) -> list[str]:
    """Return the names of the functions that the template's rules invoke every minute."""
    resources = template["Resources"]
    rules = [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::Events::Rule"]
    targets = [
        target["Arn"]["Fn::GetAtt"][0]
        for rule in rules
        if rule.get("ScheduleExpression") == "rate(1 minute)" and rule["State"] == "ENABLED"
        for target in rule["Targets"]
    ]
    return sorted(resources[target]["Properties"]["FunctionName"] for target in targets)


def _await_update(client: Any, function_name: str) -> None:
    deadline = time.monotonic() + UPDATE_SECONDS
    while (status := client.get_function_configuration(FunctionName=function_name)["LastUpdateStatus"]) != "Successful":
        if time.monotonic() > deadline:
            raise FunctionUpdateTimeout(f"{function_name}: the update is {status} after {UPDATE_SECONDS} s")
        time.sleep(POLL_SECONDS)


def set_stack_policy(stack: str, policy: str, environ: Mapping[str, str]) -> None:
    """Set a stack's policy, which the CDK command line cannot do.

    Args:
        stack: the stack's name.
        policy: JSON.
        environ: environment variables with which AWS clients use the local cloud.
    """
    client = _session(environ).client("cloudformation", endpoint_url=environ["AWS_ENDPOINT_URL"])
    client.set_stack_policy(StackName=stack, StackPolicyBody=policy)


def is_bootstrapped(environ: Mapping[str, str]) -> bool:
    """Return whether the CDK command line has been bootstrapped in the local cloud."""
    client = _session(environ).client("ssm", endpoint_url=environ["AWS_ENDPOINT_URL"])
    try:
        client.get_parameter(Name=_BOOTSTRAP_VERSION)
    except client.exceptions.ParameterNotFound:
        return False
    return True


def _time_to_live(client: Any, table: str) -> Mapping[str, Any] | None:
    description = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if description["TimeToLiveStatus"] != "ENABLED":
        return None
    return {"AttributeName": description["AttributeName"], "Enabled": True}


def _point_in_time_recovery(client: Any, table: str) -> Mapping[str, Any]:
    description = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = description["PointInTimeRecoveryDescription"]
    if recovery["PointInTimeRecoveryStatus"] != "ENABLED":
        return {"PointInTimeRecoveryEnabled": False}
    days = recovery.get("RecoveryPeriodInDays", LONGEST_DAYS)
    return {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": days}


def _session(environ: Mapping[str, str]) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
