"""The ring of signing keys in its table, and the keys themselves in KMS.

The table has one item, which the service's functions read (`service/key_ring.py`):

| attribute  | holds                                                               |
|------------|---------------------------------------------------------------------|
| ``pk``     | ``ring``                                                            |
| ``schema`` | 1                                                                   |
| ``version``| counts the changes; every write names the one it has seen           |
| ``changed_at`` | epoch seconds                                                   |
| ``keys``   | a list of {``key_id``, ``kid``, ``phase``, ``since``: epoch seconds}|

Nothing here signs. A key carries the environment's name in the tag `SIGNING_KEY_TAG`: by it alone roles may use the key, and by
it one is found again whose maker died before the ring had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused, RingChanged
from orchestrator.domain.key_ring import FoundKey, Phase, Ring, SigningKey, stack_ring, thumbprint

SIGNING_KEY_TAG = "ib-oauth:signing-key"
SCHEMA = 1
KEPT_DAYS = 30
"""How long KMS keeps a key that left: the longest it offers, in which a mistake can be taken back (`cancel-key-deletion`)."""
_RING = {"pk": {"S": "ring"}}


class KeyRing:
    """The ring of one environment.

    Args:
        dynamodb, kms, tagging: botocore's clients of DynamoDB, KMS and the Resource Groups Tagging API.
        table: the ring's.
        stack_key: ARN or alias of the signing key that CloudFormation made.
        environment: its name.
    """

    def __init__(self, dynamodb: Any, kms: Any, tagging: Any, *, table: str, stack_key: str, environment: str) -> None:
        self._dynamodb, self._kms, self._tagging = dynamodb, kms, tagging
        self._table, self._stack_key, self._environment = table, stack_key, environment

    def read(self) -> Ring:
        """Read the ring, consistently.

        Raises:
            Refused: there is no table for it, or a later orchestrator wrote the ring.
        """
        try:
            with narrowed():
                item = self._dynamodb.get_item(TableName=self._table, Key=_RING, ConsistentRead=True).get("Item")
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise Refused("keys", self._table, "deploy the service stack first: there is no such table") from error
            raise
        if not item:
            own = self.stack_key()
            return stack_ring(own, self.kid(own.key_id))
        return _decode(item)

    def write(self, ring: Ring) -> None:
        """Write a ring that was changed once since it was read.

        Raises:
            RingChanged: somebody else changed it meanwhile; nothing was written.
        """
        try:
            with narrowed():
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=_encode(ring),
                    ConditionExpression="version = :seen" if ring.version > 1 else "attribute_not_exists(pk)",
                    **({"ExpressionAttributeValues": {":seen": _number(ring.version - 1)}} if ring.version > 1 else {}),
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            # A retry of our own committed write looks like somebody else's.
            found = self.read()
            if _encode(found) != _encode(ring):
                raise RingChanged(
                    f"the ring went from version {ring.version - 1} to {found.version} meanwhile"
                ) from error

    def stack_key(self) -> FoundKey:
        """The signing key that CloudFormation made."""
        return self._described(self._stack_key)

    def kid(self, key_id: str) -> str:
        """A key's thumbprint."""
        with narrowed():
            return thumbprint(self._kms.get_public_key(KeyId=key_id)["PublicKey"])

    def make(self) -> FoundKey:
        """Have KMS make a signing key."""
        with narrowed():
            made = self._kms.create_key(
                KeySpec="ECC_NIST_P256",
                KeyUsage="SIGN_VERIFY",
                Description=f"Signs access tokens ({self._environment}); made by rotation",
                Tags=[{"TagKey": SIGNING_KEY_TAG, "TagValue": self._environment}],
            )
        return _found(made["KeyMetadata"])

    def found(self) -> list[FoundKey]:
        """Every key with the environment's tag. One that was made just now may be missing for some seconds."""
        pages = self._tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": SIGNING_KEY_TAG, "Values": [self._environment]}], ResourceTypeFilters=["kms:key"]
        )
        with narrowed():
            arns = [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]
        described = []
        for arn in arns:
            try:
                described.append(self._described(arn))
            except ClientError as error:
                if code_of(error) != "NotFoundException":  # the index may name a key that is deleted by now
                    raise
        return described

    def put_away(self, key: FoundKey) -> None:
        """Have a key sign nothing any more, from now on, and KMS delete it after `KEPT_DAYS`.

        The stack's own key is CloudFormation's to delete: it is disabled.
        """
        with narrowed():
            if key.key_id == self.stack_key().key_id:
                self._kms.disable_key(KeyId=key.key_id)
            else:
                self._kms.schedule_key_deletion(KeyId=key.key_id, PendingWindowInDays=KEPT_DAYS)

    def _described(self, key_id: str) -> FoundKey:
        with narrowed():
            return _found(self._kms.describe_key(KeyId=key_id)["KeyMetadata"])


def _found(metadata: Mapping[str, Any]) -> FoundKey:
    created_at: datetime = metadata["CreationDate"]
    return FoundKey(metadata["Arn"], created_at.astimezone(UTC), metadata["KeyState"] == "Enabled")


def _encode(ring: Ring) -> dict[str, Any]:
    keys = [
        {
            "M": {
                "key_id": {"S": key.key_id},
                "kid": {"S": key.kid},
                "phase": {"S": key.phase.value},
                "since": _time(key.since),
            }
        }
        for key in ring.keys
    ]
    return {
        **_RING,
        "schema": _number(SCHEMA),
        "version": _number(ring.version),
        "changed_at": _time(ring.changed_at),
        "keys": {"L": keys},
    }


def _decode(item: Mapping[str, Any]) -> Ring:
    schema = int(item["schema"]["N"])
    if schema != SCHEMA:
        raise Refused(
            "keys", f"a ring of layout {schema}", f"use an orchestrator that knows it; this one knows {SCHEMA}"
        )
    keys = tuple(
        SigningKey(one["key_id"]["S"], one["kid"]["S"], Phase(one["phase"]["S"]), _datetime(one["since"]))
        for one in (entry["M"] for entry in item["keys"]["L"])
    )
    return Ring(int(item["version"]["N"]), _datetime(item["changed_at"]), keys)


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _time(at: datetime) -> dict[str, str]:
    # Whole seconds, rounded up: a wait is never shorter than it is, and a key made within the second counts as older.
    return _number(-int(-at.timestamp() // 1))


def _datetime(attribute: Mapping[str, str]) -> datetime:
    return datetime.fromtimestamp(int(attribute["N"]), UTC)
