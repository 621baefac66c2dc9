"""Block all access to tables by their resource policies, verify that DynamoDB follows the policy, and unblock them.

Resource policies are eventually consistent: a new policy takes time to apply to all requests, and GetResourcePolicy may
return the previous policy, or none, for a while. Therefore:

- a policy is replaced or deleted by the revision that PutResourcePolicy returned, not only by the one that is read;
- whether a policy is in effect is decided by probes. Each probe opens a new connection, because one connection stays
  with one host of DynamoDB.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetResourcePolicy.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import CONDITION_FAILED, error_code, translate_errors
from orchestrator.aws.dynamodb.raw_client import DynamoDBError, RawClient
from orchestrator.domain.deployment.cutover import (
    BLOCKED_ACTIONS,
    Policy,
    ProbeRun,
    TableRef,
    blocked_policy,
    blocks,
    is_blocked,
    unblocked_policy,
)
from orchestrator.domain.errors import PolicyNotEffective, ResourcePolicyConflict

NO_POLICY = "NO_POLICY"
"""The revision by which PutResourcePolicy expects that there is no policy yet."""

DENIED = "AccessDeniedException"
PROBED_KEY = {"pk": {"S": "access-block-probe"}}
PROBE_SECONDS = 0.25
"""Time between two probes of a table."""

SLACK = timedelta(seconds=10)
"""How long one call waits for the beginning of a run that can hold. The state machine retries after that."""

_NOT_FOUND = "PolicyNotFoundException"
_NO_TABLE = "ResourceNotFoundException"


class TableAccess:
    """The access block of tables: a statement in their resource policy that denies actions to every principal.

    Args:
        client: botocore's DynamoDB client.
        connect: opens a new connection to DynamoDB.
        now: the clock.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        connect: Callable[[], RawClient],
        now: Callable[[], datetime],
        *,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._client, self._connect, self._now, self._sleep = client, connect, now, sleep

    def block(
        self,
        table: TableRef,
        fence: Callable[[], None],
        actions: Sequence[str] = BLOCKED_ACTIONS,
        revision: str = "",
        exempt_role: str = "",
    ) -> str:
        """Add the access block to a table's resource policy; a policy that has it stays as it is.

        Args:
            table: the table.
            fence: called between reading and writing the policy; raises LockLost if the lock is lost.
            actions: what is denied to every principal.
            revision: the revision that an earlier call returned; empty if there was none.
            exempt_role: ARN of the only role that is not denied; empty for none.

        Returns:
            The revision of the policy with the access block.

        Raises:
            ResourcePolicyConflict: another client changed the policy meanwhile. Nothing was written; try again.
        """
        policy, found = self._read_policy(table)
        if blocks(policy, actions, exempt_role):
            return found
        fence()
        return self._write_policy(table, blocked_policy(policy, table.arn, actions, exempt_role), [revision, found])

    def is_blocked(self, table: TableRef) -> bool:
        """Return whether a table's resource policy has the access block. The policy may be the previous one."""
        return is_blocked(self._read_policy(table)[0])

    def unblock(
        self, table: TableRef, fence: Callable[[], None], revision: str = "", *, requested: bool = False
    ) -> None:
        """Remove the access block from a table's resource policy. A table that does not exist has none.

        Args:
            table: the table.
            fence: as `block`.
            revision: the revision that `block` returned; empty if it is not known.
            requested: the block was requested a short time ago, so a policy that is read without it may be a previous
                one.

        Raises:
            ResourcePolicyConflict: as `block`, or the policy that was read is a previous one.
        """
        policy, found = self._read_policy(table)
        if not (is_blocked(policy) or revision or requested):
            return
        fence()
        try:
            # Without a known revision the one that was read is expected: a write succeeds only if it is the newest.
            # Only where no policy can be read, and none is known, is a policy deleted whatever its revision is.
            expected = [revision, found] if is_blocked(policy) or not revision else [revision]
            self._write_policy(table, unblocked_policy(policy), expected)
        except ResourcePolicyConflict:
            if not revision or (is_blocked(policy) and found != revision):
                raise
            # The policy of that revision is gone, and no newer one with a block can be read: it was removed before.
            # If it was not, the probes show that, and a repetition reads the newer one.

    def verify(self, blocked: Sequence[TableRef], unblocked: Sequence[TableRef], hold: timedelta) -> None:
        """Verify by probes that tables deny writes, and that others do not, all the time for at least `hold`.

        The write of a probe has a condition that never holds, so it changes nothing even if it is allowed.

        Raises:
            PolicyNotEffective: a table still responds by a previous policy; try again.
            Throttled, Unreachable: DynamoDB did not answer a probe.
        """
        deadline = self._now() + hold + SLACK
        denies = {**dict.fromkeys(unblocked, False), **dict.fromkeys(blocked, True)}
        runs = dict.fromkeys(denies, ProbeRun())
        while True:
            for table, expected in denies.items():
                runs[table] = runs[table].after(self._now(), expected=self._denies(table) is expected)
            now = self._now()
            if all(run.holds(now, hold) for run in runs.values()):
                return
            for table, run in runs.items():
                if not run.can_hold(now, hold, deadline):
                    state = "does not deny access everywhere yet" if denies[table] else "still denies access"
                    raise PolicyNotEffective(f"{table.name} {state}")
            self._sleep(PROBE_SECONDS)

    def _denies(self, table: TableRef) -> bool:
        connection = self._connect()
        try:
            connection.call(
                "UpdateItem",
                {
                    "TableName": table.name,
                    "Key": PROBED_KEY,
                    "UpdateExpression": "SET probed = :one",
                    "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                },
                bytes,
            )
        except DynamoDBError as error:
            if error.code not in {DENIED, CONDITION_FAILED}:
                raise
            return error.code == DENIED
        finally:
            connection.close()
        return False

    def _read_policy(self, table: TableRef) -> tuple[Policy | None, str]:
        try:
            with translate_errors():
                response = self._client.get_resource_policy(ResourceArn=table.arn)
        except ClientError as error:
            if error_code(error) in {_NOT_FOUND, _NO_TABLE}:
                return None, NO_POLICY
            raise
        policy: Policy = json.loads(response["Policy"])
        return policy, str(response["RevisionId"])

    def _write_policy(self, table: TableRef, policy: Policy | None, revisions: Sequence[str]) -> str:
        """Write or delete a policy whose revision is one of these; return the revision of the written one.

        Raises:
            ResourcePolicyConflict: it has another revision.
        """
        for revision in dict.fromkeys(filter(None, revisions)):
            try:
                if policy is None:
                    return self._delete_policy(table, revision)
                document = json.dumps(policy, allow_nan=False)
                with translate_errors():
                    response = self._client.put_resource_policy(
                        ResourceArn=table.arn, Policy=document, ExpectedRevisionId=revision
                    )
                return str(response["RevisionId"])
            except ClientError as error:
                if error_code(error) != _NOT_FOUND:
                    raise
        raise ResourcePolicyConflict(f"{table.name}: the resource policy has none of the expected revisions")

    def _delete_policy(self, table: TableRef, revision: str) -> str:
        # NO_POLICY means something to PutResourcePolicy only. Without a revision the call is idempotent.
        expected = {} if revision == NO_POLICY else {"ExpectedRevisionId": revision}
        try:
            with translate_errors():
                self._client.delete_resource_policy(ResourceArn=table.arn, **expected)
        except ClientError as error:
            if error_code(error) != _NO_TABLE:
                raise
        return NO_POLICY
