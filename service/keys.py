"""The keys, all of them in KMS: nothing that signs or decrypts is ever in the function's memory, environment or template."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from service.oauth import signatures, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_kms import KMSClient

    from service.oauth.tokens import AccessToken, Jwk, Signed

_MAC_ALGORITHM: Final = "HMAC_SHA_256"
_MAC_MAX_CHARACTERS = 128


class KeyUnavailable(Exception):
    """KMS did not answer, or refused."""


class Signer:
    """Signs access tokens with one KMS key. Every method may raise KeyUnavailable."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    @cached_property
    def kid(self) -> str:
        """The key's id in the key set: its thumbprint."""
        return _public_key(self._client, self._key_id).thumbprint

    def sign(self, token: AccessToken) -> str:
        """Return the token as a compact JWT."""
        signed = tokens.signing_input(token, self.kid)
        with _narrowed():
            answer = self._client.sign(
                KeyId=self._key_id, Message=signed, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
            )
        return tokens.compact(signed, signatures.to_jose(answer["Signature"]))


class PublicKeys:
    """The keys that verify access tokens, fetched once in a process: which they are is configuration of the release."""

    def __init__(self, client: KMSClient, key_ids: tuple[str, ...]) -> None:
        self._client = client
        self._key_ids = key_ids

    @cached_property
    def jwks(self) -> tuple[Jwk, ...]:
        """The published keys, the one that signs first. Raises KeyUnavailable."""
        return tuple(_public_key(self._client, key_id) for key_id in self._key_ids)

    def verifies(self, signed: Signed) -> bool:
        """Whether one of our keys made the signature. Raises KeyUnavailable."""
        jwk = next((jwk for jwk in self.jwks if jwk.thumbprint == signed.kid), None)
        return jwk is not None and _verifies(jwk, signed)

    def probe(self) -> None:
        """Ask KMS for the key that signs, past the cache. Raises KeyUnavailable."""
        _public_key(self._client, self._key_ids[0])


@dataclass(frozen=True)
class Vault:
    """Encrypts what the upstream platform gave us, bound to what it is and whose it is."""

    client: KMSClient
    key_id: str
    environment: str

    def lock(self, contents: Mapping[str, Any], purpose: str, owner: str) -> bytes:
        """Return contents encrypted; together at most 4096 bytes of JSON. Raises KeyUnavailable."""
        plain = json.dumps(contents, separators=(",", ":")).encode()
        with _narrowed():
            answer = self.client.encrypt(
                KeyId=self.key_id, Plaintext=plain, EncryptionContext=self._context(purpose, owner)
            )
        return answer["CiphertextBlob"]

    def unlock(self, locked: bytes, purpose: str, owner: str) -> dict[str, Any]:
        """Return what was locked for this purpose and owner. Raises KeyUnavailable."""
        with _narrowed():
            answer = self.client.decrypt(
                KeyId=self.key_id, CiphertextBlob=locked, EncryptionContext=self._context(purpose, owner)
            )
        contents: dict[str, Any] = json.loads(answer["Plaintext"])
        return contents

    def _context(self, purpose: str, owner: str) -> dict[str, str]:
        return {"environment": self.environment, "purpose": purpose, "owner": owner}


@dataclass(frozen=True)
class SyntheticProof:
    """Tells whether a login is the orchestrator's: it alone may have the MAC key make a MAC."""

    client: KMSClient
    key_id: str
    environment: str

    def holds(self, transaction: str, mac: str) -> bool:
        """Whether mac (base64url) is the key's over this environment and transaction. Raises KeyUnavailable."""
        if not mac.isascii() or len(mac) > _MAC_MAX_CHARACTERS:
            return False
        try:
            octets = urlsafe_b64decode(mac + "=" * (-len(mac) % 4))
        except ValueError:
            return False
        if not octets:
            return False
        message = f"ib-oauth/synthetic/{self.environment}/{transaction}".encode()
        try:
            with _narrowed():
                self.client.verify_mac(KeyId=self.key_id, Message=message, MacAlgorithm=_MAC_ALGORITHM, Mac=octets)
        except KeyUnavailable as error:
            if str(error) == "KMSInvalidMacException":
                return False
            raise
        return True


def _public_key(client: KMSClient, key_id: str) -> Jwk:
    with _narrowed():
        return tokens.jwk_of(client.get_public_key(KeyId=key_id)["PublicKey"])


def _verifies(jwk: Jwk, signed: Signed) -> bool:
    # Imported here because of the three functions only `public` verifies, and it may answer metadata first.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    x, y = (int.from_bytes(urlsafe_b64decode(f"{coordinate}=")) for coordinate in (jwk.x, jwk.y))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    try:
        key.verify(signatures.to_der(signed.signature), signed.signing_input, ec.ECDSA(SHA256()))
    except (InvalidSignature, signatures.SignatureMalformed):
        return False
    return True


@contextmanager
def _narrowed() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise KeyUnavailable(error.response.get("Error", {}).get("Code", "Unknown")) from error
    except BotoCoreError as error:
        raise KeyUnavailable(type(error).__name__) from error
