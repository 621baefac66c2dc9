"""The life cycle of a login, from the authorization request to the code.

    STARTED ── provider chosen ──▶ WAITING ── user logged in ──▶ COMPLETE     one code is minted
       │                              │
       └───────── denied by the user ─┴────────────────────────▶ COMPLETE     the client gets access_denied

A login belongs to the browser that started it. Each transition is one conditional write. The outcome is stored, so
that the browser gets it again if the response was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service.oauth.scopes import Scope

LIFETIME_SECONDS: Final = 600
POLL_SECONDS: Final = 2
"""Poll interval of the page. A poll within the same second as the last does not reach the identity provider."""
MAX_POLLS: Final = 400
USER_CODE_CHARACTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Consonants only, as RFC 8628 §6.1 recommends: no words, and no characters that look alike."""
_USER_CODE_HALF: Final = 4


class Phase(Enum):
    """The stored phase of a login."""

    STARTED = "started"
    WAITING = "waiting"
    COMPLETE = "complete"


class Outcome(Enum):
    """The stored outcome of a login."""

    CODE = "code"
    DENIED = "denied"


@dataclass(frozen=True)
class Login:
    """A login as it is stored: by the digest of its transaction. Times are epoch seconds.

    browser: the digest of the cookie of the browser that started it.
    upstream: the identity provider's data of this login, encrypted. openid_nonce: `nonce` of an OpenID request.
    outcome, claimed_by: of a complete login; claimed_by is the nonce of the request that completed it, from which its
    code is derived. A login that an earlier release completed has no outcome, because its code was random.
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
    openid_nonce: str | None = None
    outcome: Outcome | None = None
    claimed_by: str | None = None


class Poll(Enum):
    """What a poll may do."""

    ASK = "ask"
    WAIT = "wait"
    GIVE_UP = "give up"


def belongs_to(login: Login, browser: str, now: int) -> bool:
    """Return whether the login is live at `now` and was started by the browser whose cookie has this digest."""
    return compare_digest(login.browser, browser) and now < login.expires_at


def user_code(digest: str) -> str:
    """Return the short code of the login with this digest, such as BCDF-GHJK.

    The identity provider may show it, and so does the page of the browser that started the login. Users compare them
    and notice a login that another person started (RFC 8628 §5.4). It is no secret.
    """
    number = int.from_bytes(sha256(f"ib-oauth/user-code/{digest}".encode()).digest(), "big")
    letters = []
    for _ in range(2 * _USER_CODE_HALF):
        number, letter = divmod(number, len(USER_CODE_CHARACTERS))
        letters.append(USER_CODE_CHARACTERS[letter])
    return f"{''.join(letters[:_USER_CODE_HALF])}-{''.join(letters[_USER_CODE_HALF:])}"


def poll(login: Login, now: int) -> Poll:
    """Return what a poll of a waiting login may do at `now`."""
    if login.polls >= MAX_POLLS:
        return Poll.GIVE_UP
    return Poll.ASK if login.polled_at < now else Poll.WAIT
