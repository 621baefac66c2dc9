"""CloudFormation: what a creation that fails half-way leaves behind, and what that does to the next one.

AWS:

- A resource with a name that exists already is not created: the creation of its stack fails.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
- A failed creation is rolled back. A resource with DeletionPolicy Retain stays; one with RetainExceptOnCreate is
  deleted. https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
- A table with deletion protection and a bucket with objects cannot be deleted. The stack then ends ROLLBACK_FAILED and
  still has these resources.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html
- A stack in ROLLBACK_COMPLETE can only be deleted. CreateStack of its name is an AlreadyExistsException.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html

Stock MiniStack replaces the existing resource by an empty one, deletes protected tables and full buckets, forgets the
resources that it could not delete, and creates a stack in place of one in ROLLBACK_COMPLETE.

`CREATION_FAULTS` makes creations fail: the launcher's `LocalCloud.fail_creations` sets it.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.cloudformation.provisioners._provision_resource": "3b8f01fb187141b6",
    "ministack.services.cloudformation.provisioners._delete_resource": "9e9ba54fb4281d65",
    "ministack.services.cloudformation.stacks._roll_back_operation": "3464033d8f285fe3",
    "ministack.services.cloudformation.handlers._create_stack": "84e0df897c75b4a0",
}

Provision = Callable[[str, str, Mapping[str, Any], str], tuple[str, dict[str, Any]]]
Delete = Callable[..., None]
RollBack = Callable[..., Awaitable[None]]
Create = Callable[[Mapping[str, Any]], Any]

_NAMES: Final[Mapping[str, str]] = {
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
"""The property with the name, by resource type. Stock MiniStack checks the names of buckets and roles itself."""


class CreationFaults:
    """The resources whose creation fails, as patterns of `fnmatch` over types and logical ids."""

    def __init__(self) -> None:
        self._patterns: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns."""
        return self._patterns

    def set_patterns(self, patterns: Iterable[str]) -> None:
        """Let exactly the creations fail that match one of these patterns."""
        self._patterns = tuple(patterns)

    def matches(self, resource_type: str, logical_id: str) -> bool:
        """Return whether the creation of a resource fails."""
        return any(fnmatchcase(name, pattern) for pattern in self._patterns for name in (resource_type, logical_id))


CREATION_FAULTS = CreationFaults()


def install(options: Options) -> None:
    """Refuse names that exist and deletions that AWS refuses, and keep what a rollback could not delete."""
    del options
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
    wrap(provisioners, "_provision_resource", _refusing_existing)
    wrap(provisioners, "_delete_resource", _refusing_protected)
    wrap(importlib.import_module("ministack.services.cloudformation.stacks"), "_roll_back_operation", _keeping_failed)
    wrap(importlib.import_module("ministack.services.cloudformation.handlers"), "_create_stack", _refusing_failed_stack)


def _refusing_existing(original: Provision) -> Provision:
    def provision(
        resource_type: str, logical_id: str, props: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        if CREATION_FAULTS.matches(resource_type, logical_id):
            raise ValueError(
                f"{resource_type} {logical_id}: this creation fails, as the local cloud's creation faults require"
            )
        name = props.get(_NAMES.get(resource_type, ""))
        if name and _exists(resource_type, str(name)):
            raise ValueError(f"Resource of type '{resource_type}' with identifier '{name}' already exists.")
        return original(resource_type, logical_id, props, stack_name)

    return provision


def _exists(resource_type: str, name: str) -> bool:
    match resource_type:
        case "AWS::Backup::BackupVault":
            return name in _service("backup")._vaults
        case "AWS::KMS::Alias":
            kms = _service("kms")
            return kms._alias_arn(name) in kms._aliases
        case "AWS::Lambda::Function":
            return name in _service("lambda_svc")._functions
        case "AWS::Logs::LogGroup":
            # A late log line of a function that was just deleted makes MiniStack create its group again, without a
            # class. On AWS our roles do not allow that.
            group = _service("cloudwatch_logs")._log_groups.get(name)
            return group is not None and "logGroupClass" in group
    return name in _service("dynamodb")._tables


def _refusing_protected(original: Delete) -> Delete:
    def delete(resource_type: str, physical_id: str, props: Mapping[str, Any], *more: Any, **named: Any) -> None:
        if reason := _protection(resource_type, physical_id):
            raise ValueError(reason)
        original(resource_type, physical_id, props, *more, **named)

    return delete


def _protection(resource_type: str, name: str) -> str:
    """Return why AWS does not delete a resource; empty if it does."""
    match resource_type:
        case "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable":
            table = _service("dynamodb")._tables.get(name) or {}
            if table.get("DeletionProtectionEnabled"):
                return "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
        case "AWS::S3::Bucket":
            s3 = _service("s3")
            bucket = s3._buckets.get(name)
            if bucket and (bucket["objects"] or s3._bucket_has_versions(name)):
                return "The bucket you tried to delete is not empty"
    return ""


def _keeping_failed(original: RollBack) -> RollBack:
    async def roll_back(stack_name: str, stack_id: str, stack: dict[str, Any], *more: Any, **named: Any) -> None:
        await original(stack_name, stack_id, stack, *more, **named)
        if stack["StackStatus"] != "ROLLBACK_FAILED":
            return
        for logical_id, record in stack.get("_rollback_failed", {}).items():
            stack["_resources"][logical_id] = {
                "LogicalResourceId": logical_id,
                "Attributes": {},
                "Timestamp": stack["LastUpdatedTime"],
                "ResourceStatus": "DELETE_FAILED",
                **record,
            }

    return roll_back


def _refusing_failed_stack(original: Create) -> Create:
    def create(params: Mapping[str, Any]) -> Any:
        cloudformation = importlib.import_module("ministack.services.cloudformation")
        requests = importlib.import_module("ministack.services.cloudformation.helpers")
        name = requests._p(params, "StackName")
        stack = cloudformation._stacks.get(name) or {}
        if stack.get("StackStatus") == "ROLLBACK_COMPLETE":
            return requests._error("AlreadyExistsException", f"Stack [{name}] already exists")
        return original(params)

    return create


def _service(name: str) -> ModuleType:
    return importlib.import_module(f"ministack.services.{name}")
