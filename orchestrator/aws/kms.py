"""KMS message authentication codes, by which the orchestrator authenticates itself to the service."""

from __future__ import annotations

from typing import Any

from orchestrator.aws.clients import translate_errors


class Kms:
    """HMACs with keys that never leave KMS.

    Args:
        client: botocore's KMS client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def generate_mac(self, key_id: str, message: bytes) -> bytes:
        """Return the HMAC-SHA-256 of a message.

        Raises:
            Throttled: the request limit was reached.
            Unreachable: KMS did not answer.
        """
        with translate_errors():
            response = self._client.generate_mac(KeyId=key_id, MacAlgorithm="HMAC_SHA_256", Message=message)
        return bytes(response["Mac"])
