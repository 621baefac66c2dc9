"""The life cycle of an authorization code.

    LIVE ── presented rightly ──────▶ REDEEMED     tokens are issued
     │  └── presented wrongly ──────▶ LIVE         rejected; a thief without the verifier cannot invalidate the code
     ▼ time, or a newer epoch
    LAPSED ── presented ────────────▶ LAPSED       rejected
    UNANSWERED ── presented rightly ▶ REDEEMED     the same tokens again: the response with them was lost
     │  └──────── presented wrongly ▶ UNANSWERED   rejected
     ▼ 60 seconds
    REDEEMED ── presented rightly ──▶ REDEEMED     rejected, and the family it issued is revoked (RFC 6749 §4.1.2)
        └────── presented wrongly ──▶ REDEEMED     rejected; who cannot use the code cannot revoke its grant either

TRANSITIONS is this diagram. A phase is that of the code when its request has been answered. In the store one
conditional write with the condition `phase is LIVE` moves a code to UNANSWERED; everything before it only saves work.
A second one, before the response is sent, moves it on to REDEEMED.
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
    """The phase of a code."""

    LIVE = auto()
    UNANSWERED = auto()
    REDEEMED = auto()
    LAPSED = auto()


class Presented(Enum):
    """How a code was presented: with the client, redirect URI and verifier it was issued for, or not."""

    RIGHTLY = auto()
    WRONGLY = auto()


class Effect(Enum):
    """The effect of presenting a code."""

    ISSUE = auto()
    REPEAT = auto()
    REFUSE = auto()
    REVOKE_FAMILY = auto()


TRANSITIONS: Final[Mapping[tuple[Phase, Presented], tuple[Phase, Effect]]] = {
    (Phase.LIVE, Presented.RIGHTLY): (Phase.REDEEMED, Effect.ISSUE),
    (Phase.LIVE, Presented.WRONGLY): (Phase.LIVE, Effect.REFUSE),
    (Phase.LAPSED, Presented.RIGHTLY): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.WRONGLY): (Phase.LAPSED, Effect.REFUSE),
    (Phase.UNANSWERED, Presented.RIGHTLY): (Phase.REDEEMED, Effect.REPEAT),
    (Phase.UNANSWERED, Presented.WRONGLY): (Phase.UNANSWERED, Effect.REFUSE),
    (Phase.REDEEMED, Presented.RIGHTLY): (Phase.REDEEMED, Effect.REVOKE_FAMILY),
    (Phase.REDEEMED, Presented.WRONGLY): (Phase.REDEEMED, Effect.REFUSE),
}


@dataclass(frozen=True)
class Code:
    """A code as it is stored: by its digest, without the code itself. Times are epoch seconds.

    session: the upstream session, encrypted; None for the synthetic identity, which has none.
    session_expires_at: the end of the upstream session, after which no token of this grant is valid.
    redeemed_by: the nonce of the request that redeemed it, at redeemed_at; family: the family that this request issued.
    unanswered: the salt of that request's tokens; None once it is about to be answered.
    auth_time: when the user logged in, for ID tokens; None without the scope `openid`. openid_nonce: `nonce` of the
    authorization request, for the ID token.
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
    auth_time: int | None = None
    openid_nonce: str | None = None
    redeemed_at: int = 0
    unanswered: str | None = None


@dataclass(frozen=True)
class Redemption:
    """The fields of a token request that are compared with the code."""

    client_id: str
    redirect_uri: str
    verifier: str


def phase(code: Code, now: int, epoch: int) -> Phase:
    """Return the phase of the code at `now` under the current revocation epoch.

    REDEEMED comes first: a replay is a replay however late it is.
    """
    if code.redeemed_by is not None:
        retry_ends_at = min(code.redeemed_at + validity.RETRY_SECONDS, code.session_expires_at)
        in_time = validity.counts(ends_at=retry_ends_at, epoch=code.epoch, now=now, current_epoch=epoch)
        return Phase.UNANSWERED if code.unanswered is not None and in_time else Phase.REDEEMED
    ends_at = min(code.expires_at, code.session_expires_at)
    live = validity.counts(ends_at=ends_at, epoch=code.epoch, now=now, current_epoch=epoch)
    return Phase.LIVE if live else Phase.LAPSED


def presented(code: Code, redemption: Redemption) -> Presented:
    """Return whether client, redirect URI and verifier are those that the code was issued for."""
    same_client = compare_digest(code.client_id.encode(), redemption.client_id.encode())
    same_redirect = compare_digest(code.redirect_uri.encode(), redemption.redirect_uri.encode())
    proven = pkce.matches_challenge(redemption.verifier, code.code_challenge)
    return Presented.RIGHTLY if same_client and same_redirect and proven else Presented.WRONGLY


def effect(code: Code, redemption: Redemption, now: int, epoch: int) -> Effect:
    """Return the effect of presenting the code at `now`."""
    return TRANSITIONS[phase(code, now, epoch), presented(code, redemption)][1]
