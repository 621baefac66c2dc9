"""What an account still has of an environment whose stacks were deleted.

Facts of AWS that this relies on:

- CloudFormation tags the resources that it creates with ``aws:cloudformation:stack-name`` and
  ``aws:cloudformation:logical-id``. A retained resource keeps these tags.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
- An alias of a key is deleted with its stack, so a retained key is found by its tags only.
- A table whose key cannot be used has the status INACCESSIBLE_ENCRYPTION_CREDENTIALS.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.backups import OnDemandBackups
from orchestrator.aws.dynamodb.descriptions import describe_table
from orchestrator.aws.rebuild.operations import DELETED, stack_status
from orchestrator.domain.rebuild.plan import Found, FoundKey
from orchestrator.domain.rebuild.template import BUCKET
from orchestrator.domain.recovery.backup_times import Backup

_STACK_NAME, _LOGICAL_ID = "aws:cloudformation:stack-name", "aws:cloudformation:logical-id"
_NOT_OURS: Final = frozenset({"AccessDeniedException", "NotFoundException"})
"""Keys whose policy keeps the caller out, and keys that are gone since they were listed."""


class Remains:
    """What is left of an environment.

    Args:
        clients: returns the botocore client of a service.
    """

    def __init__(self, clients: Callable[[str], Any]) -> None:
        self._clients = clients

    def find(self, stacks: Sequence[str], tables: Collection[str]) -> Found:
        """Return what the account has of these stacks and tables.

        Args:
            stacks: names of stacks.
            tables: names of the tables that the templates have or the functions use.
        """
        statuses = {table: status for table in sorted(tables) if (status := self._table_status(table))}
        backups = OnDemandBackups(self._clients("dynamodb"))
        gone: Mapping[str, Sequence[Backup]] = {
            table: backups.list_available(table) for table in sorted(tables) if table not in statuses
        }
        return Found(
            stacks={name: status for name in stacks if (status := self.stack_status(name))},
            keys=self._keys(frozenset(stacks)),
            names={
                BUCKET: self._buckets(),
                "AWS::Logs::LogGroup": self._names("logs", "describe_log_groups", "logGroups", "logGroupName"),
                "AWS::Backup::BackupVault": self._names(
                    "backup", "list_backup_vaults", "BackupVaultList", "BackupVaultName"
                ),
            },
            tables=statuses,
            backups=gone,
        )

    def deleted_stacks(self) -> frozenset[str]:
        """Return the names of the stacks that were deleted; CloudFormation keeps them for 90 days."""
        client = self._clients("cloudformation")
        with translate_errors():
            pages = client.get_paginator("list_stacks").paginate(StackStatusFilter=[DELETED])
            return frozenset(str(stack["StackName"]) for page in pages for stack in page["StackSummaries"])

    def stack_status(self, name: str) -> str:
        """Return a stack's status; empty if there is no such stack."""
        return stack_status(self._clients("cloudformation"), name)

    def _table_status(self, table: str) -> str:
        description = describe_table(self._clients("dynamodb"), table)
        return str(description["TableStatus"]) if description else ""

    def _keys(self, stacks: Collection[str]) -> Mapping[tuple[str, str], tuple[FoundKey, ...]]:
        client = self._clients("kms")
        found: dict[tuple[str, str], tuple[FoundKey, ...]] = {}
        with translate_errors():
            listed = [key["KeyId"] for page in client.get_paginator("list_keys").paginate() for key in page["Keys"]]
        for key_id in listed:
            try:
                with translate_errors():
                    tags = client.list_resource_tags(KeyId=key_id)["Tags"]
                    named = {tag["TagKey"]: tag["TagValue"] for tag in tags}
                    if named.get(_STACK_NAME) not in stacks:
                        continue
                    described = client.describe_key(KeyId=key_id)["KeyMetadata"]
            except ClientError as error:
                if error_code(error) not in _NOT_OURS:
                    raise
                continue
            place = named[_STACK_NAME], named.get(_LOGICAL_ID, "")
            found[place] = (*found.get(place, ()), FoundKey(key_id, described["Arn"], described["KeyState"]))
        return found

    def _buckets(self) -> frozenset[str]:
        with translate_errors():
            return frozenset(bucket["Name"] for bucket in self._clients("s3").list_buckets()["Buckets"])

    def _names(self, service: str, operation: str, members: str, name: str) -> frozenset[str]:
        with translate_errors():
            pages = self._clients(service).get_paginator(operation).paginate()
            return frozenset(str(one[name]) for page in pages for one in page.get(members, ()))
