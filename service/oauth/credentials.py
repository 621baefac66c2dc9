"""Login transactions, codes and refresh tokens: their format, and what is stored of them.

    ibl_<secret>                a login transaction
    ibc_<secret>                an authorization code
    ibr_<handle>.<secret>       a refresh token: the handle names the family and stays; each rotation changes the secret

Credentials of the synthetic identity have an `s` before the underscore (`ibls_`, `ibcs_`, `ibrs_`). The key of their
items follows from the credential alone, so an IAM policy can restrict access to them. The prefixes also allow a
secret scanner to find leaked credentials.

Only hashes are stored. The secrets have 256 random bits and cannot be guessed, so a plain SHA-256 is enough.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

SECRET_BYTES = 32
HANDLE_BYTES = 16

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FORMAT = re.compile(r"ib(?P<kind>[lcr])(?P<synthetic>s?)_(?:(?P<handle>[A-Za-z0-9_-]{22})\.)?[A-Za-z0-9_-]{43}")


class Kind(Enum):
    """The kind of a credential, by its letter."""

    LOGIN = "l"
    CODE = "c"
    REFRESH = "r"


@dataclass(frozen=True)
class Credential:
    """A credential in clear text, which its representation excludes, so that it cannot reach a log by accident."""

    kind: Kind
    synthetic: bool
    text: str = field(repr=False)
    handle: str | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """The hash that is stored instead of the credential."""
        return digest(self.text)

    @property
    def family(self) -> str:
        """The id of the family that a refresh token belongs to.

        It is derived from the handle but does not disclose it. An access token, which names its family, is therefore
        not enough to present a wrong refresh token and have the family revoked.
        """
        if self.handle is None:
            raise ValueError("only a refresh token belongs to a family")
        return digest(self.handle)


def digest(text: str) -> str:
    """Return the SHA-256 of text as base64url without padding."""
    return base64url(sha256(text.encode()).digest())


def base64url(octets: bytes) -> str:
    """Return base64url without padding (RFC 7515 §2)."""
    return b2a_base64(octets, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Decode base64url strictly: text that is not the encoding of its own octets was not made by `base64url`.

    Raises:
        ValueError: it is not canonical.
    """
    octets = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if base64url(octets) != text:
        raise ValueError("not canonical base64url")
    return octets


def parse(text: str, kind: Kind) -> Credential | None:
    """Return the credential of this kind; None if the text cannot be one of this service."""
    match = _FORMAT.fullmatch(text)
    if match is None or match["kind"] != kind.value or (match["handle"] is not None) != (kind is Kind.REFRESH):
        return None
    return Credential(kind, bool(match["synthetic"]), text, match["handle"])


def mint(kind: Kind, entropy: bytes, *, synthetic: bool) -> Credential:
    """Return a login transaction or a code made of 32 random bytes."""
    if kind is Kind.REFRESH:
        raise ValueError("a refresh token needs a handle")
    return Credential(kind, synthetic, f"{_prefix(kind, synthetic=synthetic)}{_secret(entropy)}")


def derive_code(transaction: str, browser: str, nonce: str, *, synthetic: bool) -> Credential:
    """Return the code of a login. browser: the cookie of the browser that started the login.

    The same three values give the same code, so a browser whose response was lost gets the code again, although only
    its hash is stored. The tables have the nonce only; transaction and cookie are stored as hashes.
    """
    message = f"ib-oauth/code/{browser}/{nonce}".encode()
    return mint(Kind.CODE, hmac.digest(transaction.encode(), message, "sha256"), synthetic=synthetic)


def mint_refresh(handle: str, entropy: bytes, *, synthetic: bool) -> Credential:
    """Return a refresh token of the family that `handle` names, made of 32 random bytes."""
    text = f"{_prefix(Kind.REFRESH, synthetic=synthetic)}{handle}.{_secret(entropy)}"
    return Credential(Kind.REFRESH, synthetic, text, handle)


def derive_first_refresh(code: Credential, verifier: str, salt: str) -> Credential:
    """Return the first refresh token of the family that a code issues. verifier: the code's PKCE verifier.

    The same three values give the same token, so a client whose response was lost gets it again, although only its
    hash is stored. The tables have the salt only, until the response is sent.
    """
    key, message = code.text.encode(), f"{verifier}/{salt}".encode()
    handle = handle_from(hmac.digest(key, b"ib-oauth/handle/" + message, "sha256")[:HANDLE_BYTES])
    entropy = hmac.digest(key, b"ib-oauth/first-refresh/" + message, "sha256")
    return mint_refresh(handle, entropy, synthetic=code.synthetic)


def derive_next_refresh(refresh: Credential, salt: str) -> Credential:
    """Return the refresh token that this one is exchanged for; see derive_first_refresh.

    Raises ValueError if this is no refresh token.
    """
    if refresh.handle is None:
        raise ValueError("only a refresh token has a next one")
    entropy = hmac.digest(refresh.text.encode(), f"ib-oauth/next-refresh/{salt}".encode(), "sha256")
    return mint_refresh(refresh.handle, entropy, synthetic=refresh.synthetic)


def handle_from(entropy: bytes) -> str:
    """Return a new family's handle made of 16 random bytes."""
    if len(entropy) != HANDLE_BYTES:
        raise ValueError(f"a handle takes {HANDLE_BYTES} random bytes, not {len(entropy)}")
    return base64url(entropy)


def _prefix(kind: Kind, *, synthetic: bool) -> str:
    return f"ib{kind.value}{'s' if synthetic else ''}_"


def _secret(entropy: bytes) -> str:
    if len(entropy) != SECRET_BYTES:
        raise ValueError(f"a secret takes {SECRET_BYTES} random bytes, not {len(entropy)}")
    return base64url(entropy)
