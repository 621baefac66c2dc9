"""Keys for the tests of signatures: private ones, which the product never has."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.domain.evidence.chain import ChainEntry, ChainHead, place_entry
from orchestrator.domain.evidence.es256 import PublicKey, key_from_spki, signature_from_der
from orchestrator.domain.evidence.signatures import PublishedKeys, sign_entry


class TestKey:
    """A key pair that is made of a small secret."""

    __test__ = False

    def __init__(self, secret: int) -> None:
        self._private = ec.derive_private_key(secret, ec.SECP256R1())

    @property
    def public(self) -> PublicKey:
        """The public key."""
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return key_from_spki(self._private.public_key().public_bytes(*form))

    def sign(self, message: bytes) -> str:
        """Sign as KMS does."""
        return signature_from_der(self._private.sign(message, ec.ECDSA(hashes.SHA256())))

    def placed(self, head: ChainHead, entry: ChainEntry) -> ChainEntry:
        """Place an entry after a head, signed."""
        return sign_entry(place_entry(head, replace(entry, key_id=self.public.kid)), self.sign)


FIRST, SECOND, FOREIGN = TestKey(101), TestKey(102), TestKey(103)
KEYS = PublishedKeys("test", (FIRST.public, SECOND.public))
