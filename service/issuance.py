"""Issuing tokens: for a code, and for a refresh token.

The order is what makes it safe. Everything that can fail comes first, the access token's signature included; then the one
conditional write that decides; then nothing that can fail. A failure before the write burns nothing, so the client may try again.
Whoever loses the write has presented something that was used already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from service.oauth import codes, credentials, families, scopes, token_request
from service.oauth.credentials import HANDLE_BYTES, SECRET_BYTES, Kind
from service.oauth.errors import InvalidGrant
from service.oauth.families import Cause, Family
from service.oauth.tokens import AccessToken
from service.storage import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.oauth.clients import Client
    from service.oauth.codes import Code
    from service.oauth.credentials import Credential
    from service.oauth.scopes import Scope
    from service.oauth.token_request import CodeGrant, RefreshGrant
    from service.revocations import RevokingStore

ACCESS_TOKEN_SECONDS: Final = 600
SYNTHETIC_ACCESS_TOKEN_SECONDS: Final = 300
"""Of the synthetic identity, whose tokens are for nothing but trying them out."""
_NONCE_BYTES: Final = 16

_CODE_REFUSED = "the code is not valid"
_TOKEN_REFUSED = "the refresh token is not valid"  # noqa: S105 - an error description


class Signs(Protocol):
    """Whatever signs access tokens."""

    def sign(self, token: AccessToken) -> str:
        """Return the token as a compact JWT."""


@dataclass(frozen=True)
class Issued:
    """A successful answer (RFC 6749 §5.1)."""

    access_token: str
    expires_in: int
    refresh_token: str
    scope: Scope

    def body(self) -> dict[str, str | int]:
        """Return the answer's JSON object."""
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": self.refresh_token,
            "scope": scopes.text_of(self.scope),
        }


@dataclass(frozen=True)
class Issuance:
    """Issues tokens. entropy(n) returns n random bytes; `now` is in epoch seconds."""

    issuer: str
    store: RevokingStore
    signer: Signs
    entropy: Callable[[int], bytes]

    def redeem(self, grant: CodeGrant, client: Client, now: int) -> Issued:
        """Return tokens for a code. Raises InvalidGrant, InvalidTarget, StoreUnavailable, KeyUnavailable."""
        credential = credentials.parse(grant.code, Kind.CODE)
        if credential is None or credential.synthetic != client.synthetic:
            raise InvalidGrant(_CODE_REFUSED)
        code, epoch = self.store.code_and_epoch(credential)
        if code is None:
            raise InvalidGrant(_CODE_REFUSED)
        redemption = codes.Redemption(client.client_id, grant.redirect_uri, grant.verifier)
        effect = codes.effect(code, redemption, now, epoch)
        if effect is codes.Effect.REVOKE_FAMILY:
            self._revoke_issued(code, now)
        if effect is not codes.Effect.ISSUE:
            raise InvalidGrant(_CODE_REFUSED)

        token_request.hold_to_grant(grant.resource, code.audience)
        family, refresh = self._begin(code, epoch)
        issued = self._issued(family, family.scope, refresh, family.rotated_by, now, epoch)
        if not self.store.found(family):
            raise StoreUnavailable("a new family's id was taken")
        lost = self.store.redeem(code, family.family_id, family.rotated_by, now, epoch)
        if lost is not None:
            self.store.revoke(family.family_id, Cause.REPLAY, now, synthetic=family.synthetic)
            if lost.found is not None:
                self._revoke_issued(lost.found, now)
            raise InvalidGrant(_CODE_REFUSED)
        return issued

    def refresh(self, grant: RefreshGrant, client: Client, now: int) -> Issued:
        """Return new tokens for a refresh token.

        Raises InvalidGrant, InvalidScope, InvalidTarget, StoreUnavailable, KeyUnavailable.
        """
        credential = credentials.parse(grant.token, Kind.REFRESH)
        if credential is None or credential.handle is None or credential.synthetic != client.synthetic:
            raise InvalidGrant(_TOKEN_REFUSED)
        family, epoch = self.store.family_and_epoch(credential.family, synthetic=credential.synthetic)
        if family is None:
            raise InvalidGrant(_TOKEN_REFUSED)
        if self._effect(family, credential, client, now, epoch) is not families.Effect.ROTATE:
            raise InvalidGrant(_TOKEN_REFUSED)

        scope = scopes.within(grant.scope, family.scope)
        token_request.hold_to_grant(grant.resource, family.audience)
        refresh = credentials.mint_refresh(
            credential.handle, self.entropy(SECRET_BYTES), synthetic=credential.synthetic
        )
        nonce = self._nonce()
        issued = self._issued(family, scope, refresh, nonce, now, epoch)
        lost = self.store.rotate(family, refresh.digest, nonce, now, epoch)
        if lost is not None:
            if lost.found is not None:
                self._effect(lost.found, credential, client, now, epoch)
            raise InvalidGrant(_TOKEN_REFUSED)
        return issued

    def _begin(self, code: Code, epoch: int) -> tuple[Family, Credential]:
        """Return the family that a code issues, and its first refresh token."""
        handle = credentials.handle_from(self.entropy(HANDLE_BYTES))
        refresh = credentials.mint_refresh(handle, self.entropy(SECRET_BYTES), synthetic=code.synthetic)
        family = Family(
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
        )
        return family, refresh

    def _issued(self, family: Family, scope: Scope, refresh: Credential, nonce: str, now: int, epoch: int) -> Issued:
        """Sign an access token, and put it together with the refresh token.

        The token's id is the request's nonce: it tells, of a token somebody holds, whether it came of the last rotation.
        """
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
        return Issued(self.signer.sign(token), expires_at - now, refresh.text, scope)

    def _revoke_issued(self, code: Code, now: int) -> None:
        """Revoke what the code's first redemption issued."""
        if code.family is not None:
            self.store.revoke(code.family, Cause.REPLAY, now, synthetic=code.synthetic)

    def _effect(self, family: Family, credential: Credential, client: Client, now: int, epoch: int) -> families.Effect:
        """Return what presenting this token brings about. Where it is REVOKE, that has been done."""
        effect = families.effect(family, credential.digest, client.client_id, now, epoch)
        if effect is families.Effect.REVOKE:
            self.store.revoke(family.family_id, Cause.REUSE, now, synthetic=family.synthetic)
        return effect

    def _nonce(self) -> str:
        return credentials.base64url(self.entropy(_NONCE_BYTES))
