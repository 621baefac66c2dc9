"""The life of an authorization code.

    LIVE ── presented rightly ──▶ REDEEMED        tokens are issued
     │  └── presented wrongly ──▶ LIVE            refused; a thief without the verifier does not burn the owner's code
     ▼ time, or a newer epoch
    LAPSED ── presented ────────▶ LAPSED          refused
    REDEEMED ── presented ──────▶ REDEEMED        refused, and the family it issued is revoked (RFC 6749 §4.1.2)

TRANSITIONS is that drawing. What moves a code to REDEEMED in the store is one conditional write whose condition is `phase is
LIVE`; everything before it only saves work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from service.oauth import pkce, validity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope

LIFETIME_SECONDS: Final = 120
"""RFC 6749 §4.1.2 allows ten minutes; a client redeems within seconds."""


class Phase(Enum):
    """Where a code stands."""

    LIVE = auto()
    REDEEMED = auto()
    LAPSED = auto()


class Presented(Enum):
    """How a code came back: with the client, redirect URI and verifier it was made for, or not."""

    RIGHTLY = auto()
    WRONGLY = auto()


class Effect(Enum):
    """What presenting a code brings about."""

    ISSUE = auto()
    REFUSE = auto()
    REVOKE_FAMILY = auto()


TRANSITIONS: Final[Mapping[tuple[Phase, Presented], tuple[Phase, Effect]]] = {
    (Phase.LIVE, Presented.RIGHTLY): (Phase.REDEEMED, Effect.ISSUE),
    (Phase.LIVE, Presented.WRONGLY): (Phase.LIVE, Effect.REFUSE),
    (Phase.LAPSED, Presented.RIGHTLY): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.WRONGLY): (Phase.LAPSED, Effect.REFUSE),
    (Phase.REDEEMED, Presented.RIGHTLY): (Phase.REDEEMED, Effect.REVOKE_FAMILY),
    (Phase.REDEEMED, Presented.WRONGLY): (Phase.REDEEMED, Effect.REVOKE_FAMILY),
}


@dataclass(frozen=True)
class Code:
    """A code as it is stored: by its digest, without the code itself. Times are epoch seconds.

    session: the upstream session, encrypted; None for the synthetic identity, which has none.
    session_expires_at: the end of the upstream session, beyond which no token of this grant lives.
    redeemed_by: the nonce of the request that redeemed it; family: the family that this request issued.
    """

    digest: str
    synthetic: bool
    client_id: str
    redirect_uri: str
    scope: Scope
    audience: str
    subject: str
    code_challenge: str
    session: bytes | None
    session_expires_at: int
    epoch: int
    expires_at: int
    redeemed_by: str | None = None
    family: str | None = None


@dataclass(frozen=True)
class Redemption:
    """What a token request says about the code it presents."""

    client_id: str
    redirect_uri: str
    verifier: str


def phase(code: Code, now: int, epoch: int) -> Phase:
    """Return where the code stands at `now` under the current revocation epoch.

    REDEEMED comes first: a replay is a replay however late it comes.
    """
    if code.redeemed_by is not None:
        return Phase.REDEEMED
    ends_at = min(code.expires_at, code.session_expires_at)
    live = validity.counts(ends_at=ends_at, epoch=code.epoch, now=now, current_epoch=epoch)
    return Phase.LIVE if live else Phase.LAPSED


def presented(code: Code, redemption: Redemption) -> Presented:
    """Return whether client, redirect URI and verifier are those the code was made for."""
    same_client = compare_digest(code.client_id.encode(), redemption.client_id.encode())
    same_redirect = compare_digest(code.redirect_uri.encode(), redemption.redirect_uri.encode())
    proven = pkce.proves(redemption.verifier, code.code_challenge)
    return Presented.RIGHTLY if same_client and same_redirect and proven else Presented.WRONGLY


def effect(code: Code, redemption: Redemption, now: int, epoch: int) -> Effect:
    """Return what presenting the code brings about at `now`."""
    return TRANSITIONS[phase(code, now, epoch), presented(code, redemption)][1]
