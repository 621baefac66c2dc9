"""Witnesses of a drill, sealed: their secrets are in the ledger encrypted, under a key that only those use who try them.

| pk                | sk            | holds                                                  |
|-------------------|---------------|--------------------------------------------------------|
| ``recovery#{id}`` | ``witnesses`` | what was given before the point, encrypted, for a day  |

The encryption is bound to the environment and the drill: what was sealed for one is opened for no other. KMS takes 4,096 bytes;
a drill's witnesses are a quarter of that.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.aws.clients import narrowed
from orchestrator.domain.witnesses import Witnesses

KEPT = timedelta(days=1)


class SealedWitnesses:
    """The witnesses of an environment's drills.

    Args:
        dynamodb, kms: botocore's clients.
        ledger: the ledger's table.
        key_id: ARN of the key that seals.
        environment: its name.
    """

    def __init__(self, dynamodb: Any, kms: Any, *, ledger: str, key_id: str, environment: str) -> None:
        self._dynamodb, self._kms = dynamodb, kms
        self._ledger, self._key_id, self._environment = ledger, key_id, environment

    def keep(self, recovery: str, witnesses: Witnesses, now: datetime) -> None:
        """Seal a drill's witnesses, in the place of what was there."""
        with narrowed():
            sealed = self._kms.encrypt(
                KeyId=self._key_id,
                Plaintext=msgspec.json.encode(witnesses),
                EncryptionContext=self._context(recovery),
            )["CiphertextBlob"]
            self._dynamodb.put_item(
                TableName=self._ledger,
                Item={
                    **_key(recovery),
                    "body": {"S": b64encode(sealed).decode()},
                    "expires_at": {"N": str(int((now + KEPT).timestamp()))},
                },
            )

    def find(self, recovery: str) -> Witnesses | None:
        """Open a drill's witnesses; None where there are none."""
        with narrowed():
            item = self._dynamodb.get_item(TableName=self._ledger, Key=_key(recovery), ConsistentRead=True).get("Item")
            if not item:
                return None
            opened = self._kms.decrypt(
                KeyId=self._key_id,
                CiphertextBlob=b64decode(item["body"]["S"]),
                EncryptionContext=self._context(recovery),
            )["Plaintext"]
        return msgspec.json.decode(opened, type=Witnesses)

    def _context(self, recovery: str) -> dict[str, str]:
        return {"environment": self._environment, "recovery": recovery, "purpose": "witnesses"}


def _key(recovery: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"recovery#{recovery}"}, "sk": {"S": "witnesses"}}
