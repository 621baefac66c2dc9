"""The login at the upstream identity provider and the synthetic identity's, from an authorization request to a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from service.login import identity_provider
from service.login.identity_provider import LoginContext
from service.oauth import codes, credentials, logins
from service.oauth.authorization import ReturnAddress
from service.oauth.codes import Code
from service.oauth.credentials import SECRET_BYTES, Kind
from service.oauth.errors import AccessDenied, UntrustedRequest
from service.oauth.logins import Login, Outcome, Phase, Poll
from service.oauth.openid.requests import OPENID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.clients.address_guard import Platform
    from service.keys.kms import SyntheticProof, Vault
    from service.login.identity_provider import Profile, UpstreamLogin
    from service.oauth.authorization import AuthorizationRequest
    from service.oauth.clients import Clients
    from service.oauth.credentials import Credential
    from service.storage.grants import Store

SYNTHETIC_SUBJECT: Final = "synthetic"
SYNTHETIC_SESSION_SECONDS: Final = 12 * 3600
"""Lifetime of a synthetic identity's login: grants seeded before a restore must still be valid after it."""
_NONCE_BYTES: Final = 16
_SECONDS_PER_HOUR: Final = 3600


class LoginOver(UntrustedRequest):
    """The login does not exist, has ended, or was started by another browser; which of these is not disclosed."""

    def __init__(self) -> None:
        super().__init__("This login has ended or is not yours. Go back to the application and start again.")


@dataclass(frozen=True)
class Waiting:
    """The user has not logged in yet."""

    retry_after_seconds: int


@dataclass(frozen=True)
class PollTooEarly:
    """Another poll came within the same second; the identity provider was not queried again."""

    retry_after_seconds: int


@dataclass(frozen=True)
class Complete:
    """The login has ended. redirect: where the browser goes; None if there is no code, or none that can be used."""

    redirect: str | None


@dataclass(frozen=True)
class BoundLogin:
    """A login, found by its transaction and by the cookie of the browser that started it."""

    login: Login
    back: ReturnAddress
    transaction: str = field(repr=False)
    browser: str = field(repr=False)


@dataclass(frozen=True)
class LoginFlow:
    """The steps of a login. Each may raise LoginOver, StoreUnavailable, KeyUnavailable, and UpstreamUnavailable.

    entropy(n) returns n random bytes; `now` is in epoch seconds; `browser` is the browser's cookie.
    """

    issuer: str
    clients: Clients
    platforms: Mapping[str, Platform]
    store: Store
    vault: Vault
    proof: SyntheticProof
    entropy: Callable[[int], bytes]

    def begin_login(self, request: AuthorizationRequest, browser: str, now: int) -> Credential:
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
            openid_nonce=request.openid_nonce,
            browser=credentials.digest(browser),
            epoch=self.store.revocation_epoch(),
            expires_at=now + logins.LIFETIME_SECONDS,
        )
        self.store.create_login(login)
        return transaction

    def find_login(self, transaction: str, browser: str, now: int) -> BoundLogin:
        """Return the browser's login of this transaction."""
        credential = credentials.parse(transaction, Kind.LOGIN)
        login = self.store.read_login(credential) if credential is not None else None
        if login is None or not logins.belongs_to(login, credentials.digest(browser), now):
            raise LoginOver
        client = self.clients.get(login.client_id)
        # Either may have been withdrawn since the login began.
        if client is None or not client.allows_redirect(login.redirect_uri):
            raise LoginOver
        return BoundLogin(login, ReturnAddress(client, login.redirect_uri, login.state), transaction, browser)

    def deny_login(self, bound: BoundLogin, now: int) -> str:
        """End the login because the user denied the request. Return where the browser goes, also if repeated."""
        denied = bound.login.outcome is Outcome.DENIED
        if not denied and not self.store.complete_login(bound.login, None, self._nonce(), now):
            bound = self.find_login(bound.transaction, bound.browser, now)
            if bound.login.outcome is not Outcome.DENIED:
                raise LoginOver
        return bound.back.failure(AccessDenied("the user denied the request"), self.issuer)

    def check_consent_possible(self, login: Login) -> None:
        """Check that the user may be asked for consent; raises LoginOver."""
        if login.synthetic or login.phase is Phase.COMPLETE:
            raise LoginOver

    def start_upstream_login(self, bound: BoundLogin, platform: Platform, now: int) -> str:
        """Open a login at the identity provider. Return the URL at which the user logs in."""
        login = bound.login
        if login.synthetic:
            raise LoginOver  # the synthetic identity has no account at an identity provider
        opened = self._open_login(bound, platform)
        ciphertext = self.vault.encrypt(
            {"sid": opened.sid, "content": opened.content, "hours": opened.session_hours}, "login", login.digest
        )
        if not self.store.start_upstream_login(login, platform.name, ciphertext, now):
            raise LoginOver
        return identity_provider.login_url(platform, opened.content)

    def upstream_login(self, login: Login) -> tuple[Platform, str]:
        """Return the identity provider that the user went to, and the URL of their login there."""
        platform = self.platforms.get(login.platform or "")
        if login.upstream is None or platform is None:
            raise LoginOver
        opened = self.vault.decrypt(login.upstream, "login", login.digest)
        return platform, identity_provider.login_url(platform, opened["content"])

    def poll_login(self, bound: BoundLogin, now: int) -> Waiting | PollTooEarly | Complete:
        """Query the identity provider for the login, and mint the code once the user has logged in.

        A login has one code. Until it is used, every further poll gets it again: the response with it may be lost.
        """
        login = bound.login
        if login.phase is Phase.COMPLETE:
            return self._repeated(bound, now)
        platform = self.platforms.get(login.platform or "")
        action = logins.poll(login, now)
        if login.upstream is None or platform is None or action is Poll.GIVE_UP:
            raise LoginOver
        if action is Poll.WAIT or not self.store.acquire_poll(login, now):
            return PollTooEarly(logins.POLL_SECONDS)
        opened = self.vault.decrypt(login.upstream, "login", login.digest)
        person = identity_provider.profile(platform, opened["content"])
        if person is None:
            return Waiting(logins.POLL_SECONDS)
        # Prefixed with the provider's name, so that no provider can issue another's users or the synthetic identity.
        subject = f"{platform.name}:{person.subject}"
        session = self._encrypt_session(platform, opened["sid"], person, subject)
        return self._complete(bound, subject, session, opened["hours"] * _SECONDS_PER_HOUR, now)

    def complete_synthetic_login(self, bound: BoundLogin, mac: str, now: int) -> Complete | None:
        """End the synthetic identity's login with a code; None if the proof is not valid."""
        if not bound.login.synthetic or not self.proof.is_valid(bound.transaction, mac):
            return None
        if bound.login.phase is Phase.COMPLETE:
            return self._repeated(bound, now)
        return self._complete(bound, SYNTHETIC_SUBJECT, None, SYNTHETIC_SESSION_SECONDS, now)

    def _open_login(self, bound: BoundLogin, platform: Platform) -> UpstreamLogin:
        if not platform.shows_login_context:
            return identity_provider.open_login(platform)
        context = LoginContext(bound.back.client.name, bound.back.host, logins.user_code(bound.login.digest))
        return identity_provider.open_login(platform, context)

    def _encrypt_session(self, platform: Platform, sid: str, person: Profile, subject: str) -> bytes:
        session = {
            "platform": platform.name,
            "sid": sid,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "email": person.email,
            "api_url": person.api_url,
        }
        return self.vault.encrypt(session, "session", subject)

    def _complete(
        self, bound: BoundLogin, subject: str, session: bytes | None, session_seconds: int, now: int
    ) -> Complete:
        """End the login with a code. If another request of the browser ended it first, return its code."""
        login, nonce = bound.login, self._nonce()
        credential = credentials.derive_code(bound.transaction, bound.browser, nonce, synthetic=login.synthetic)
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
            auth_time=now if OPENID in login.scope else None,
            openid_nonce=login.openid_nonce,
        )
        if self.store.complete_login(login, code, nonce, now):
            return Complete(bound.back.success(credential.text, self.issuer))
        return self._repeated(self.find_login(bound.transaction, bound.browser, now), now)

    def _repeated(self, bound: BoundLogin, now: int) -> Complete:
        """Return the code of a complete login again, as long as it can be used."""
        login = bound.login
        if login.outcome is not Outcome.CODE or login.claimed_by is None:
            return Complete(None)
        nonce = login.claimed_by
        credential = credentials.derive_code(bound.transaction, bound.browser, nonce, synthetic=login.synthetic)
        code = self.store.read_code(credential)
        if code is None or codes.phase(code, now, self.store.revocation_epoch()) is not codes.Phase.LIVE:
            return Complete(None)
        return Complete(bound.back.success(credential.text, self.issuer))

    def _nonce(self) -> str:
        return credentials.base64url(self.entropy(_NONCE_BYTES))
