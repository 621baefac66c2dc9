"""Codes, refresh tokens and login transactions: how they are spelled, and what of them is stored.

    ibl_<secret>                a login transaction
    ibc_<secret>                an authorization code
    ibr_<handle>.<secret>       a refresh token: the handle names the family and stays, the secret changes with each rotation

A further `s` before the underscore (`ibls_`, `ibcs_`, `ibrs_`) belongs to the synthetic identity: the key of its items follows
from the credential alone, so that a policy can fence them. The prefixes also let a secret scanner find what leaked.

Only hashes are stored. The secrets have 256 bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

SECRET_BYTES = 32
HANDLE_BYTES = 16

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SPELLING = re.compile(r"ib(?P<kind>[lcr])(?P<synthetic>s?)_(?:(?P<handle>[A-Za-z0-9_-]{22})\.)?[A-Za-z0-9_-]{43}")


class Kind(Enum):
    """What a credential is for, by the letter it is spelled with."""

    LOGIN = "l"
    CODE = "c"
    REFRESH = "r"


@dataclass(frozen=True)
class Credential:
    """A credential in clear. Its text is in no representation, so that it cannot reach a log by accident."""

    kind: Kind
    synthetic: bool
    text: str = field(repr=False)
    handle: str | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """The hash that is stored in place of the credential."""
        return digest(self.text)

    @property
    def family(self) -> str:
        """The id of the family that a refresh token belongs to.

        It follows from the handle but does not give it away: an access token, which names its family, is not enough to
        present a wrong refresh token and have the family revoked.
        """
        if self.handle is None:
            raise ValueError("only a refresh token belongs to a family")
        return digest(self.handle)


def digest(text: str) -> str:
    """Return SHA-256 of text as base64url without padding."""
    return base64url(sha256(text.encode()).digest())


def base64url(octets: bytes) -> str:
    """Return base64url without padding (RFC 7515 §2)."""
    return b2a_base64(octets, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def parse(text: str, kind: Kind) -> Credential | None:
    """Return the credential of that kind, or None where the text cannot be one of ours."""
    spelling = _SPELLING.fullmatch(text)
    if spelling is None or spelling["kind"] != kind.value or (spelling["handle"] is not None) != (kind is Kind.REFRESH):
        return None
    return Credential(kind, bool(spelling["synthetic"]), text, spelling["handle"])


def mint(kind: Kind, entropy: bytes, *, synthetic: bool) -> Credential:
    """Spell a login transaction or a code from 32 random bytes."""
    if kind is Kind.REFRESH:
        raise ValueError("a refresh token needs a handle")
    return Credential(kind, synthetic, f"{_prefix(kind, synthetic=synthetic)}{_secret(entropy)}")


def mint_refresh(handle: str, entropy: bytes, *, synthetic: bool) -> Credential:
    """Spell a refresh token of the family that `handle` names from 32 random bytes."""
    text = f"{_prefix(Kind.REFRESH, synthetic=synthetic)}{handle}.{_secret(entropy)}"
    return Credential(Kind.REFRESH, synthetic, text, handle)


def handle_from(entropy: bytes) -> str:
    """Spell a new family's handle from 16 random bytes."""
    if len(entropy) != HANDLE_BYTES:
        raise ValueError(f"a handle takes {HANDLE_BYTES} random bytes, not {len(entropy)}")
    return base64url(entropy)


def _prefix(kind: Kind, *, synthetic: bool) -> str:
    return f"ib{kind.value}{'s' if synthetic else ''}_"


def _secret(entropy: bytes) -> str:
    if len(entropy) != SECRET_BYTES:
        raise ValueError(f"a secret takes {SECRET_BYTES} random bytes, not {len(entropy)}")
    return base64url(entropy)
