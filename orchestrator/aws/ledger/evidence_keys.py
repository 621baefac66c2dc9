"""The KMS keys that sign evidence. Only the functions that record evidence may sign (infrastructure: evidence_keys.py)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.es256 import PublicKey, key_from_spki, signature_from_der, verifies
from orchestrator.domain.evidence.signatures import PublishedKeys


class EvidenceKeys:
    """The keys of an environment's evidence.

    Args:
        client: botocore's KMS client.
        key_ids: their ids, ARNs or aliases, oldest first; the last one signs.
        environment: the environment's name.
    """

    def __init__(self, client: Any, key_ids: Sequence[str], environment: str) -> None:
        self._client, self._key_ids, self._environment = client, key_ids, environment

    @cached_property
    def published(self) -> PublishedKeys:
        """The public keys. They never change, so a process reads them once.

        Raises:
            Refused: a key does not exist.
            Throttled, Unreachable: KMS did not answer.
        """
        return PublishedKeys(self._environment, tuple(self._public_key(key_id) for key_id in self._key_ids))

    @property
    def signing_kid(self) -> str:
        """The id of the key that signs."""
        return self.published.keys[-1].kid

    def sign(self, message: bytes) -> str:
        """Sign a message with the newest key, and read the signature back.

        Raises:
            Refused: the signature is not the key's.
            Throttled, Unreachable: KMS did not answer.
        """
        key_id = self._key_ids[-1]
        with translate_errors():
            response = self._client.sign(
                KeyId=key_id, Message=message, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
            )
        signature = signature_from_der(response["Signature"])
        if not verifies(self.published.keys[-1], message, signature):
            raise Refused("evidence key", key_id, "its signature does not verify with its public key: nothing recorded")
        return signature

    def _public_key(self, key_id: str) -> PublicKey:
        try:
            with translate_errors():
                return key_from_spki(self._client.get_public_key(KeyId=key_id)["PublicKey"])
        except ClientError as error:
            if error_code(error) != "NotFoundException":
                raise
            raise Refused("evidence key", key_id, "it does not exist: deploy the orchestrator's stack") from error
