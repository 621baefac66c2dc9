"""Seeded grants of drills, encrypted: their secrets are in the ledger under a KMS key of their own.

| pk                  | sk                | holds                                                             |
|---------------------|-------------------|-------------------------------------------------------------------|
| ``recovery#{id}``   | ``seeded-grants`` | the grants seeded before the recovery point, encrypted, for a day |
| ``standing-grants`` | ``{written_at}``  | a set of standing grants, encrypted, for 36 days; ``changed_at``  |

Only the functions that give and check grants may use the key. The encryption context names the environment and the
drill or the set, so the grants of one cannot be decrypted for another. KMS encrypts up to 4,096 bytes; a set takes a
quarter of that.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator.aws.clients import translate_errors
from orchestrator.aws.ledger.standing_grants import STANDING, set_key
from orchestrator.domain.recovery.seeded_grants import SeededGrants
from orchestrator.domain.recovery.standing_grants import coverage

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
        self._save(_key(recovery), self._context("recovery", recovery), grants, now + KEPT)

    def find_grants(self, recovery: str) -> SeededGrants | None:
        """Read and decrypt a drill's grants; None if there are none."""
        return self._find(_key(recovery), self._context("recovery", recovery))

    def save_standing(self, grants: SeededGrants, changed_at: datetime | None = None) -> None:
        """Encrypt a set of standing grants and write it, replacing what it was before its changes.

        Args:
            grants: the set.
            changed_at: when its changes began; None before that.
        """
        changed = {"changed_at": {"S": changed_at.isoformat()}} if changed_at else {}
        written_at = grants.written_at
        context = self._context("standing", set_key(written_at))
        self._save(_standing_key(written_at), context, grants, written_at + coverage.KEPT, changed)

    def find_standing(self, written_at: datetime) -> SeededGrants | None:
        """Read and decrypt a set of standing grants; None if it is not kept."""
        return self._find(_standing_key(written_at), self._context("standing", set_key(written_at)))

    def _save(
        self,
        key: dict[str, Any],
        context: dict[str, str],
        grants: SeededGrants,
        until: datetime,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        with translate_errors():
            ciphertext = self._kms.encrypt(
                KeyId=self._key_id, Plaintext=msgspec.json.encode(grants), EncryptionContext=context
            )["CiphertextBlob"]
            self._dynamodb.put_item(
                TableName=self._ledger,
                Item={
                    **key,
                    "body": {"S": b64encode(ciphertext).decode()},
                    "expires_at": {"N": str(int(until.timestamp()))},
                    **(attributes or {}),
                },
            )

    def _find(self, key: dict[str, Any], context: dict[str, str]) -> SeededGrants | None:
        with translate_errors():
            item = self._dynamodb.get_item(TableName=self._ledger, Key=key, ConsistentRead=True).get("Item")
            if not item:
                return None
            plaintext = self._kms.decrypt(
                KeyId=self._key_id, CiphertextBlob=b64decode(item["body"]["S"]), EncryptionContext=context
            )["Plaintext"]
        return msgspec.json.decode(plaintext, type=SeededGrants)

    def _context(self, kind: str, name: str) -> dict[str, str]:
        return {"environment": self._environment, kind: name, "purpose": PURPOSE}


def _key(recovery: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"recovery#{recovery}"}, "sk": {"S": "seeded-grants"}}


def _standing_key(written_at: datetime) -> dict[str, dict[str, str]]:
    return {"pk": {"S": STANDING}, "sk": {"S": set_key(written_at)}}
