"""The life cycle of a family: one grant, with its current refresh token and all earlier ones.

    LIVE ── current token ─────▶ LIVE          rotated: the next token becomes the current one
     │  ├── unanswered token ──▶ LIVE          the same next token again: the response with it was lost
     │  ├── preceding token ───▶ LIVE          another next token, in place of the one that was not used
     │  ├── earlier token ─────▶ REVOKED       reuse: thief and owner are indistinguishable, both lose (RFC 9700 §4.14.2)
     │  └── given up ──────────▶ REVOKED       the client revoked it (RFC 7009)
     ▼ time, or a newer epoch
    LAPSED ── any of these ────▶ LAPSED        rejected
    REVOKED ── any of these ───▶ REVOKED       rejected

TRANSITIONS is this diagram. In the store a rotation is one conditional write with the condition `LIVE, and this token
is the current one`. A second one, before the response is sent, records that the response is sent.

The token that was exchanged for the current one is *unanswered* for 60 seconds if no response is known to have been
sent, and otherwise *preceding* for the grace period. After that it is an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from service.oauth import validity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope


class Phase(Enum):
    """The phase of a family."""

    LIVE = auto()
    REVOKED = auto()
    LAPSED = auto()


class Presented(Enum):
    """Which refresh token of the family was presented; GIVEN_UP is any token of it, presented to be revoked."""

    CURRENT = auto()
    UNANSWERED = auto()
    PRECEDING = auto()
    EARLIER = auto()
    GIVEN_UP = auto()


class Effect(Enum):
    """The effect of presenting a refresh token."""

    ROTATE = auto()
    REPEAT = auto()
    REPLACE = auto()
    REFUSE = auto()
    REVOKE = auto()


class Cause(Enum):
    """Why a family was revoked."""

    REPLAY = "replay"
    REUSE = "reuse"
    REQUEST = "request"


TRANSITIONS: Final[Mapping[tuple[Phase, Presented], tuple[Phase, Effect]]] = {
    (Phase.LIVE, Presented.CURRENT): (Phase.LIVE, Effect.ROTATE),
    (Phase.LIVE, Presented.UNANSWERED): (Phase.LIVE, Effect.REPEAT),
    (Phase.LIVE, Presented.PRECEDING): (Phase.LIVE, Effect.REPLACE),
    (Phase.LIVE, Presented.EARLIER): (Phase.REVOKED, Effect.REVOKE),
    (Phase.LIVE, Presented.GIVEN_UP): (Phase.REVOKED, Effect.REVOKE),
    (Phase.REVOKED, Presented.CURRENT): (Phase.REVOKED, Effect.REFUSE),
    (Phase.REVOKED, Presented.UNANSWERED): (Phase.REVOKED, Effect.REFUSE),
    (Phase.REVOKED, Presented.PRECEDING): (Phase.REVOKED, Effect.REFUSE),
    (Phase.REVOKED, Presented.EARLIER): (Phase.REVOKED, Effect.REFUSE),
    (Phase.REVOKED, Presented.GIVEN_UP): (Phase.REVOKED, Effect.REFUSE),
    (Phase.LAPSED, Presented.CURRENT): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.UNANSWERED): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.PRECEDING): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.EARLIER): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.GIVEN_UP): (Phase.LAPSED, Effect.REFUSE),
}


@dataclass(frozen=True)
class Exchange:
    """The exchange of a refresh token for the current one.

    refresh_hash: the digest of the exchanged token; at: epoch seconds of its first exchange.
    by: the nonce of the request that made the current token. unanswered: the salt of the current token; None once
    the response with it is about to be sent.
    """

    refresh_hash: str
    at: int
    by: str
    unanswered: str | None = None


@dataclass(frozen=True)
class Family:
    """A family as it is stored. Times are epoch seconds.

    refresh_hash: the digest of the current refresh token; rotated_by: the nonce of the request that made it current.
    expires_at: the absolute end, not later than the upstream session's.
    auth_time: when the user logged in, for ID tokens; None without the scope `openid`.
    exchange: the latest exchange that this release made. An earlier release rotates without recording one, so it is
    that of the current token only if `exchange.by` is `rotated_by`.
    """

    family_id: str
    synthetic: bool
    client_id: str
    scope: Scope
    audience: str
    subject: str
    session: bytes | None
    epoch: int
    generation: int
    refresh_hash: str
    rotated_by: str
    expires_at: int
    revoked_because: Cause | None = None
    auth_time: int | None = None
    exchange: Exchange | None = None

    @property
    def latest_exchange(self) -> Exchange | None:
        """The exchange that made the current token, if it is known."""
        return self.exchange if self.exchange is not None and self.exchange.by == self.rotated_by else None


def phase(family: Family, now: int, epoch: int) -> Phase:
    """Return the phase of the family at `now` under the current revocation epoch."""
    if family.revoked_because is not None:
        return Phase.REVOKED
    live = validity.counts(ends_at=family.expires_at, epoch=family.epoch, now=now, current_epoch=epoch)
    return Phase.LIVE if live else Phase.LAPSED


def presented(family: Family, refresh_hash: str, now: int, grace_seconds: int) -> Presented:
    """Return which token this is at `now`. grace_seconds: see `refresh_grace_seconds`; 0 is no grace period.

    A client that names the family holds one of its tokens, so any token except these few is an earlier one.
    """
    if compare_digest(family.refresh_hash, refresh_hash):
        return Presented.CURRENT
    exchange = family.latest_exchange
    if exchange is None or not compare_digest(exchange.refresh_hash, refresh_hash):
        return Presented.EARLIER
    if exchange.unanswered is not None and now < exchange.at + validity.RETRY_SECONDS:
        return Presented.UNANSWERED
    return Presented.PRECEDING if now < exchange.at + grace_seconds else Presented.EARLIER


def effect(
    family: Family, refresh_hash: str, client_id: str, now: int, epoch: int, *, grace_seconds: int = 0
) -> Effect:
    """Return the effect of presenting this refresh token at `now`.

    A client that presents another client's token gets nothing and changes nothing: it could not use the token anyway.
    """
    if not _issued_to(family, client_id):
        return Effect.REFUSE
    return TRANSITIONS[phase(family, now, epoch), presented(family, refresh_hash, now, grace_seconds)][1]


def is_unused(family: Family, now: int, epoch: int) -> bool:
    """Return whether the family is live at `now` and its first refresh token was never exchanged."""
    return family.generation == 1 and phase(family, now, epoch) is Phase.LIVE


def unanswered_salt(family: Family) -> str | None:
    """Return the salt of the current token if the response with it may be lost; otherwise None."""
    return None if family.latest_exchange is None else family.latest_exchange.unanswered


def as_answered(family: Family) -> Family:
    """Return the family as it is once the response with its current token has been sent."""
    return family if family.exchange is None else replace(family, exchange=replace(family.exchange, unanswered=None))


def effect_of_giving_up(family: Family, client_id: str, now: int, epoch: int) -> Effect:
    """Return the effect of a client's request to revoke a token of the family at `now`: REVOKE or REFUSE.

    Only the family's own client can revoke it (RFC 7009 §2.1).
    """
    if not _issued_to(family, client_id):
        return Effect.REFUSE
    return TRANSITIONS[phase(family, now, epoch), Presented.GIVEN_UP][1]


def _issued_to(family: Family, client_id: str) -> bool:
    return compare_digest(family.client_id.encode(), client_id.encode())
