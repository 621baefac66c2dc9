"""Verification of access tokens: the signature and claims, and whether the token's grant is still live.

It is the same for userinfo, revocation and introspection. Each endpoint checks the audience itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from service.keys.kms import StaticKeys
from service.oauth import families, tokens
from service.oauth.tokens import TokenInvalid

if TYPE_CHECKING:
    from service.oauth.families import Family
    from service.oauth.tokens import AccessToken, Signed
    from service.settings import PublishedKeys
    from service.storage.grants import Store


class SignatureVerifier(Protocol):
    """An object that knows the keys that access tokens are signed with."""

    def verifies(self, signed: Signed) -> bool:
        """Return whether one of our keys made the signature."""


@dataclass(frozen=True)
class PublishedIssuer:
    """Another issuer, and the verifier of its published keys."""

    issuer: str
    keys: SignatureVerifier


@dataclass(frozen=True)
class Verification:
    """Verifies access tokens. `now` is in epoch seconds.

    published: another issuer whose tokens are accepted, with its keys. Each issuer's keys verify only its own tokens.
    """

    issuer: str
    store: Store
    keys: SignatureVerifier
    published: PublishedIssuer | None = None

    def verify_token(self, text: str, now: int) -> AccessToken:
        """Return a token that one of our keys signed and that has not expired. Raises TokenInvalid, KeyUnavailable."""
        signed = tokens.parse_unverified(text)
        if self.published is not None and self.published.keys.verifies(signed):
            return tokens.parse_claims(signed.claims, self.published.issuer, now)
        if not self.keys.verifies(signed):
            raise TokenInvalid("not signed by a key of this service")
        return tokens.parse_claims(signed.claims, self.issuer, now)

    def live_family(self, token: AccessToken, now: int, *, synthetic: bool) -> Family:
        """Return the family of a token. Raises TokenInvalid if the family is not live, and StoreUnavailable."""
        family, epoch = self.store.read_family_and_epoch(token.family, synthetic=synthetic)
        if family is None or token.epoch < epoch or families.phase(family, now, epoch) is not families.Phase.LIVE:
            raise TokenInvalid("the grant is no longer valid")
        return family


def published_issuer(settings: PublishedKeys | None) -> PublishedIssuer | None:
    """Return the other issuer in the settings; None if there is none."""
    return None if settings is None else PublishedIssuer(settings.issuer, StaticKeys(settings.keys))
