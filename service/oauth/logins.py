"""The life of a login: from the authorization request to the code.

    STARTED ── platform chosen ──▶ WAITING ── person logged in ──▶ COMPLETE     one code is minted
       │                              │
       └──────── refused by the person ┴──────────────────────────▶ COMPLETE     the client gets access_denied

A login belongs to the browser that started it. Each move is one conditional write.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service.oauth.scopes import Scope

LIFETIME_SECONDS: Final = 600
POLL_SECONDS: Final = 2
"""How often the page asks; a poll that comes within the same second as the last does not reach the platform."""
MAX_POLLS: Final = 400


class Phase(Enum):
    """Where a login stands, as it is stored."""

    STARTED = "started"
    WAITING = "waiting"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Login:
    """A login as it is stored: by the digest of its transaction. Times are epoch seconds.

    browser: the digest of the cookie of the browser that started it.
    upstream: what the platform gave for this login, encrypted.
    """

    digest: str
    synthetic: bool
    client_id: str
    redirect_uri: str
    scope: Scope
    audience: str
    state: str | None
    code_challenge: str
    browser: str
    epoch: int
    expires_at: int
    phase: Phase = Phase.STARTED
    platform: str | None = None
    upstream: bytes | None = None
    polls: int = 0
    polled_at: int = 0


class Poll(Enum):
    """What a poll may do."""

    ASK = "ask"
    WAIT = "wait"
    GIVE_UP = "give up"


def belongs_to(login: Login, browser: str, now: int) -> bool:
    """Whether the login is alive at `now` and was started by the browser whose cookie has this digest."""
    return compare_digest(login.browser, browser) and now < login.expires_at


def poll(login: Login, now: int) -> Poll:
    """Return what a poll of a waiting login may do at `now`."""
    if login.polls >= MAX_POLLS:
        return Poll.GIVE_UP
    return Poll.ASK if login.polled_at < now else Poll.WAIT
