"""The keys, all of them in KMS: nothing that signs or decrypts is ever in the function's memory, environment or template."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from service.oauth import signatures, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_kms import KMSClient

    from service.key_ring import Ring, RingKey
    from service.oauth.tokens import AccessToken, Jwk, Signed

_MAC_ALGORITHM: Final = "HMAC_SHA_256"
_MAC_MAX_CHARACTERS = 128


class KeyUnavailable(Exception):
    """KMS did not answer, or refused."""


class Signer:
    """Signs access tokens with the ring's signing key. Every method may raise KeyUnavailable."""

    def __init__(self, client: KMSClient, ring: Ring) -> None:
        self._client, self._ring = client, ring
        self._kids: dict[str, str] = {}

    def sign(self, token: AccessToken) -> str:
        """Return the token as a compact JWT."""
        key = self._ring.known()[0]
        try:
            return self._signed(token, key)
        except KeyUnavailable:
            # A key that was revoked is disabled at once, and this process may know the ring of a moment ago.
            self._ring.look_again()
            successor = self._ring.known()[0]
            if successor == key:
                raise
            return self._signed(token, successor)

    def _signed(self, token: AccessToken, key: RingKey) -> str:
        signed = tokens.signing_input(token, self._kid(key))
        with _narrowed():
            answer = self._client.sign(
                KeyId=key.key_id, Message=signed, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
            )
        return tokens.compact(signed, signatures.to_jose(answer["Signature"]))

    def _kid(self, key: RingKey) -> str:
        if key.kid is not None:
            return key.kid
        if key.key_id not in self._kids:
            self._kids[key.key_id] = _public_key(self._client, key.key_id).thumbprint
        return self._kids[key.key_id]


class PublicKeys:
    """The keys that verify access tokens: those of the ring, each fetched once in a process, because it never changes."""

    def __init__(self, client: KMSClient, ring: Ring) -> None:
        self._client, self._ring = client, ring
        self._known: dict[str, Jwk] = {}

    @property
    def jwks(self) -> tuple[Jwk, ...]:
        """The published keys, the one that signs first. Raises KeyUnavailable."""
        return tuple(jwk for jwk in map(self._found, self._ring.known()) if jwk is not None)

    def verifies(self, signed: Signed) -> bool:
        """Whether one of our keys made the signature. Raises KeyUnavailable."""
        jwk = self._by_kid(signed.kid)
        if jwk is None:
            self._ring.look_again()
            jwk = self._by_kid(signed.kid)
        return jwk is not None and _verifies(jwk, signed)

    def probe(self) -> None:
        """Read the ring and ask KMS for the key that signs, both past the cache. Raises KeyUnavailable."""
        signing = self._ring.probe()[0]
        _checked(_public_key(self._client, signing.key_id), signing)

    def _by_kid(self, kid: str) -> Jwk | None:
        return next((jwk for jwk in self.jwks if jwk.thumbprint == kid), None)

    def _found(self, key: RingKey) -> Jwk | None:
        """Return a key. None for a new one that KMS does not let us see yet: tags count up to 5 minutes late, and nothing
        is signed with it before that time is over.
        """  # noqa: D205 - one thought
        try:
            if key.key_id not in self._known:
                self._known[key.key_id] = _checked(_public_key(self._client, key.key_id), key)
        except KeyUnavailable:
            if key.awaited:
                return None
            raise
        return self._known[key.key_id]


@dataclass(frozen=True)
class GivenKeys:
    """Keys that verify access tokens and that one was told: nothing is asked of anybody."""

    jwks: tuple[Jwk, ...]

    def verifies(self, signed: Signed) -> bool:
        """Whether one of the keys made the signature."""
        return any(jwk.thumbprint == signed.kid and _verifies(jwk, signed) for jwk in self.jwks)


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


def _checked(jwk: Jwk, key: RingKey) -> Jwk:
    if key.kid is not None and jwk.thumbprint != key.kid:
        raise KeyUnavailable("the ring has another id for a key than its thumbprint")
    return jwk


def _verifies(jwk: Jwk, signed: Signed) -> bool:
    # Imported here because few requests verify: not metadata, and no token request.
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


class _Narrowed(AbstractContextManager[None]):
    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            raise KeyUnavailable(error.response.get("Error", {}).get("Code", "Unknown")) from error
        if isinstance(error, BotoCoreError):
            raise KeyUnavailable(type(error).__name__) from error


_NARROWED: Final = _Narrowed()


def _narrowed() -> AbstractContextManager[None]:
    return _NARROWED
