"""KMS message authentication codes: how the orchestrator proves itself to the service."""

from __future__ import annotations

from typing import Any

from orchestrator.aws.clients import narrowed


class Macs:
    """HMAC keys that never leave KMS.

    Args:
        client: botocore's KMS client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def mac(self, key_id: str, message: bytes) -> bytes:
        """Make the HMAC-SHA-256 of a message.

        Raises:
            Throttled: the request limit was met.
            Unreachable: KMS did not answer.
        """
        with narrowed():
            made = self._client.generate_mac(KeyId=key_id, MacAlgorithm="HMAC_SHA_256", Message=message)
        return bytes(made["Mac"])
