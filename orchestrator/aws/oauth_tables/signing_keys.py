"""The key ring of signing keys in its table, and the keys themselves in KMS.

The table has one item, which the service's functions read (`service/keys/key_ring.py`):

| attribute  | holds                                                               |
|------------|---------------------------------------------------------------------|
| ``pk``     | ``ring``                                                            |
| ``schema`` | 1                                                                   |
| ``version``| counts the changes; every write names the version that it has read  |
| ``changed_at`` | epoch seconds                                                   |
| ``keys``   | a list of {``key_id``, ``kid``, ``phase``, ``since``: epoch seconds}|

This module signs nothing. A key has the environment's name in the tag `SIGNING_KEY_TAG`. Roles may use a key only by
that tag. It also finds a key whose creator died before it wrote the key ring.

KMS applies a new key's tags within five minutes and denies calls until then
(https://docs.aws.amazon.com/kms/latest/developerguide/abac.html). The tag `CREATED_TAG` says how old a key is that may
not be described yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from orchestrator.aws.clients import conditional_write, error_code, translate_errors
from orchestrator.domain.errors import KeyNotYetUsable, KeyRingConflict, Refused
from orchestrator.domain.evidence.es256 import key_from_spki
from orchestrator.domain.signing_keys import (
    KeyPhase,
    KmsKey,
    SigningKey,
    SigningKeyRing,
    initial_key_ring,
    may_lack_its_tags,
)

T = TypeVar("T")

SIGNING_KEY_TAG = "ib-oauth:signing-key"
CREATED_TAG = "ib-oauth:created-at"
"""The tag of a signing key that rotation created: when, in epoch seconds."""
DENIED = "AccessDeniedException"
SCHEMA = 1
KEPT_DAYS = 30
"""How long KMS keeps a key that left the ring: the longest period, to revert a mistake (`cancel-key-deletion`)."""
_RING = {"pk": {"S": "ring"}}


UNUSABLE = frozenset({"DisabledException", "KMSInvalidStateException"})
"""Errors of KMS for a key that is disabled or pending deletion."""
RUNBOOK = "docs/runbooks/rotate-signing-keys.md"


class KeyRing:
    """The key ring of one environment.

    Args:
        dynamodb, kms, tagging: botocore's clients of DynamoDB, KMS and the Resource Groups Tagging API.
        table: the key ring's table.
        stack_key: ARN or alias of the signing key that CloudFormation created.
        environment: its name.
        now: the clock.
    """

    def __init__(
        self,
        dynamodb: Any,
        kms: Any,
        tagging: Any,
        *,
        table: str,
        stack_key: str,
        environment: str,
        now: Callable[[], datetime],
    ) -> None:
        self._dynamodb, self._kms, self._tagging = dynamodb, kms, tagging
        self._table, self._stack_key, self._environment = table, stack_key, environment
        self._now = now

    def read_ring(self) -> SigningKeyRing:
        """Read the key ring, consistently; before the first write it consists of the stack's own key.

        Raises:
            Refused: the table does not exist, or a later orchestrator wrote the key ring.
        """
        try:
            with translate_errors():
                item = self._dynamodb.get_item(TableName=self._table, Key=_RING, ConsistentRead=True).get("Item")
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                raise Refused(
                    "keys", self._table, "deploy the service stack first: the table does not exist"
                ) from error
            raise
        if not item:
            stack_key = self.read_stack_key()
            return initial_key_ring(stack_key, self.read_kid(stack_key))
        return _decode(item)

    def write_ring(self, ring: SigningKeyRing) -> None:
        """Write a key ring that was changed once since it was read.

        Raises:
            KeyRingConflict: another client changed it meanwhile; nothing was written.
        """
        response = conditional_write(
            self._dynamodb.put_item,
            TableName=self._table,
            Item=_encode(ring),
            ConditionExpression="version = :seen" if ring.version > 1 else "attribute_not_exists(pk)",
            **({"ExpressionAttributeValues": {":seen": _number(ring.version - 1)}} if ring.version > 1 else {}),
        )
        if response is None:
            # A retry of our own committed write looks like another client's.
            current = self.read_ring()
            if _encode(current) != _encode(ring):
                raise KeyRingConflict(
                    f"the key ring went from version {ring.version - 1} to {current.version} meanwhile"
                )

    def read_stack_key(self) -> KmsKey:
        """Return the signing key that CloudFormation created."""
        return self._describe(self._stack_key)

    def read_states(self, ring: SigningKeyRing) -> Mapping[str, str]:
        """Return the state that KMS has of each key of a ring, such as ``PendingDeletion``, by key id.

        A key that may not be described yet, because it is new, is missing.
        """
        states: dict[str, str] = {}
        for key in ring.keys:
            try:
                with translate_errors():
                    states[key.key_id] = self._kms.describe_key(KeyId=key.key_id)["KeyMetadata"]["KeyState"]
            except ClientError as error:
                if error_code(error) not in {DENIED, "NotFoundException"}:
                    raise
        return states

    def read_kid(self, key: KmsKey) -> str:
        """Return a key's ``kid``: the thumbprint of its public key.

        Raises:
            KeyNotYetUsable: the key is new, and KMS does not apply its tags yet.
            Refused: the key is disabled, or its deletion is scheduled.
        """
        try:
            return key_from_spki(self._call(key, lambda: self._kms.get_public_key(KeyId=key.key_id)["PublicKey"])).kid
        except ClientError as error:
            if error_code(error) not in UNUSABLE:
                raise
            with translate_errors():
                state = self._kms.describe_key(KeyId=key.key_id)["KeyMetadata"]["KeyState"]
            remedy = f"nothing can be signed with it until `aws kms enable-key --key-id {key.key_id}`; {RUNBOOK}"
            raise Refused("keys", state, remedy) from error

    def create_key(self) -> KmsKey:
        """Create a signing key in KMS. It may not be usable for some minutes."""
        with translate_errors():
            created = self._kms.create_key(
                KeySpec="ECC_NIST_P256",
                KeyUsage="SIGN_VERIFY",
                Description=f"Signs access tokens ({self._environment}); created by rotation",
                Tags=[
                    {"TagKey": SIGNING_KEY_TAG, "TagValue": self._environment},
                    {"TagKey": CREATED_TAG, "TagValue": str(int(self._now().timestamp()))},
                ],
            )
        return _kms_key(created["KeyMetadata"])

    def find_keys(self) -> list[KmsKey]:
        """Return every key with the environment's tag. A key that was just created may be missing for some seconds.

        A new key that may not be described yet counts as usable: it was created enabled.
        """
        pages = self._tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": SIGNING_KEY_TAG, "Values": [self._environment]}], ResourceTypeFilters=["kms:key"]
        )
        with translate_errors():
            found = [
                (mapping["ResourceARN"], {tag["Key"]: tag["Value"] for tag in mapping["Tags"]})
                for page in pages
                for mapping in page["ResourceTagMappingList"]
            ]
        keys = [self._find(arn, tags) for arn, tags in found]
        return [key for key in keys if key is not None]

    def _find(self, arn: str, tags: Mapping[str, str]) -> KmsKey | None:
        try:
            return self._describe(arn)
        except ClientError as error:
            if error_code(error) == "NotFoundException":  # the index may still name a deleted key
                return None
            new = KmsKey(arn, datetime.fromtimestamp(int(tags.get(CREATED_TAG, "0")), UTC), usable=True)
            if error_code(error) == DENIED and may_lack_its_tags(new, self._now()):
                return new
            raise

    def schedule_deletion(self, key: KmsKey) -> None:
        """Disable a key at once, and have KMS delete it after `KEPT_DAYS`.

        The stack's own key is only disabled: CloudFormation deletes it.

        Raises:
            KeyNotYetUsable: the key is new, and KMS does not apply its tags yet.
        """
        if key.key_id == self.read_stack_key().key_id:
            self._call(key, lambda: self._kms.disable_key(KeyId=key.key_id))
        else:
            self._call(key, lambda: self._kms.schedule_key_deletion(KeyId=key.key_id, PendingWindowInDays=KEPT_DAYS))

    def _call(self, key: KmsKey, call: Callable[[], T]) -> T:
        try:
            with translate_errors():
                return call()
        except ClientError as error:
            if error_code(error) != DENIED or not may_lack_its_tags(key, self._now()):
                raise
            raise KeyNotYetUsable(
                f"{key.key_id} was made and is not yet usable, because KMS does not apply its tags yet: repeat this in some minutes"
            ) from error

    def _describe(self, key_id: str) -> KmsKey:
        with translate_errors():
            return _kms_key(self._kms.describe_key(KeyId=key_id)["KeyMetadata"])


def _kms_key(metadata: Mapping[str, Any]) -> KmsKey:
    created_at: datetime = metadata["CreationDate"]
    return KmsKey(metadata["Arn"], created_at.astimezone(UTC), metadata["KeyState"] == "Enabled")


def _encode(ring: SigningKeyRing) -> dict[str, Any]:
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


def _decode(item: Mapping[str, Any]) -> SigningKeyRing:
    schema = int(item["schema"]["N"])
    if schema != SCHEMA:
        raise Refused(
            "keys", f"a key ring of schema {schema}", f"use an orchestrator that knows it; this one knows {SCHEMA}"
        )
    keys = tuple(
        SigningKey(key["key_id"]["S"], key["kid"]["S"], KeyPhase(key["phase"]["S"]), _datetime(key["since"]))
        for key in (entry["M"] for entry in item["keys"]["L"])
    )
    return SigningKeyRing(int(item["version"]["N"]), _datetime(item["changed_at"]), keys)


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _time(at: datetime) -> dict[str, str]:
    # Whole seconds, rounded up: no wait gets shorter, and a key created within the second counts as older.
    return _number(-int(-at.timestamp() // 1))


def _datetime(attribute: Mapping[str, str]) -> datetime:
    return datetime.fromtimestamp(int(attribute["N"]), UTC)
