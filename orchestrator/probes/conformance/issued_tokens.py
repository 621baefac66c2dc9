"""Checks of what is in access tokens and ID tokens."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from orchestrator.domain.compliance.result import NotChecked
from orchestrator.domain.sign_in.jwt import Jwt, parse_jwt
from orchestrator.domain.sign_in.tokens import access_token_hash
from orchestrator.domain.untrusted_json import quoted
from orchestrator.probes.checks import CLIENT_ID
from orchestrator.probes.conformance.registry import Registry, joined
from orchestrator.probes.conformance.session import NONCE, Session
from orchestrator.probes.conformance.signatures import verifies_es256
from orchestrator.probes.conformance.tokens import LONGEST_LIFETIME_SECONDS

registry = Registry()

REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
"""The required claims of an access token (RFC 9068 §2.2)."""
PERSONAL = ("name", "given_name", "family_name", "email", "phone_number", "address", "birthdate")
_ES256 = "ES256"


def _access(session: Session) -> Jwt:
    token = parse_jwt(session.openid_grant.access)
    if token is None:
        raise NotChecked("the access token is no JWT, which the control on its type reports")
    return token


def _id_token(session: Session) -> Jwt:
    token = parse_jwt(session.openid_grant.id_token)
    if token is None:
        raise NotChecked("the ID token is no JWT")
    return token


@registry.control("oauth-access-token-type")
def _type(session: Session) -> str:
    token = parse_jwt(session.openid_grant.access)
    if token is None:
        return "it is no JWT"
    kind = str(token.header.get("typ")).lower().removeprefix("application/")
    return "" if kind == "at+jwt" else f"typ is {quoted(token.header.get('typ'))}"


def _is_asymmetric(token: Jwt) -> str:
    algorithm = str(token.header.get("alg"))
    weak = algorithm.lower() == "none" or algorithm.upper().startswith("HS")
    return f"alg is {quoted(algorithm)}" if weak or not token.signature else ""


registry.add("oauth-access-token-algorithm", lambda session: _is_asymmetric(_access(session)))


def _key_of(session: Session, token: Jwt) -> Mapping[str, Any] | None:
    return next((key for key in session.keys if key.get("kid") == token.header.get("kid")), None)


def _has_key(session: Session, token: Jwt) -> str:
    key = _key_of(session, token)
    if key is None:
        return "its kid is not in the key set"
    return "" if key.get("alg") in {None, token.header.get("alg")} else f"its key is for {quoted(key.get('alg'))}"


registry.add("oauth-access-token-key", lambda session: _has_key(session, _access(session)))


def _is_signed(session: Session, token: Jwt) -> str:
    """Verify a signature of ES256 (RFC 7518 §3.4) by the key that the token names."""
    key = _key_of(session, token)
    if key is None or token.header.get("alg") != _ES256 or key.get("crv") != "P-256":
        return "it has no key in the key set that verifies it"
    if find_spec("cryptography") is None:
        raise NotChecked("cryptography is not installed", "install the extra `lambdas`")
    return "" if verifies_es256(key, token) else "it does not verify"


registry.add("oauth-access-token-signature", lambda session: _is_signed(session, _access(session)))


@registry.control("oauth-access-token-claims")
def _claims(session: Session) -> str:
    absent = [name for name in REQUIRED if not _access(session).claims.get(name)]
    return f"without {', '.join(absent)}" if absent else ""


def _names_issuer(session: Session, token: Jwt) -> str:
    named = token.claims.get("iss")
    return "" if named == session.issuer else f"iss is {quoted(named)} instead of {session.issuer}"


registry.add("oauth-access-token-issuer", lambda session: _names_issuer(session, _access(session)))


@registry.control("oauth-access-token-audience")
def _audience(session: Session) -> str:
    audience = _access(session).claims.get("aud")
    single = isinstance(audience, str) or (isinstance(audience, list) and len(audience) == 1)
    return "" if single and audience else f"aud is {quoted(audience)}"


@registry.control("oauth-access-token-client")
def _client(session: Session) -> str:
    named = _access(session).claims.get("client_id")
    return "" if named == CLIENT_ID else f"client_id is {quoted(named)}"


def _seconds(token: Jwt) -> int:
    issued, expires = token.claims.get("iat"), token.claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        return 0
    return expires - issued


@registry.control("oauth-access-token-lifetime")
def _lifetime(session: Session) -> str:
    seconds = _seconds(_access(session))
    return "" if 0 < seconds <= LONGEST_LIFETIME_SECONDS else f"it lives {seconds} s"


@registry.control("oauth-access-token-unique")
def _unique(session: Session) -> str:
    other = parse_jwt(session.plain_grant.access)
    ids = {_access(session).claims.get("jti"), other.claims.get("jti") if other else None}
    return "" if len(ids) == 2 and None not in ids else "two tokens have the same jti, or none"  # noqa: PLR2004 - two


@registry.control("oauth-access-token-scope")
def _scope(session: Session) -> str:
    value = _access(session).claims.get("scope")
    return "" if set(str(value).split()) == {"openid", "profile"} else f"scope is {quoted(value)}"


@registry.control("oauth-access-token-private")
def _private(session: Session) -> str:
    found = [name for name in PERSONAL if name in _access(session).claims]
    return f"it has {', '.join(found)}" if found else ""


# --- ID tokens -------------------------------------------------------------------------------------------


@registry.control("oauth-id-token-issued")
def _issued(session: Session) -> str:
    token = session.openid_grant.document.get("id_token")
    return "" if isinstance(token, str) and parse_jwt(token) else "no ID token was issued"


@registry.control("oauth-id-token-only-for-openid")
def _only_for_openid(session: Session) -> str:
    return "an ID token was issued" if "id_token" in session.plain_grant.document else ""


registry.add("oauth-id-token-issuer", lambda session: _names_issuer(session, _id_token(session)))


@registry.control("oauth-id-token-audience")
def _id_audience(session: Session) -> str:
    audience = _id_token(session).claims.get("aud")
    return "" if audience in (CLIENT_ID, [CLIENT_ID]) else f"aud is {quoted(audience)}"


@registry.control("oauth-id-token-times")
def _times(session: Session) -> str:
    return "" if _seconds(_id_token(session)) > 0 else "exp or iat is missing, or exp is not later"


@registry.control("oauth-id-token-nonce")
def _nonce(session: Session) -> str:
    return "" if _id_token(session).claims.get("nonce") == NONCE else "the nonce is missing or another one"


@registry.control("oauth-id-token-at-hash")
def _at_hash(session: Session) -> str:
    wanted = access_token_hash(session.openid_grant.access)
    return "" if _id_token(session).claims.get("at_hash") == wanted else "at_hash is missing or of another token"


@registry.control("oauth-id-token-algorithm")
def _id_algorithm(session: Session) -> str:
    token = _id_token(session)
    announced = session.openid_metadata.get("id_token_signing_alg_values_supported")
    offered = isinstance(announced, list) and token.header.get("alg") in announced
    return joined(
        _is_asymmetric(token),
        "" if offered else f"alg {quoted(token.header.get('alg'))} is not announced",
        _has_key(session, token),
    )


registry.add("oauth-id-token-signature", lambda session: _is_signed(session, _id_token(session)))
