"""CloudFormation's operations on one stack: the request, its start, the stack's status, and why an operation failed.

A rebuild (`stacks.py`) and a deployment to the local cloud (`orchestrator.local.assembly_deploy`) share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.rebuild.assemblies import Assembly

CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
COMPLETE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
DELETED: Final = "DELETE_COMPLETE"

_BEGINNINGS: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS", "DELETE_IN_PROGRESS"})
"""The statuses with which an operation on a stack begins."""


def stack_request(assembly: Assembly, name: str, template_url: str) -> dict[str, Any]:
    """Return the parameters of a stack's creation or update.

    Args:
        assembly: has the stack's tags.
        name: the stack.
        template_url: where CloudFormation reads the template.
    """
    tags = assembly.properties(name).get("tags", {})
    return {
        "StackName": name,
        "TemplateURL": template_url,
        "Capabilities": list(CAPABILITIES),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def start_operation(client: Any, operation: str, request: Mapping[str, Any]) -> bool:
    """Start an operation; return whether there is anything to do.

    Args:
        client: of CloudFormation.
        operation: `create_stack` or `update_stack`.
        request: its parameters.
    """
    try:
        with translate_errors():
            getattr(client, operation)(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise
    return True


def stack_status(client: Any, name: str) -> str:
    """Return a stack's status; empty if there is no such stack."""
    try:
        with translate_errors():
            status = str(client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return ""
        raise
    return "" if status == DELETED else status


def failures_of(client: Any, name: str) -> list[str]:
    """Return what failed in the newest operation on a stack, the first failure first: id, type and reason."""
    failed: list[str] = []
    for event in _newest_events(client, name):
        reason = event.get("ResourceStatusReason", "no reason")
        # What was still under way when the first resource failed is cancelled: that is no reason.
        if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
            failed.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
    return failed[::-1]


def _newest_events(client: Any, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the events of the newest operation on a stack, the newest first, as CloudFormation lists them."""
    with translate_errors():
        for page in client.get_paginator("describe_stack_events").paginate(StackName=name):
            for event in page["StackEvents"]:
                yield event
                of_the_stack = event.get("PhysicalResourceId") == event["StackId"]
                if of_the_stack and event["ResourceStatus"] in _BEGINNINGS:
                    return
