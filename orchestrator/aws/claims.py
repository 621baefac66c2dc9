"""Claims: who may change things, and under which epoch. A table whose every write by the claim's holder is fenced by it.

There is one claim for what clients meet, and one of its own for drills, which change nothing that clients meet and must not
hold up those who do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import ClaimLost, Throttled
from orchestrator.domain.records import Claim, Kind

T = TypeVar("T")
CLAIM = "claim"
"""The sort key of every claim, and the whole key of the environment's."""

CLAIM_CHECK = 0
"""Every fenced transaction puts the check of the claim first, so its cancellation reason is at this place."""

BUSY = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Why DynamoDB cancels a transaction that may be tried again."""


class ClaimedTable:
    """The ledger's table under one of its claims.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.
        claim: which claim fences the writes.
    """

    def __init__(self, client: Any, table: str, claim: str = CLAIM) -> None:
        self._client, self._table, self._claim = client, table, claim

    # --- the claim ---------------------------------------------------------------------------------------

    def claim(self) -> Claim:
        """Read the claim, consistently. Before anybody ever took it, its epoch is 0."""
        item = self._get(self._claim, CLAIM)
        return decoded(item, Claim) if item else Claim(epoch=0)

    def take_claim(self, seen: Claim, execution: str, deployment: str, kind: Kind, now: datetime) -> Claim:
        """Take the claim from the state in which it was seen, under the next epoch.

        Raises:
            ClaimLost: it changed since it was seen, and not by an earlier try of this very execution.
        """
        taken = Claim(seen.epoch + 1, execution, deployment, kind, now)
        put = self._put(self._claim, CLAIM, taken, epoch={"N": str(taken.epoch)})
        put["ConditionExpression"] = "attribute_not_exists(pk) OR (epoch = :seen AND execution = :holder)"
        put["Item"]["execution"] = {"S": execution}
        put["ExpressionAttributeValues"] = {":seen": {"N": str(seen.epoch)}, ":holder": {"S": seen.execution}}
        try:
            with narrowed():
                self._client.put_item(**put)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            # A retry of our own committed write looks like somebody else's: the execution is the nonce.
            found = self.claim()
            if (found.execution, found.deployment, found.kind) == (execution, deployment, kind):
                return found
            raise ClaimLost(f"the claim went to {found.execution or 'nobody'} with epoch {found.epoch}") from error
        return taken

    def release_claim(self, epoch: int) -> None:
        """Give the claim back, if it is still ours; otherwise whoever took it over has it already.

        The epoch goes on as well: a writer of ours that comes late, with no other holder yet, is fenced like any other.
        """
        put = self._put(self._claim, CLAIM, Claim(epoch + 1), epoch={"N": str(epoch + 1)})
        put["Item"]["execution"] = {"S": ""}
        put["ConditionExpression"] = "epoch = :mine"
        put["ExpressionAttributeValues"] = {":mine": {"N": str(epoch)}}
        try:
            with narrowed():
                self._client.put_item(**put)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def check_claim(self, epoch: int) -> None:
        """Raise ClaimLost unless the claim, read consistently, has this epoch."""
        found = self.claim()
        if found.epoch != epoch:
            raise ClaimLost(f"epoch {epoch} lost the claim to {found.execution or 'nobody'} with epoch {found.epoch}")

    def fence(self, epoch: int) -> Callable[[], None]:
        """`check_claim` as the argument that an alias write takes."""
        return lambda: self.check_claim(epoch)

    # --- DynamoDB ----------------------------------------------------------------------------------------

    def _put(self, pk: str, sk: str, record: object, **attributes: Mapping[str, str]) -> dict[str, Any]:
        body = msgspec.json.encode(record).decode()
        return {"TableName": self._table, "Item": {"pk": {"S": pk}, "sk": {"S": sk}, "body": {"S": body}, **attributes}}

    def _get(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        with narrowed():
            key = {"pk": {"S": pk}, "sk": {"S": sk}}
            found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return found or None

    def _query(
        self, pk: str, *, prefix: str = "", limit: int = 0, forward: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        values = {":pk": {"S": pk}} | ({":prefix": {"S": prefix}} if prefix else {})
        asked: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk" + (" AND begins_with(sk, :prefix)" if prefix else ""),
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            "ScanIndexForward": forward,
        }
        with narrowed():
            if limit:
                return list(self._client.query(**asked, Limit=limit)["Items"])
            return [item for page in self._client.get_paginator("query").paginate(**asked) for item in page["Items"]]

    def _fenced(self, epoch: int, puts: Sequence[Mapping[str, Any]]) -> None:
        check = {
            "TableName": self._table,
            "Key": {"pk": {"S": self._claim}, "sk": {"S": CLAIM}},
            "ConditionExpression": "epoch = :mine",
            "ExpressionAttributeValues": {":mine": {"N": str(epoch)}},
        }
        try:
            with narrowed():
                self._client.transact_write_items(
                    TransactItems=[{"ConditionCheck": check}, *({"Put": put} for put in puts)]
                )
        except ClientError as error:
            reasons = error.response.get("CancellationReasons") or []
            if reasons and reasons[CLAIM_CHECK].get("Code") == "ConditionalCheckFailed":
                raise ClaimLost(f"epoch {epoch} no longer holds the claim") from error
            refuse_busy(error)
            raise


def refuse_busy(error: ClientError) -> None:
    """Raise Throttled for a transaction that was cancelled because others were at its items; it may be tried again."""
    reasons = error.response.get("CancellationReasons") or []
    if any(reason.get("Code") in BUSY for reason in reasons):
        raise Throttled(str(error)) from error


def decoded(item: Mapping[str, Any], kind: type[T]) -> T:
    """Read an item's record."""
    return msgspec.json.decode(item["body"]["S"], type=kind)
