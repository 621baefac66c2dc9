"""The life of a family: one grant, with the refresh token that is current and all that came before it.

    LIVE ── current token ──▶ LIVE             rotated: the next token becomes the current one
     │  ├── earlier token ──▶ REVOKED          reuse: thief and owner cannot be told apart, both lose (RFC 9700 §4.14.2)
     │  └── given up ───────▶ REVOKED          the client has no more use for it (RFC 7009)
     ▼ time, or a newer epoch
    LAPSED ── any of these ▶ LAPSED            refused
    REVOKED ── any of these ▶ REVOKED          refused

TRANSITIONS is that drawing. In the store a rotation is one conditional write whose condition is `LIVE, and this token is the
current one`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from service.oauth import validity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope


class Phase(Enum):
    """Where a family stands."""

    LIVE = auto()
    REVOKED = auto()
    LAPSED = auto()


class Presented(Enum):
    """Which refresh token of the family was presented; GIVEN_UP is any token of it, presented to be revoked."""

    CURRENT = auto()
    EARLIER = auto()
    GIVEN_UP = auto()


class Effect(Enum):
    """What presenting a refresh token brings about."""

    ROTATE = auto()
    REFUSE = auto()
    REVOKE = auto()


class Cause(Enum):
    """Why a family was revoked."""

    REPLAY = "replay"
    REUSE = "reuse"
    REQUEST = "request"


TRANSITIONS: Final[Mapping[tuple[Phase, Presented], tuple[Phase, Effect]]] = {
    (Phase.LIVE, Presented.CURRENT): (Phase.LIVE, Effect.ROTATE),
    (Phase.LIVE, Presented.EARLIER): (Phase.REVOKED, Effect.REVOKE),
    (Phase.LIVE, Presented.GIVEN_UP): (Phase.REVOKED, Effect.REVOKE),
    (Phase.REVOKED, Presented.CURRENT): (Phase.REVOKED, Effect.REFUSE),
    (Phase.REVOKED, Presented.EARLIER): (Phase.REVOKED, Effect.REFUSE),
    (Phase.REVOKED, Presented.GIVEN_UP): (Phase.REVOKED, Effect.REFUSE),
    (Phase.LAPSED, Presented.CURRENT): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.EARLIER): (Phase.LAPSED, Effect.REFUSE),
    (Phase.LAPSED, Presented.GIVEN_UP): (Phase.LAPSED, Effect.REFUSE),
}


@dataclass(frozen=True)
class Family:
    """A family as it is stored. Times are epoch seconds.

    refresh_hash: the digest of the current refresh token; rotated_by: the nonce of the request that made it current.
    expires_at: the absolute end, no later than the upstream session's.
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


def phase(family: Family, now: int, epoch: int) -> Phase:
    """Return where the family stands at `now` under the current revocation epoch."""
    if family.revoked_because is not None:
        return Phase.REVOKED
    live = validity.counts(ends_at=family.expires_at, epoch=family.epoch, now=now, current_epoch=epoch)
    return Phase.LIVE if live else Phase.LAPSED


def presented(family: Family, refresh_hash: str) -> Presented:
    """Return which token this is. Whoever names the family holds one of its tokens, so what is not current was earlier."""
    return Presented.CURRENT if compare_digest(family.refresh_hash, refresh_hash) else Presented.EARLIER


def effect(family: Family, refresh_hash: str, client_id: str, now: int, epoch: int) -> Effect:
    """Return what presenting this refresh token brings about at `now`.

    A client that presents somebody else's token gets nothing and changes nothing: it could not use the token anyway.
    """
    if not _issued_to(family, client_id):
        return Effect.REFUSE
    return TRANSITIONS[phase(family, now, epoch), presented(family, refresh_hash)][1]


def effect_of_giving_up(family: Family, client_id: str, now: int, epoch: int) -> Effect:
    """Return what a client's request to revoke a token of the family brings about at `now`: REVOKE or REFUSE.

    Only the client's own (RFC 7009 §2.1).
    """
    if not _issued_to(family, client_id):
        return Effect.REFUSE
    return TRANSITIONS[phase(family, now, epoch), Presented.GIVEN_UP][1]


def _issued_to(family: Family, client_id: str) -> bool:
    return compare_digest(family.client_id.encode(), client_id.encode())
