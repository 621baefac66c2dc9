"""Who is signed in: sessions in the memory of the console's process, which end with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from threading import Lock

from starlette.requests import Request

from orchestrator.console.sign_in.oauth_service import Grant, GrantEnded, NotRenewed, OAuthService
from orchestrator.console.sign_in.permitted import Permitted
from orchestrator.domain.sign_in.settings import Role
from orchestrator.domain.texts import MAX_NAME, shortened

MOST_SESSIONS = 1000
"""The oldest ends when there would be more. Only permitted persons have one."""
RETRY_SECONDS = 30
"""Until a renewal that was not answered properly, and exchanged no token, is tried again."""
DELIVERY_SECONDS = 3
"""Of the grace period of refresh tokens, what a repetition of a renewal may take to arrive."""
ROUNDING_SECONDS = 1
"""The service compares whole seconds."""
SECONDS_PER_HOUR = 3600
IDENTITY = "orchestrator.identity"
"""Where a request has the person who sent it."""


@dataclass(frozen=True)
class Identity:
    """Who sends a request.

    Attributes:
        name: as the service knows it; empty if it knows none.
        subject: of the tokens, which no other person has.
        role: what the person may do.
        session: names the session, and is no secret.
    """

    name: str
    subject: str
    role: Role
    session: str

    @property
    def requested_by(self) -> str:
        """What records and incidents show. Two persons may have one name, so the subject is in it."""
        return shortened(f"{self.name} ({self.subject})" if self.name else self.subject, MAX_NAME)


def identity_of(request: Request) -> Identity | None:
    """Return who sent a request; None on a console without sign-in, and before it."""
    found = request.scope.get(IDENTITY)
    return found if isinstance(found, Identity) else None


@dataclass
class _Session:
    identity: Identity
    grant: Grant
    ends_at: float
    retry_at: float = 0
    renewing: Lock = field(default_factory=Lock)


class Sessions:
    """The sessions of one console.

    A session lasts as long as the settings say, and as they list its person for its role. Its tokens are renewed when
    they expire, so that it also ends when the grant was revoked at the service. A service that does not answer properly
    ends no session: an operator who is signed in can roll back the release that broke it.

    A renewal whose answer is lost may have exchanged the refresh token. The service takes that token again for a grace
    period, and after it revokes the grant of a client that presents it. So the renewal is repeated once, within the grace
    period. If that is not answered properly either, the session lasts without renewals until its hours are over.

    Args:
        service: renews and revokes grants.
        permitted: returns who is permitted now, and for how long.
        now: epoch seconds.
        grace_seconds: for how long the service takes a refresh token again that it has exchanged.
    """

    def __init__(
        self, service: OAuthService, permitted: Permitted, now: Callable[[], float], grace_seconds: float
    ) -> None:
        self._service, self._permitted, self._now = service, permitted, now
        self._grace_seconds = grace_seconds
        self._sessions: dict[str, _Session] = {}
        self._changing = Lock()

    def open(self, grant: Grant, name: str, role: Role) -> str:
        """Open a session; return the secret that its browser keeps.

        Args:
            grant: of the sign-in.
            name: of the person.
            role: that the settings permit and the tokens have.
        """
        secret = secrets.token_urlsafe(32)
        digest = _digest(secret)
        identity = Identity(name, grant.signed_in.subject, role, digest)
        with self._changing:
            self._sessions[digest] = _Session(
                identity, grant, self._now() + self._permitted().session_hours * SECONDS_PER_HOUR
            )
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
        return secret

    def find(self, secret: str) -> Identity | None:
        """Return who has a secret; None if it is of no session that lasts. It may ask the service: up to 5 s."""
        session = self._sessions.get(_digest(secret))
        return session.identity if session is not None and self._lasts(session) else None

    def lasts(self, identity: Identity) -> bool:
        """Return whether the session of a person still lasts, as `find` does."""
        session = self._sessions.get(identity.session)
        return session is not None and self._lasts(session)

    def close(self, identity: Identity) -> bool:
        """End a session here and at the service; return whether the service has confirmed it."""
        session = self._end(identity)
        if session is None:
            return True
        return self._service.try_to_revoke(session.grant.refresh_token)

    def _lasts(self, session: _Session) -> bool:
        if self._now() >= session.ends_at or not self._is_permitted(session):
            self._end(session.identity)
            return False
        with session.renewing:
            if self._now() < max(session.grant.signed_in.expires_at, session.retry_at):
                return session.identity.session in self._sessions
            lasts = self._renew(session)
        if not lasts or not self._is_permitted(session):
            self._end(session.identity)
            return False
        return True

    def _renew(self, session: _Session) -> bool:
        """Renew the tokens of a session; return False if its grant has ended at the service."""
        began = self._now()
        in_doubt = False
        while True:
            try:
                session.grant, session.retry_at = self._service.refresh(session.grant), 0
            except GrantEnded:
                # After a lost answer, this means that the grant has ended only within the grace period.
                if not in_doubt or self._now() - began < self._grace_seconds - ROUNDING_SECONDS:
                    return False
                session.retry_at = inf
            except NotRenewed as error:
                if error.in_doubt and not in_doubt and self._now() - began < self._grace_seconds - DELIVERY_SECONDS:
                    in_doubt = True
                    continue
                session.retry_at = inf if in_doubt or error.in_doubt else self._now() + RETRY_SECONDS
            return True

    def _is_permitted(self, session: _Session) -> bool:
        """Return whether the settings and the tokens still give the session its role."""
        signed_in = session.grant.signed_in
        return self._permitted().role_of(signed_in.subject, signed_in.scopes) is session.identity.role

    def _end(self, identity: Identity) -> _Session | None:
        with self._changing:
            return self._sessions.pop(identity.session, None)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
