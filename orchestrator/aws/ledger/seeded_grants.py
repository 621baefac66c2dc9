"""Seeded grants of drills, encrypted: their secrets are in the ledger under a KMS key of their own.

| pk                | sk                | holds                                                             |
|-------------------|-------------------|-------------------------------------------------------------------|
| ``recovery#{id}`` | ``seeded-grants`` | the grants seeded before the recovery point, encrypted, for a day |

Only the tasks that seed and check grants may use the key. The encryption context names the environment and the
drill, so the grants of one drill cannot be decrypted for another. KMS encrypts up to 4,096 bytes; a drill's grants
take a quarter of that.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.recovery.seeded_grants import SeededGrants

KEPT = timedelta(days=1)

PURPOSE = "seeded-grants"
"""Of the encryption context. The alarm on decrypted sessions (infrastructure/security/cloudtrail_alarms.py) excludes it."""


class SeededGrantStore:
    """The seeded grants of an environment's drills.

    Args:
        dynamodb, kms: botocore's clients.
        ledger: the ledger's table.
        key_id: ARN of the KMS key.
        environment: its name.
    """

    def __init__(self, dynamodb: Any, kms: Any, *, ledger: str, key_id: str, environment: str) -> None:
        self._dynamodb, self._kms = dynamodb, kms
        self._ledger, self._key_id, self._environment = ledger, key_id, environment

    def save_grants(self, recovery: str, grants: SeededGrants, now: datetime) -> None:
        """Encrypt a drill's grants and write them, replacing earlier ones."""
        with translate_errors():
            ciphertext = self._kms.encrypt(
                KeyId=self._key_id,
                Plaintext=msgspec.json.encode(grants),
                EncryptionContext=self._context(recovery),
            )["CiphertextBlob"]
            self._dynamodb.put_item(
                TableName=self._ledger,
                Item={
                    **_key(recovery),
                    "body": {"S": b64encode(ciphertext).decode()},
                    "expires_at": {"N": str(int((now + KEPT).timestamp()))},
                },
            )

    def find_grants(self, recovery: str) -> SeededGrants | None:
        """Read and decrypt a drill's grants; None if there are none."""
        with translate_errors():
            item = self._dynamodb.get_item(TableName=self._ledger, Key=_key(recovery), ConsistentRead=True).get("Item")
            if not item:
                return None
            plaintext = self._kms.decrypt(
                KeyId=self._key_id,
                CiphertextBlob=b64decode(item["body"]["S"]),
                EncryptionContext=self._context(recovery),
            )["Plaintext"]
        return msgspec.json.decode(plaintext, type=SeededGrants)

    def _context(self, recovery: str) -> dict[str, str]:
        return {"environment": self._environment, "recovery": recovery, "purpose": PURPOSE}


def _key(recovery: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"recovery#{recovery}"}, "sk": {"S": "seeded-grants"}}
