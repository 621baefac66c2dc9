"""Environment locks in the ledger: which execution may make changes, and under which fencing token.

There is one lock for everything that clients use, and one for drills. Drills change nothing that clients use, so they
must not delay deployments. Every write of a lock's holder is fenced: it checks the holder's token in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import conditional_write, error_code, translate_errors
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import LockLost, Throttled

T = TypeVar("T")


class Versioned(Protocol):
    """A dataclass that is written with its version: 0 before it was ever written."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def version(self) -> int:
        """How often it was written."""
        ...


V = TypeVar("V", bound=Versioned)
LOCK = "lock"
"""The sort key of every lock, and the partition key of the environment's."""

LOCK_CHECK = 0
"""Every fenced transaction checks the lock first, so the check's cancellation reason is at this index."""

UNMET = "ConditionalCheckFailed"
"""The cancellation reason of the item whose condition was not met."""

BUSY = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Why DynamoDB cancels a transaction that may be tried again."""


class LockedTable:
    """The ledger's table under one of its locks.

    Args:
        client: botocore's DynamoDB client.
        table: the table's name.
        lock: partition key of the lock that fences the writes.
    """

    def __init__(self, client: Any, table: str, lock: str = LOCK) -> None:
        self._client, self._table, self._lock = client, table, lock

    # --- the lock ----------------------------------------------------------------------------------------

    def read_lock(self) -> EnvironmentLock:
        """Read the lock, consistently. Its token is 0 before it was ever acquired."""
        item = self._get(self._lock, LOCK)
        return decoded(item, EnvironmentLock) if item else EnvironmentLock(fencing_token=0)

    def acquire_lock(
        self, seen: EnvironmentLock, execution: str, deployment: str, kind: Kind, now: datetime
    ) -> EnvironmentLock:
        """Acquire the lock with the next token, from the state in which it was read.

        Args:
            seen: the lock as it was read.
            execution: ARN of the execution that becomes the holder.
            deployment: id of the holder's deployment or recovery.
            kind: of the holder.
            now: when it is acquired.

        Raises:
            LockLost: the lock changed since it was read, and not by an earlier attempt of this execution.
        """
        lock = EnvironmentLock(seen.fencing_token + 1, execution, deployment, kind, now)
        put = self._put(self._lock, LOCK, lock, **_token(lock.fencing_token), execution={"S": execution})
        put["ConditionExpression"] = "attribute_not_exists(pk) OR (fencing_token = :seen AND execution = :holder)"
        put["ExpressionAttributeValues"] = {":seen": {"N": str(seen.fencing_token)}, ":holder": {"S": seen.execution}}
        if conditional_write(self._client.put_item, **put) is not None:
            return lock
        # A retry of our own committed write looks like another writer's: the execution is the nonce.
        current = self.read_lock()
        if (current.execution, current.deployment, current.kind) == (execution, deployment, kind):
            return current
        raise LockLost(
            f"the environment lock was acquired by {_holder(current)} with fencing token {current.fencing_token}"
        )

    def release_lock(self, fencing_token: int) -> None:
        """Release the lock if `fencing_token` still holds it; otherwise another execution has taken it over already.

        The token is increased as well: a late write of ours is fenced even if there is no other holder yet.
        """
        released = EnvironmentLock(fencing_token + 1)
        put = self._put(self._lock, LOCK, released, **_token(fencing_token + 1), execution={"S": ""})
        put["ConditionExpression"] = "fencing_token = :mine"
        put["ExpressionAttributeValues"] = {":mine": {"N": str(fencing_token)}}
        conditional_write(self._client.put_item, **put)

    def check_lock(self, fencing_token: int) -> None:
        """Raise LockLost unless the lock, read consistently, has this token."""
        current = self.read_lock()
        if current.fencing_token != fencing_token:
            raise LockLost(
                f"fencing token {fencing_token} lost the environment lock to {_holder(current)} "
                f"with fencing token {current.fencing_token}"
            )

    def fence(self, fencing_token: int) -> Callable[[], None]:
        """Return `check_lock` as the argument that a fenced write to another service takes."""
        return lambda: self.check_lock(fencing_token)

    # --- DynamoDB ----------------------------------------------------------------------------------------

    def _put(self, pk: str, sk: str, record: object, **attributes: Mapping[str, str]) -> dict[str, Any]:
        body = msgspec.json.encode(record).decode()
        return {"TableName": self._table, "Item": {"pk": {"S": pk}, "sk": {"S": sk}, "body": {"S": body}, **attributes}}

    def _read_or_new(self, pk: str, sk: str, kind: type[T]) -> T:
        """Read a record, consistently; return an empty one if there is none."""
        item = self._get(pk, sk)
        return decoded(item, kind) if item else kind()

    def _put_versioned(
        self, pk: str, sk: str, record: object, seen: int, **attributes: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the put of a record after the version that was read, 0 if there was none: it fails if that has changed."""
        put = self._put(pk, sk, record, record_version={"N": str(seen + 1)}, **attributes)
        return {**put, **unless_changed(seen)}

    def _put_next(self, pk: str, sk: str, record: V, **attributes: Mapping[str, str]) -> tuple[V, dict[str, Any]]:
        """Return a record with its next version, and the put of `_put_versioned` that writes it.

        Args:
            pk: the partition key.
            sk: the sort key.
            record: as it is to be, with the version that was read.
            attributes: further attributes of the item.
        """
        written = replace(record, version=record.version + 1)
        return written, self._put_versioned(pk, sk, written, record.version, **attributes)

    def _write_together(self, puts: Sequence[Mapping[str, Any]]) -> bool:
        """Write all items or none; return False if the condition of a put is not met.

        Raises:
            Throttled: the transaction met another one. Nothing was written.
        """
        try:
            with translate_errors():
                self._client.transact_write_items(TransactItems=[{"Put": put} for put in puts])
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            refuse_busy(error)
            return False
        return True

    def _get(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        with translate_errors():
            key = {"pk": {"S": pk}, "sk": {"S": sk}}
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return item or None

    def _query(
        self, pk: str, *, prefix: str = "", since: str = "", until: str = "", limit: int = 0, forward: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        """Return the items of a partition by their sort keys, over as many pages of 1 MB as they have.

        Args:
            pk: the partition.
            prefix: of the sort keys; with it, neither `since` nor `until` applies.
            since: the first sort key.
            until: the last sort key, if there is a first one.
            limit: the most items; 0 for all.
            forward: first sort key first, otherwise last.
        """
        bounds = {"prefix": prefix} if prefix else {"since": since, "until": until}
        condition = " AND begins_with(sk, :prefix)" if prefix else " AND sk >= :since" if since else ""
        if since and until and not prefix:
            condition = " AND sk BETWEEN :since AND :until"
        params: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": f"pk = :pk{condition}",
            "ExpressionAttributeValues": {
                ":pk": {"S": pk},
                **{f":{name}": {"S": bound} for name, bound in bounds.items() if bound},
            },
            "ConsistentRead": True,
            "ScanIndexForward": forward,
        }
        if limit:
            params["PaginationConfig"] = {"MaxItems": limit, "PageSize": limit}
        with translate_errors():
            return [item for page in self._client.get_paginator("query").paginate(**params) for item in page["Items"]]

    def _write_fenced(self, fencing_token: int, puts: Sequence[Mapping[str, Any]]) -> None:
        check = {
            "TableName": self._table,
            "Key": {"pk": {"S": self._lock}, "sk": {"S": LOCK}},
            "ConditionExpression": "fencing_token = :mine",
            "ExpressionAttributeValues": {":mine": {"N": str(fencing_token)}},
        }
        try:
            with translate_errors():
                self._client.transact_write_items(
                    TransactItems=[{"ConditionCheck": check}, *({"Put": put} for put in puts)]
                )
        except ClientError as error:
            reasons = error.response.get("CancellationReasons") or []
            if reasons and reasons[LOCK_CHECK].get("Code") == UNMET:
                raise LockLost(f"fencing token {fencing_token} no longer holds the environment lock") from error
            refuse_busy(error)
            raise


def until_time(end: datetime) -> str:
    """Return a bound of sort keys that begin with a time and ``#``: those of `end` and earlier are below it."""
    # "$" comes after "#". A time with a fraction of the same second has a point where this one has "+", which is later.
    return f"{end.isoformat()}$"


def _token(fencing_token: int) -> dict[str, Mapping[str, str]]:
    return {"fencing_token": {"N": str(fencing_token)}}


def _holder(lock: EnvironmentLock) -> str:
    return lock.execution or "no execution"


def unless_changed(seen: int, attribute: str = "record_version") -> dict[str, Any]:
    """Return the condition of a put: no other writer has written the item since it was read.

    Args:
        seen: the version that was read; 0 if there was no item.
        attribute: that has the version, as a number.
    """
    if not seen:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": f"{attribute} = :seen",
        "ExpressionAttributeValues": {":seen": {"N": str(seen)}},
    }


def refuse_busy(error: ClientError) -> None:
    """Raise Throttled for a transaction that was cancelled by a conflict or a throttle; it may be tried again."""
    reasons = error.response.get("CancellationReasons") or []
    if any(reason.get("Code") in BUSY for reason in reasons):
        raise Throttled(str(error)) from error


def is_condition_unmet(error: ClientError) -> bool:
    """Return whether a transaction was cancelled because the condition of one of its items was not met."""
    return any(reason.get("Code") == UNMET for reason in error.response.get("CancellationReasons") or [])


def decoded(item: Mapping[str, Any], kind: type[T]) -> T:
    """Decode an item's record."""
    return msgspec.json.decode(item["body"]["S"], type=kind)
