"""From an authorization request to a code: the login at the upstream platform, and the synthetic identity's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service import upstream
from service.oauth import codes, credentials, logins
from service.oauth.authorization import ReturnAddress
from service.oauth.codes import Code
from service.oauth.credentials import SECRET_BYTES, Kind
from service.oauth.errors import AccessDenied, UntrustedRequest
from service.oauth.logins import Login, Phase, Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.addresses import Platform
    from service.keys import SyntheticProof, Vault
    from service.oauth.authorization import AuthorizationRequest
    from service.oauth.clients import Clients
    from service.oauth.credentials import Credential
    from service.storage import Store

SYNTHETIC_SUBJECT: Final = "synthetic"
SYNTHETIC_SESSION_SECONDS: Final = 12 * 3600
"""So long a login of the synthetic identity lasts: what it got before a restore has to be good for something after it."""
_NONCE_BYTES: Final = 16
_SECONDS_PER_HOUR: Final = 3600


class LoginOver(UntrustedRequest):
    """There is no such login, it has ended, or another browser started it; which of these is not told."""

    def __init__(self) -> None:
        super().__init__("This login has ended or is not yours. Go back to the application and start again.")


@dataclass(frozen=True)
class Waiting:
    """The person has not logged in yet."""

    retry_after_seconds: int


@dataclass(frozen=True)
class TooSoon:
    """Another poll asked within this second; the platform was not asked again."""

    retry_after_seconds: int


@dataclass(frozen=True)
class Complete:
    """The login has ended. redirect is where the browser goes; None where another request has got the answer."""

    redirect: str | None


@dataclass(frozen=True)
class LoginFlow:
    """The moves of a login. Each may raise LoginOver, StoreUnavailable, KeyUnavailable, and UpstreamUnavailable.

    entropy(n) returns n random bytes; `now` is in epoch seconds; `browser` is the browser's cookie.
    """

    issuer: str
    clients: Clients
    platforms: Mapping[str, Platform]
    store: Store
    vault: Vault
    proof: SyntheticProof
    entropy: Callable[[int], bytes]

    def begin(self, request: AuthorizationRequest, browser: str, now: int) -> Credential:
        """Store a login for a request and return its transaction."""
        client = request.back.client
        transaction = credentials.mint(Kind.LOGIN, self.entropy(SECRET_BYTES), synthetic=client.synthetic)
        login = Login(
            digest=transaction.digest,
            synthetic=client.synthetic,
            client_id=client.client_id,
            redirect_uri=request.back.redirect_uri,
            scope=request.scope,
            audience=request.audience,
            state=request.back.state,
            code_challenge=request.code_challenge,
            browser=credentials.digest(browser),
            epoch=self.store.epoch(),
            expires_at=now + logins.LIFETIME_SECONDS,
        )
        self.store.begin(login)
        return transaction

    def open(self, transaction: str, browser: str, now: int) -> tuple[Login, ReturnAddress]:
        """Return the browser's login of this transaction, and where its answer goes."""
        credential = credentials.parse(transaction, Kind.LOGIN)
        login = self.store.login(credential) if credential is not None else None
        if login is None or not logins.belongs_to(login, credentials.digest(browser), now):
            raise LoginOver
        client = self.clients.get(login.client_id)
        if client is None:  # taken out of the configuration in the meantime
            raise LoginOver
        return login, ReturnAddress(client, login.redirect_uri, login.state)

    def refuse(self, login: Login, back: ReturnAddress, now: int) -> str:
        """End the login because the person said no. Return where the browser goes."""
        if not self.store.complete(login, None, self._nonce(), now):
            raise LoginOver
        return back.failure(AccessDenied("the person refused"), self.issuer)

    def ask(self, login: Login) -> None:
        """Let the person be asked for their consent: there is a login yet, and a person."""
        if login.synthetic or login.phase is Phase.COMPLETE:
            raise LoginOver

    def go_to(self, login: Login, platform: Platform, now: int) -> str:
        """Have the platform open a login of its own. Return the address at which the person logs in."""
        if login.synthetic:
            raise LoginOver  # it has no business at a platform
        opened = upstream.open_login(platform)
        locked = self.vault.lock(
            {"sid": opened.sid, "content": opened.content, "hours": opened.session_hours}, "login", login.digest
        )
        if not self.store.await_platform(login, platform.name, locked, now):
            raise LoginOver
        return upstream.login_url(platform, opened.content)

    def place(self, login: Login) -> tuple[Platform, str]:
        """Return the platform that the person went to, and the address at which they log in there."""
        platform = self.platforms.get(login.platform or "")
        if login.upstream is None or platform is None:
            raise LoginOver
        opened = self.vault.unlock(login.upstream, "login", login.digest)
        return platform, upstream.login_url(platform, opened["content"])

    def poll(self, login: Login, back: ReturnAddress, now: int) -> Waiting | TooSoon | Complete:
        """Ask the platform whether the person has logged in, and mint the code if so: once, whoever else polls."""
        if login.phase is Phase.COMPLETE:
            return Complete(None)
        platform = self.platforms.get(login.platform or "")
        move = logins.poll(login, now)
        if login.upstream is None or platform is None or move is Poll.GIVE_UP:
            raise LoginOver
        if move is Poll.WAIT or not self.store.count_poll(login, now):
            return TooSoon(logins.POLL_SECONDS)
        opened = self.vault.unlock(login.upstream, "login", login.digest)
        person = upstream.profile(platform, opened["content"])
        if person is None:
            return Waiting(logins.POLL_SECONDS)
        # Named with its platform, so that no platform can hand out another's people, nor the synthetic identity.
        subject = f"{platform.name}:{person.subject}"
        session = self.vault.lock(
            {
                "platform": platform.name,
                "sid": opened["sid"],
                "given_name": person.given_name,
                "family_name": person.family_name,
                "email": person.email,
                "api_url": person.api_url,
            },
            "session",
            subject,
        )
        return self._complete(login, back, subject, session, opened["hours"] * _SECONDS_PER_HOUR, now)

    def prove_synthetic(
        self, login: Login, transaction: str, back: ReturnAddress, mac: str, now: int
    ) -> Complete | None:
        """End the synthetic identity's login with a code; None where the proof does not hold."""
        if not login.synthetic or not self.proof.holds(transaction, mac):
            return None
        return self._complete(login, back, SYNTHETIC_SUBJECT, None, SYNTHETIC_SESSION_SECONDS, now)

    def _complete(
        self,
        login: Login,
        back: ReturnAddress,
        subject: str,
        session: bytes | None,
        session_seconds: int,
        now: int,
    ) -> Complete:
        credential = credentials.mint(Kind.CODE, self.entropy(SECRET_BYTES), synthetic=login.synthetic)
        code = Code(
            digest=credential.digest,
            synthetic=login.synthetic,
            client_id=login.client_id,
            redirect_uri=login.redirect_uri,
            scope=login.scope,
            audience=login.audience,
            subject=subject,
            code_challenge=login.code_challenge,
            session=session,
            session_expires_at=now + session_seconds,
            epoch=login.epoch,
            expires_at=now + codes.LIFETIME_SECONDS,
        )
        won = self.store.complete(login, code, self._nonce(), now)
        return Complete(back.success(credential.text, self.issuer) if won else None)

    def _nonce(self) -> str:
        return credentials.base64url(self.entropy(_NONCE_BYTES))
