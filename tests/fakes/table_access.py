"""Resource policies of tables, and what a table answers that has one: late, as DynamoDB does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.deployment.cutover import is_blocked
from tests.fakes.errors import client_error


@dataclass
class FakeTableAccess:
    """The resource policies of a DynamoDB client.

    Attributes:
        follows_after: how many probes a change of a policy takes to be followed.
        shown_after: how many readings of the policy show the one before, or none.
    """

    follows_after: int = 0
    shown_after: int = 0
    policies: dict[str, tuple[str, int]] = field(default_factory=dict)
    """ARN to (policy, revision)."""
    gone: set[str] = field(default_factory=set)
    """ARNs of tables that are not there."""
    probed: list[str] = field(default_factory=list)
    written: list[tuple[str, bool]] = field(default_factory=list)
    """(ARN, whether it blocks the table) of each policy that was written or deleted, in order."""
    connected: int = 0
    """How many connections were opened."""
    _before: dict[str, tuple[str, int] | None] = field(default_factory=dict)
    _hidden: dict[str, int] = field(default_factory=dict)
    _denies: dict[str, bool] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)
    _revisions: int = 0

    def get_resource_policy(self, *, ResourceArn: str) -> dict[str, str]:  # noqa: N803 - botocore's
        if ResourceArn in self.gone:
            raise client_error("ResourceNotFoundException", "no such table")
        shown = self.policies.get(ResourceArn)
        if self._hidden.get(ResourceArn):
            self._hidden[ResourceArn] -= 1
            shown = self._before[ResourceArn]
        if shown is None:
            raise client_error("PolicyNotFoundException", "no policy")
        policy, revision = shown
        return {"Policy": policy, "RevisionId": str(revision)}

    def put_resource_policy(self, *, ResourceArn: str, Policy: str, ExpectedRevisionId: str) -> dict[str, str]:  # noqa: N803
        self._expect(ResourceArn, ExpectedRevisionId)
        self._change(ResourceArn)
        self._revisions += 1
        self.policies[ResourceArn] = (Policy, self._revisions)
        self.written.append((ResourceArn, is_blocked(json.loads(Policy))))
        self._left[ResourceArn] = self.follows_after
        return {"RevisionId": str(self._revisions)}

    def delete_resource_policy(self, *, ResourceArn: str, ExpectedRevisionId: str | None = None) -> dict[str, str]:  # noqa: N803
        if ExpectedRevisionId is not None:
            self._expect(ResourceArn, ExpectedRevisionId)
        self._change(ResourceArn)
        self.policies.pop(ResourceArn, None)
        self.written.append((ResourceArn, False))
        self._left[ResourceArn] = self.follows_after
        return {}

    def update_item(self, *, TableName: str, ConditionExpression: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert ConditionExpression == "attribute_exists(pk) AND attribute_not_exists(pk)", "it can never hold"
        return self.probe(TableName)

    def closed(self, table: str) -> bool:
        """Whether a table's policy closes it."""
        policy = next((policy for arn, (policy, _) in self.policies.items() if arn.endswith(f"/{table}")), "")
        return bool(policy) and is_blocked(json.loads(policy))

    def denied(self, table: str) -> set[str]:
        """The actions on its items that a table's policy denies."""
        policies = [json.loads(policy) for arn, (policy, _) in self.policies.items() if arn.endswith(f"/{table}")]
        return {action for policy in policies for statement in policy["Statement"] for action in statement["Action"]}

    def probe(self, table: str) -> dict[str, Any]:
        """What an update with a condition that never holds answers."""
        self.probed.append(table)
        arn = next((known for known in self._left if known.endswith(f"/{table}")), "")
        if arn and not self._left[arn]:
            policy = self.policies.get(arn)
            self._denies[arn] = is_blocked(json.loads(policy[0])) if policy else False
        elif arn:
            self._left[arn] -= 1
        if self._denies.get(arn):
            raise client_error("AccessDeniedException", "with an explicit deny in a resource-based policy")
        raise client_error("ConditionalCheckFailedException", "The conditional request failed")

    def connect(self) -> FakeTableAccess:
        """Open a connection: all of them are this."""
        self.connected += 1
        return self

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], Any]) -> Any:
        """Answer a probe as a connection does."""
        assert operation == "UpdateItem"
        try:
            return decode(json.dumps(self.update_item(**params)).encode())
        except ClientError as error:
            raise DynamoDBError(error_code(error)) from error

    def close(self) -> None:
        """Nothing is open."""

    def _change(self, arn: str) -> None:
        self._before[arn], self._hidden[arn] = self.policies.get(arn), self.shown_after

    def _expect(self, arn: str, revision: str) -> None:
        there = str(self.policies[arn][1]) if arn in self.policies else "NO_POLICY"
        if revision != there:
            raise client_error("PolicyNotFoundException", "another revision")
