"""Closing tables to everybody, seeing that they are closed, and opening them again: by their resource policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.cut_over import CLOSED_ACTIONS, Policy, Table, closed, denies, is_closed, opened
from orchestrator.domain.errors import DoorAjar, DoorChanged

NO_POLICY = "NO_POLICY"
"""The revision of a policy that is not there, to PutResourcePolicy."""

DENIED = "AccessDeniedException"
PROBED_KEY = {"pk": {"S": "door"}}
_NOT_FOUND = "PolicyNotFoundException"
_NO_TABLE = "ResourceNotFoundException"


class Doors:
    """Tables as things with a door.

    Args:
        client: botocore's DynamoDB client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def close(self, table: Table, fence: Callable[[], None], actions: Sequence[str] = CLOSED_ACTIONS) -> None:
        """Put the statement that closes a table into its resource policy; where it is there already, leave it.

        Args:
            table: the table.
            fence: called between reading the policy and writing it; raises ClaimLost where the claim is gone.
            actions: what everybody is denied.

        Raises:
            DoorChanged: somebody changed the policy meanwhile; nothing was written, trying again is right.
        """
        policy, revision = self._policy(table)
        if denies(policy, actions):
            return
        fence()
        document = json.dumps(closed(policy, table.arn, actions))
        with narrowed(**{_NOT_FOUND: DoorChanged}):
            self._client.put_resource_policy(ResourceArn=table.arn, Policy=document, ExpectedRevisionId=revision)

    def is_closed(self, table: Table) -> bool:
        """Whether a table's resource policy closes it."""
        return is_closed(self._policy(table)[0])

    def open(self, table: Table, fence: Callable[[], None]) -> None:
        """Take the statement that closes a table out of its resource policy. A table that is gone has no door.

        Raises:
            DoorChanged: as `close`.
        """
        policy, revision = self._policy(table)
        if not is_closed(policy):
            return
        fence()
        left = opened(policy)
        with narrowed(**{_NOT_FOUND: DoorChanged}):
            if left is None:
                self._client.delete_resource_policy(ResourceArn=table.arn, ExpectedRevisionId=revision)
            else:
                self._client.put_resource_policy(
                    ResourceArn=table.arn, Policy=json.dumps(left), ExpectedRevisionId=revision
                )

    def refuse_open(self, table: Table, denials: int) -> None:
        """See for ourselves that a table denies a write, so many times in a row. The write's condition never holds: nothing changes.

        Raises:
            DoorAjar: it was not denied.
        """
        for _ in range(denials):
            if not self._denies(table):
                raise DoorAjar(f"{table.name} does not deny everybody yet")

    def refuse_closed(self, table: Table) -> None:
        """See for ourselves that a table does not deny.

        Raises:
            DoorAjar: it still does; named after what is not as it should be, the door.
        """
        if self._denies(table):
            raise DoorAjar(f"{table.name} still denies everybody")

    def _denies(self, table: Table) -> bool:
        try:
            with narrowed():
                self._client.update_item(
                    TableName=table.name,
                    Key=PROBED_KEY,
                    UpdateExpression="SET probed = :one",
                    ConditionExpression="attribute_exists(pk) AND attribute_not_exists(pk)",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                )
        except ClientError as error:
            if code_of(error) == DENIED:
                return True
            if code_of(error) != "ConditionalCheckFailedException":
                raise
        return False

    def _policy(self, table: Table) -> tuple[Policy | None, str]:
        try:
            with narrowed():
                found = self._client.get_resource_policy(ResourceArn=table.arn)
        except ClientError as error:
            if code_of(error) in {_NOT_FOUND, _NO_TABLE}:
                return None, NO_POLICY
            raise
        policy: Policy = json.loads(found["Policy"])
        return policy, str(found["RevisionId"])
