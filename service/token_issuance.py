"""Issuing tokens: for a code, and for a refresh token.

The order makes it safe. Everything that can fail comes first, including the access token's signature; then the one
conditional write that decides; then a write that records that the response is about to be sent. A failure before the
first write consumes nothing. A failure after it leaves the grant unanswered, and the same request, sent again, gets
the same refresh token: it is derived from what the client presents and a salt that is stored until then. So the client
may try again in both cases (ADR 28).

A request that loses the deciding write has presented something that was already used. A request that finds a grant
unanswered waits, because another request may be about to answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import sleep
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from service.keys.issuing_lease import NoLease
from service.oauth import codes, credentials, families, scopes, token_request
from service.oauth.codes import Redemption
from service.oauth.credentials import Kind
from service.oauth.errors import InvalidGrant
from service.oauth.families import Cause, Family
from service.oauth.openid.id_tokens import IdToken
from service.oauth.openid.requests import OPENID
from service.oauth.tokens import AccessToken
from service.storage.conditional_writes import Answer, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service.keys.issuing_lease import Lease
    from service.oauth.clients import Client
    from service.oauth.codes import Code
    from service.oauth.credentials import Credential
    from service.oauth.scopes import Scope
    from service.oauth.token_request import CodeGrant, RefreshGrant
    from service.storage.revocations import RevokingStore

ACCESS_TOKEN_SECONDS: Final = 600
SYNTHETIC_ACCESS_TOKEN_SECONDS: Final = 300
"""Lifetime for the synthetic identity, whose tokens only verify releases."""
_NONCE_BYTES: Final = 16
_SALT_BYTES: Final = 16
_PAUSES_SECONDS: Final[tuple[float, ...]] = (0, 0, 0, 0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Pauses between reads while a response is outstanding. A request usually responds some milliseconds after its write."""
_MOST_READS: Final = 100
_MOST_EXCHANGES: Final = 50
"""Each one that is lost is another request's success, so so many requests with one token at once are served."""

_CODE_REFUSED = "the code is not valid"
_TOKEN_REFUSED = "the refresh token is not valid"  # noqa: S105 - an error description


Grant = TypeVar("Grant", "Code", "Family")


class TokenSigner(Protocol):
    """An object that signs access tokens and ID tokens."""

    def sign(self, token: AccessToken) -> str:
        """Return the token as a compact JWT."""

    def sign_id_token(self, token: IdToken) -> str:
        """Return the token as a compact JWT."""


@dataclass(frozen=True)
class Issued:
    """A successful token response (RFC 6749 §5.1). id_token: None without the scope `openid`."""

    access_token: str
    expires_in: int
    refresh_token: str
    scope: Scope
    id_token: str | None = None

    def body(self) -> dict[str, str | int]:
        """Return the response's JSON object."""
        body: dict[str, str | int] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": self.refresh_token,
            "scope": scopes.format_scope(self.scope),
        }
        return body if self.id_token is None else {**body, "id_token": self.id_token}


@dataclass(frozen=True)
class _Redeem:
    """A request to redeem a code."""

    credential: Credential
    redemption: Redemption
    now: int


@dataclass(frozen=True)
class _Refresh:
    """A request to refresh."""

    credential: Credential
    grant: RefreshGrant
    client: Client
    now: int


@dataclass(frozen=True)
class Issuance:
    """Issues tokens. `now` is in epoch seconds.

    entropy(n) returns n random bytes; grace_seconds: the grace period of refresh tokens, 0 for none; sleep(s) waits for
    s seconds; lease: permits this region to sign tokens. Synthetic tokens authorize nothing and need no lease.
    """

    issuer: str
    store: RevokingStore
    signer: TokenSigner
    entropy: Callable[[int], bytes]
    grace_seconds: int = 0
    sleep: Callable[[float], None] = field(default=sleep, repr=False)
    lease: Lease = field(default_factory=NoLease)

    def redeem(self, grant: CodeGrant, client: Client, now: int) -> Issued:
        """Return tokens for a code. Raises InvalidGrant, InvalidTarget, StoreUnavailable, KeyUnavailable."""
        credential = credentials.parse(grant.code, Kind.CODE)
        if credential is None or credential.synthetic != client.synthetic:
            raise InvalidGrant(_CODE_REFUSED)
        request = _Redeem(credential, Redemption(client.client_id, grant.redirect_uri, grant.verifier), now)
        code, epoch, effect = self._present_code(request)
        if effect not in {codes.Effect.ISSUE, codes.Effect.REPEAT}:
            raise InvalidGrant(_CODE_REFUSED)
        token_request.check_resource(grant.resource, code.audience, client)
        if effect is codes.Effect.ISSUE:
            return self._issue_for(code, request, epoch)
        return self._repeat_for(code, request, epoch)

    def refresh(self, grant: RefreshGrant, client: Client, now: int) -> Issued:
        """Return new tokens for a refresh token.

        Raises InvalidGrant, InvalidScope, InvalidTarget, StoreUnavailable, KeyUnavailable.
        """
        credential = credentials.parse(grant.token, Kind.REFRESH)
        if credential is None or credential.handle is None or credential.synthetic != client.synthetic:
            raise InvalidGrant(_TOKEN_REFUSED)
        request = _Refresh(credential, grant, client, now)
        salt, nonce = self._salt(), self._nonce()
        issued: Issued | None = None
        for _ in range(_MOST_EXCHANGES):
            family, epoch, effect = self._present_token(request)
            if effect is families.Effect.REPEAT:
                repeated = self._repeat_exchange(family, request, nonce, epoch)
                if repeated is not None:
                    return repeated
                continue
            issued = issued or self._sign_next(family, request, salt, nonce, epoch)
            if self._exchange(family, request, effect, salt, nonce, epoch):
                # As for a code. If the token was replaced, in the grace period, the client may present its own again.
                if self.store.answer_rotation(credential, nonce, nonce) is Answer.REPLACED:
                    raise StoreUnavailable("the new refresh token was replaced before its response")
                return issued
        raise StoreUnavailable("too many requests present one refresh token at once")

    # Codes

    def _present_code(self, request: _Redeem) -> tuple[Code, int, codes.Effect]:
        """Return a code, the revocation epoch, and the effect of presenting the code. A revocation has been made."""

        def owing(code: Code, epoch: int) -> str | None:
            repeats = codes.effect(code, request.redemption, request.now, epoch) is codes.Effect.REPEAT
            return code.redeemed_by if repeats else None

        code, epoch = self._when_answered(lambda: self.store.read_code_and_epoch(request.credential), owing)
        if code is None:
            raise InvalidGrant(_CODE_REFUSED)
        effect = codes.effect(code, request.redemption, request.now, epoch)
        if effect is codes.Effect.REVOKE_FAMILY:
            self._revoke_issued(code, request.now)
        return code, epoch, effect

    def _issue_for(self, code: Code, request: _Redeem, epoch: int) -> Issued:
        """Redeem a code and return the tokens."""
        salt = self._salt()
        refresh = credentials.derive_first_refresh(request.credential, request.redemption.verifier, salt)
        family = self._new_family(code, refresh, epoch)
        nonce = family.rotated_by
        issued = self._sign_tokens(family, family.scope, refresh, nonce, request.now, epoch, code.openid_nonce)
        if not self.store.create_family(family):
            raise StoreUnavailable("the id of a new family already exists")
        lost = self.store.redeem(code, family.family_id, nonce, request.now, epoch, salt=salt)
        if lost is not None:
            self.store.revoke(family.family_id, Cause.REPLAY, request.now, synthetic=family.synthetic)
            if lost.current is not None:
                self._revoke_issued(lost.current, request.now)
            raise InvalidGrant(_CODE_REFUSED)
        # If another request has answered, it was the same one, sent again, and got the same refresh token.
        if self.store.answer_redemption(request.credential, nonce, nonce) is Answer.REPLACED:
            raise InvalidGrant(_CODE_REFUSED)
        return issued

    def _repeat_for(self, code: Code, request: _Redeem, epoch: int) -> Issued:
        """Return the tokens of an unanswered redemption again."""
        family, _ = self.store.read_family_and_epoch(code.family or "", synthetic=code.synthetic)
        if family is None or code.unanswered is None or not families.is_unused(family, request.now, epoch):
            self._revoke_issued(code, request.now)  # its tokens were used, so the response did arrive
            raise InvalidGrant(_CODE_REFUSED)
        refresh = credentials.derive_first_refresh(request.credential, request.redemption.verifier, code.unanswered)
        nonce = self._nonce()
        issued = self._sign_tokens(family, family.scope, refresh, nonce, request.now, epoch, code.openid_nonce)
        if self.store.answer_redemption(request.credential, family.rotated_by, nonce) is not Answer.OURS:
            self._revoke_issued(code, request.now)  # another request got them: this one is a replay
            raise InvalidGrant(_CODE_REFUSED)
        return issued

    # Refresh tokens

    def _present_token(self, request: _Refresh) -> tuple[Family, int, families.Effect]:
        """Return a family, the revocation epoch, and the effect of presenting its token.

        Raises InvalidGrant if the token gets nothing; a revocation has then been made.
        """

        def owing(family: Family, epoch: int) -> str | None:
            repeats = self._effect(family, request, epoch) is families.Effect.REPEAT
            return family.rotated_by if repeats else None

        credential = request.credential
        family, epoch = self._when_answered(
            lambda: self.store.read_family_and_epoch(credential.family, synthetic=credential.synthetic), owing
        )
        if family is None:
            raise InvalidGrant(_TOKEN_REFUSED)
        return family, epoch, self._accepted_effect(family, request, epoch)

    def _exchange(
        self, family: Family, request: _Refresh, effect: families.Effect, salt: str, nonce: str, epoch: int
    ) -> bool:
        """Exchange a token by the deciding write. Return whether this request did; raises InvalidGrant.

        A loser presented the token at the same time as another request. So it is no retry, although the other may be
        unanswered, and it may go on only if the token is in its grace period.
        """
        digest = credentials.derive_next_refresh(request.credential, salt).digest
        write = self.store.rotate if effect is families.Effect.ROTATE else self.store.replace_unused
        lost = write(family, digest, nonce, request.now, epoch, salt=salt)
        if lost is None:
            return True
        if lost.current is None:
            raise InvalidGrant(_TOKEN_REFUSED)
        self._accepted_effect(families.as_answered(lost.current), request, epoch)
        return False

    def _repeat_exchange(self, family: Family, request: _Refresh, nonce: str, epoch: int) -> Issued | None:
        """Return the tokens of an unanswered exchange again; None if another request did in the meantime."""
        salt = families.unanswered_salt(family)
        if salt is None:
            return None
        issued = self._sign_next(family, request, salt, nonce, epoch)
        answer = self.store.answer_rotation(request.credential, family.rotated_by, nonce)
        return issued if answer is Answer.OURS else None

    def _sign_next(self, family: Family, request: _Refresh, salt: str, nonce: str, epoch: int) -> Issued:
        """Return the tokens that a refresh token is exchanged for. Raises InvalidScope, InvalidTarget, KeyUnavailable."""
        # Every client may have `openid` (openid/requests.py); of the rest it may have lost some since the login (ADR 80).
        allowed = scopes.still_allowed(family.scope, (OPENID, *request.client.scopes))
        scope = scopes.narrow(request.grant.scope, allowed)
        token_request.check_resource(request.grant.resource, family.audience, request.client)
        refresh = credentials.derive_next_refresh(request.credential, salt)
        return self._sign_tokens(family, scope, refresh, nonce, request.now, epoch)

    def _accepted_effect(self, family: Family, request: _Refresh, epoch: int) -> families.Effect:
        """Return the effect of presenting a token that gets something. Raises InvalidGrant, after a revocation."""
        effect = self._effect(family, request, epoch)
        if effect is families.Effect.REVOKE:
            self.store.revoke(family.family_id, Cause.REUSE, request.now, synthetic=family.synthetic)
        if effect in {families.Effect.REVOKE, families.Effect.REFUSE}:
            raise InvalidGrant(_TOKEN_REFUSED)
        return effect

    def _effect(self, family: Family, request: _Refresh, epoch: int) -> families.Effect:
        digest, client_id = request.credential.digest, request.client.client_id
        return families.effect(family, digest, client_id, request.now, epoch, grace_seconds=self.grace_seconds)

    # Both

    def _when_answered(
        self,
        read: Callable[[], tuple[Grant | None, int]],
        owing: Callable[[Grant, int], str | None],
    ) -> tuple[Grant | None, int]:
        """Return what is read, with the revocation epoch, once no other request owes a response for it.

        owing(grant, epoch) returns the nonce of the request that does. If the same one still does after all pauses, its
        response is lost.
        """
        awaited: str | None = None
        pauses: Iterator[float] = iter(())
        for _ in range(_MOST_READS):
            grant, epoch = read()
            nonce = None if grant is None else owing(grant, epoch)
            if nonce != awaited:
                awaited, pauses = nonce, iter(_PAUSES_SECONDS)
            pause = next(pauses, None)
            if nonce is None or pause is None:
                break
            self.sleep(pause)
        return grant, epoch

    def _new_family(self, code: Code, refresh: Credential, epoch: int) -> Family:
        """Return the family that a code issues. refresh: its first refresh token."""
        return Family(
            family_id=refresh.family,
            synthetic=code.synthetic,
            client_id=code.client_id,
            scope=code.scope,
            audience=code.audience,
            subject=code.subject,
            session=code.session,
            epoch=epoch,
            generation=1,
            refresh_hash=refresh.digest,
            rotated_by=self._nonce(),
            expires_at=code.session_expires_at,
            auth_time=code.auth_time,
        )

    def _sign_tokens(
        self,
        family: Family,
        scope: Scope,
        refresh: Credential,
        nonce: str,
        now: int,
        epoch: int,
        openid_nonce: str | None = None,
    ) -> Issued:
        """Sign an access token, and an ID token for the scope `openid`; return them with the refresh token.

        nonce: the access token's id. It shows whether a token was issued by the last rotation, unless the rotation's
        response was lost: a repeated response has another access token, and so another id. The ID
        token's nonce is the authorization request's, and is left out after a refresh (OpenID Connect Core §12.2).
        """
        if not family.synthetic:
            self.lease.require()
        lifetime_seconds = SYNTHETIC_ACCESS_TOKEN_SECONDS if family.synthetic else ACCESS_TOKEN_SECONDS
        expires_at = min(now + lifetime_seconds, family.expires_at)
        token = AccessToken(
            issuer=self.issuer,
            audience=family.audience,
            subject=family.subject,
            client_id=family.client_id,
            scope=scope,
            token_id=nonce,
            family=family.family_id,
            epoch=epoch,
            issued_at=now,
            expires_at=expires_at,
        )
        access_token = self.signer.sign(token)
        id_token = self._sign_id_token(family, token, access_token, openid_nonce) if OPENID in scope else None
        return Issued(access_token, expires_at - now, refresh.text, scope, id_token)

    def _sign_id_token(
        self, family: Family, token: AccessToken, access_token: str, openid_nonce: str | None
    ) -> str | None:
        """Return the ID token for an access token; None if the login was not stored as an OpenID login.

        Such a login was made by a release without ID tokens: its nonce is lost, so the client could not accept one.
        """
        if family.auth_time is None:
            return None
        return self.signer.sign_id_token(
            IdToken(
                issuer=self.issuer,
                subject=family.subject,
                client_id=family.client_id,
                auth_time=family.auth_time,
                nonce=openid_nonce,
                access_token=access_token,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
            )
        )

    def _revoke_issued(self, code: Code, now: int) -> None:
        """Revoke the family that the code's first redemption issued."""
        if code.family is not None:
            self.store.revoke(code.family, Cause.REPLAY, now, synthetic=code.synthetic)

    def _nonce(self) -> str:
        return credentials.base64url(self.entropy(_NONCE_BYTES))

    def _salt(self) -> str:
        return credentials.base64url(self.entropy(_SALT_BYTES))
