"""Whether an access token counts: what it says for itself, and whether its grant still lives.

The same for everybody who is shown one: userinfo, revocation, introspection. Whom a token is for is theirs to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from service.keys import GivenKeys
from service.oauth import families, tokens
from service.oauth.tokens import TokenInvalid

if TYPE_CHECKING:
    from service.oauth.families import Family
    from service.oauth.tokens import AccessToken, Signed
    from service.settings import PublishedKeys
    from service.storage import Store


class Verifies(Protocol):
    """Whatever knows the keys that access tokens are signed with."""

    def verifies(self, signed: Signed) -> bool:
        """Whether one of our keys made the signature."""


@dataclass(frozen=True)
class Published:
    """Another issuer, and whatever knows the keys that it publishes."""

    issuer: str
    keys: Verifies


@dataclass(frozen=True)
class Verification:
    """Verifies access tokens. `now` is in epoch seconds.

    published: another issuer whose tokens are known here, with its keys. Each issuer's keys count for its own tokens only.
    """

    issuer: str
    store: Store
    keys: Verifies
    published: Published | None = None

    def token(self, text: str, now: int) -> AccessToken:
        """Return a token that one of our keys signed and that has not expired. Raises TokenInvalid, KeyUnavailable."""
        signed = tokens.take_apart(text)
        if self.published is not None and self.published.keys.verifies(signed):
            return tokens.read(signed.claims, self.published.issuer, now)
        if not self.keys.verifies(signed):
            raise TokenInvalid("no key of ours signed it")
        return tokens.read(signed.claims, self.issuer, now)

    def grant(self, token: AccessToken, now: int, *, synthetic: bool) -> Family:
        """Return the family of a token, which lives. Raises TokenInvalid where it does not, and StoreUnavailable."""
        family, epoch = self.store.family_and_epoch(token.family, synthetic=synthetic)
        if family is None or token.epoch < epoch or families.phase(family, now, epoch) is not families.Phase.LIVE:
            raise TokenInvalid("its grant is over")
        return family


def of_published(told: PublishedKeys | None) -> Published | None:
    """Return the other issuer that settings tell of."""
    return None if told is None else Published(told.issuer, GivenKeys(told.keys))
