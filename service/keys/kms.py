"""The keys, all of them in KMS: no private key is ever in the function's memory, environment or template."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from service.aws_errors import TranslatedErrors
from service.keys.errors import KeyUnavailable
from service.oauth import credentials, signatures, tokens
from service.oauth.openid import id_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_kms import KMSClient

    from service.keys.key_ring import Ring, RingKey
    from service.oauth.openid.id_tokens import IdToken
    from service.oauth.tokens import AccessToken, Jwk, Signed

_KMS_ERRORS: Final = TranslatedErrors(KeyUnavailable)
_MAC_ALGORITHM: Final = "HMAC_SHA_256"
_MAC_MAX_CHARACTERS = 128


class Signer:
    """Signs tokens with the ring's signing key. Every method may raise KeyUnavailable."""

    def __init__(self, client: KMSClient, ring: Ring) -> None:
        self._client, self._ring = client, ring
        self._kids: dict[str, str] = {}

    def sign(self, token: AccessToken) -> str:
        """Return the token as a compact JWT."""
        return self._sign(partial(tokens.signing_input, token))

    def sign_id_token(self, token: IdToken) -> str:
        """Return the token as a compact JWT."""
        return self._sign(partial(id_tokens.signing_input, token))

    def _sign(self, signing_input: Callable[[str], bytes]) -> str:
        """Return a token, signed. signing_input: returns its octets for the key with a given `kid`."""
        key = self._ring.list_keys()[0]
        try:
            return self._sign_with(signing_input, key)
        except KeyUnavailable:
            # A revoked key is disabled immediately, and this process may have an outdated ring.
            self._ring.refresh()
            successor = self._ring.list_keys()[0]
            if successor == key:
                raise
            return self._sign_with(signing_input, successor)

    def _sign_with(self, signing_input: Callable[[str], bytes], key: RingKey) -> str:
        signed = signing_input(self._kid(key))
        with _KMS_ERRORS:
            response = self._client.sign(
                KeyId=key.key_id, Message=signed, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
            )
        return tokens.assemble(signed, signatures.to_jose(response["Signature"]))

    def _kid(self, key: RingKey) -> str:
        if key.kid is not None:
            return key.kid
        if key.key_id not in self._kids:
            self._kids[key.key_id] = _public_key(self._client, key.key_id).thumbprint
        return self._kids[key.key_id]


class PublicKeys:
    """The keys of the ring that verify access tokens, each fetched once in a process because it never changes."""

    def __init__(self, client: KMSClient, ring: Ring) -> None:
        self._client, self._ring = client, ring
        self._keys: dict[str, Jwk] = {}

    @property
    def jwks(self) -> tuple[Jwk, ...]:
        """The published keys, the signing one first. Raises KeyUnavailable."""
        return tuple(jwk for jwk in map(self._fetched, self._ring.list_keys()) if jwk is not None)

    def verifies(self, signed: Signed) -> bool:
        """Return whether one of our keys made the signature. Raises KeyUnavailable."""
        jwk = self._by_kid(signed.kid)
        if jwk is None:
            self._ring.refresh()
            jwk = self._by_kid(signed.kid)
        return jwk is not None and _verifies(jwk, signed)

    def probe(self) -> None:
        """Read the ring and the public signing key from KMS, both past the cache. Raises KeyUnavailable."""
        signing = self._ring.read_now()[0]
        _checked(_public_key(self._client, signing.key_id), signing)

    def _by_kid(self, kid: str) -> Jwk | None:
        return next((jwk for jwk in self.jwks if jwk.thumbprint == kid), None)

    def _fetched(self, key: RingKey) -> Jwk | None:
        """Return a key; None for a new one that KMS does not allow us to read yet.

        A key's tags take effect up to 5 minutes late, and nothing is signed with the key before that.
        """
        try:
            if key.key_id not in self._keys:
                self._keys[key.key_id] = _checked(_public_key(self._client, key.key_id), key)
        except KeyUnavailable:
            if key.not_yet_signing:
                return None
            raise
        return self._keys[key.key_id]


@dataclass(frozen=True)
class StaticKeys:
    """Keys that verify access tokens and come from the settings; nothing is requested from KMS."""

    jwks: tuple[Jwk, ...]

    def verifies(self, signed: Signed) -> bool:
        """Return whether one of the keys made the signature."""
        return any(jwk.thumbprint == signed.kid and _verifies(jwk, signed) for jwk in self.jwks)


@dataclass(frozen=True)
class Vault:
    """Encrypts data of the upstream identity provider, bound to its purpose and owner."""

    client: KMSClient
    key_id: str
    environment: str

    def encrypt(self, contents: Mapping[str, Any], purpose: str, owner: str) -> bytes:
        """Return the contents encrypted; at most 4096 bytes of JSON. Raises KeyUnavailable."""
        plain = json.dumps(contents, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        with _KMS_ERRORS:
            response = self.client.encrypt(
                KeyId=self.key_id, Plaintext=plain, EncryptionContext=self._context(purpose, owner)
            )
        return response["CiphertextBlob"]

    def decrypt(self, ciphertext: bytes, purpose: str, owner: str) -> dict[str, Any]:
        """Return the contents that were encrypted for this purpose and owner. Raises KeyUnavailable."""
        with _KMS_ERRORS:
            response = self.client.decrypt(
                KeyId=self.key_id, CiphertextBlob=ciphertext, EncryptionContext=self._context(purpose, owner)
            )
        contents: dict[str, Any] = json.loads(response["Plaintext"])
        return contents

    def _context(self, purpose: str, owner: str) -> dict[str, str]:
        return {"environment": self.environment, "purpose": purpose, "owner": owner}


@dataclass(frozen=True)
class SyntheticProof:
    """Verifies that a login is the orchestrator's: only the orchestrator may create MACs with the key."""

    client: KMSClient
    key_id: str
    environment: str

    def is_valid(self, transaction: str, mac: str) -> bool:
        """Return whether mac (base64url) is the key's MAC of environment and transaction. Raises KeyUnavailable."""
        if not mac.isascii() or len(mac) > _MAC_MAX_CHARACTERS:
            return False
        try:
            octets = urlsafe_b64decode(mac + "=" * (-len(mac) % 4))  # padding is allowed
        except ValueError:
            return False
        if not octets:
            return False
        message = f"ib-oauth/synthetic/{self.environment}/{transaction}".encode()
        try:
            with _KMS_ERRORS:
                self.client.verify_mac(KeyId=self.key_id, Message=message, MacAlgorithm=_MAC_ALGORITHM, Mac=octets)
        except KeyUnavailable as error:
            if str(error) == "KMSInvalidMacException":
                return False
            raise
        return True


def _public_key(client: KMSClient, key_id: str) -> Jwk:
    with _KMS_ERRORS:
        return tokens.parse_public_key(client.get_public_key(KeyId=key_id)["PublicKey"])


def _checked(jwk: Jwk, key: RingKey) -> Jwk:
    if key.kid is not None and jwk.thumbprint != key.kid:
        raise KeyUnavailable("a key's id in the ring is not its thumbprint")
    return jwk


def _verifies(jwk: Jwk, signed: Signed) -> bool:
    # Imported here because few requests verify a signature; metadata and token requests do not.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    x, y = (int.from_bytes(credentials.decode_base64url(coordinate)) for coordinate in (jwk.x, jwk.y))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    try:
        key.verify(signatures.to_der(signed.signature), signed.signing_input, ec.ECDSA(SHA256()))
    except (InvalidSignature, signatures.SignatureMalformed):
        return False
    return True
