"""Checks of the protected resource userinfo, revocation, introspection and registration."""

from __future__ import annotations

from http import HTTPStatus

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.compliance.result import NotApplicable, NotChecked
from orchestrator.domain.sign_in.jwt import parse_jwt
from orchestrator.domain.untrusted_json import quoted
from orchestrator.probes.checks import CLIENT_ID
from orchestrator.probes.conformance.authorization import ELSEWHERE
from orchestrator.probes.conformance.discovery import RESOURCE
from orchestrator.probes.conformance.messages import encode_part
from orchestrator.probes.conformance.registry import Registry, joined, other_status
from orchestrator.probes.conformance.session import Session
from orchestrator.probes.conformance.tokens import (
    UNKNOWN_REFRESH_TOKEN,
    allows_no_credentials,
    basic,
    challenge_of,
    has_no_get,
    is_no_store,
    refused,
)
from orchestrator.probes.synthetic_client import json_object, oauth_error

registry = Registry()

USERINFO, REVOKE, INTROSPECT, REGISTER = "/userinfo", "/revoke", "/introspect", "/register"


def _is_refused(response: HttpResponse) -> str:
    return other_status(response, HTTPStatus.UNAUTHORIZED, HTTPStatus.BAD_REQUEST)


# --- userinfo --------------------------------------------------------------------------------------------

registry.add(
    "oauth-userinfo-get",
    lambda session: other_status(session.userinfo(session.openid_grant.access), HTTPStatus.OK),
)


@registry.control("oauth-userinfo-post")
def _post(session: Session) -> str:
    headers = {"Authorization": f"Bearer {session.openid_grant.access}"}
    return other_status(session.send(HttpRequest("POST", USERINFO, headers=headers)), HTTPStatus.OK)


@registry.control("oauth-userinfo-subject")
def _subject(session: Session) -> str:
    token = parse_jwt(session.openid_grant.id_token)
    named = json_object(session.userinfo(session.openid_grant.access)).get("sub")
    return "" if token and named and named == token.claims.get("sub") else "sub differs, or is missing"


registry.add("oauth-userinfo-no-store", lambda session: is_no_store(session.userinfo(session.openid_grant.access)))


@registry.control("oauth-bearer-challenge")
def _challenge(session: Session) -> str:
    response = session.get(USERINFO)
    challenge = challenge_of(response)
    return joined(
        other_status(response, HTTPStatus.UNAUTHORIZED),
        "" if challenge.lower().startswith("bearer") else f"WWW-Authenticate is {quoted(challenge)}",
    )


@registry.control("oauth-bearer-no-error-without-token")
def _no_error(session: Session) -> str:
    challenge = challenge_of(session.get(USERINFO))
    return f"WWW-Authenticate is {quoted(challenge)}" if "error=" in challenge or not challenge else ""


@registry.control("oauth-bearer-resource-metadata")
def _resource_metadata(session: Session) -> str:
    challenge = challenge_of(session.get(USERINFO))
    wanted = f'resource_metadata="{session.issuer}{RESOURCE}{USERINFO}"'
    return "" if wanted in challenge else f"WWW-Authenticate is {quoted(challenge)}"


@registry.control("oauth-bearer-invalid-token")
def _invalid(session: Session) -> str:
    response = session.userinfo("not-a-token")
    challenge = challenge_of(response)
    return joined(
        other_status(response, HTTPStatus.UNAUTHORIZED),
        "" if 'error="invalid_token"' in challenge else f"WWW-Authenticate is {quoted(challenge)}",
    )


@registry.control("oauth-bearer-query")
def _query(session: Session) -> str:
    _accepts_tokens(session)
    # The token ends right after: an access log may have it by now.
    granted = session.grant()
    response = session.send(HttpRequest("GET", USERINFO, query={"access_token": granted.access}))
    session.post(REVOKE, {"client_id": CLIENT_ID, "token": granted.refresh})
    return _is_refused(response)


registry.add(
    "oauth-bearer-form",
    lambda session: _is_refused(session.post(USERINFO, {"access_token": session.openid_grant.access})),
)


@registry.control("oauth-bearer-malformed")
def _malformed(session: Session) -> str:
    _accepts_tokens(session)
    return _is_refused(session.send(HttpRequest("GET", USERINFO, headers={"Authorization": "Bearer a b"})))


def _accepts_tokens(session: Session) -> None:
    """Check that userinfo accepts a valid token; without that, a refusal proves nothing.

    Raises:
        NotChecked: it does not.
    """
    if problem := other_status(session.userinfo(session.openid_grant.access), HTTPStatus.OK):
        raise NotChecked(f"a valid token {problem}", "solve oauth-userinfo-get first")


@registry.control("oauth-bearer-scheme-case")
def _scheme_case(session: Session) -> str:
    headers = {"Authorization": f"bEaReR {session.openid_grant.access}"}
    return other_status(session.send(HttpRequest("GET", USERINFO, headers=headers)), HTTPStatus.OK)


@registry.control("oauth-bearer-unsigned")
def _unsigned(session: Session) -> str:
    _accepts_tokens(session)
    token = parse_jwt(session.openid_grant.access)
    if token is None:
        raise NotChecked("the access token is no JWT")
    unsigned = f"{encode_part({'alg': 'none', 'typ': 'at+jwt'})}.{encode_part(token.claims)}."
    return _is_refused(session.userinfo(unsigned))


@registry.control("oauth-bearer-tampered")
def _tampered(session: Session) -> str:
    _accepts_tokens(session)
    token = parse_jwt(session.openid_grant.access)
    if token is None:
        raise NotChecked("the access token is no JWT")
    header, _, signature = session.openid_grant.access.split(".")
    changed = encode_part({**token.claims, "scope": "openid profile email"})
    return _is_refused(session.userinfo(f"{header}.{changed}.{signature}"))


registry.add("oauth-bearer-id-token", lambda session: _is_refused(session.userinfo(session.openid_grant.id_token)))
registry.add("oauth-bearer-refresh-token", lambda session: _is_refused(session.userinfo(session.openid_grant.refresh)))


@registry.control("oauth-bearer-cors")
def _cors(session: Session) -> str:
    headers = {"Authorization": f"Bearer {session.openid_grant.access}", "Origin": ELSEWHERE}
    return allows_no_credentials(session.send(HttpRequest("GET", USERINFO, headers=headers)))


# --- revocation ------------------------------------------------------------------------------------------

registry.add("oauth-revocation-works", lambda session: other_status(session.revoked[1], HTTPStatus.OK))


@registry.control("oauth-revocation-refresh")
def _revoked_refresh(session: Session) -> str:
    granted, _ = session.revoked
    return refused(session.refresh(granted.refresh), "invalid_grant")


@registry.control("oauth-revocation-access")
def _revoked_access(session: Session) -> str:
    granted, _ = session.revoked
    return other_status(session.userinfo(granted.access), HTTPStatus.UNAUTHORIZED)


@registry.control("oauth-revocation-unknown")
def _unknown(session: Session) -> str:
    _ = session.revoked
    return other_status(session.post(REVOKE, {"client_id": CLIENT_ID, "token": "not-a-token"}), HTTPStatus.OK)


registry.add(
    "oauth-revocation-token-required",
    lambda session: refused(session.post(REVOKE, {"client_id": CLIENT_ID}), "invalid_request"),
)
registry.add(
    "oauth-revocation-client",
    lambda session: refused(session.post(REVOKE, {"client_id": "no-such-client", "token": "t"}), "invalid_client"),
)


@registry.control("oauth-revocation-post-only")
def _revocation_post_only(session: Session) -> str:
    _ = session.revoked
    return has_no_get(session, REVOKE)


# --- introspection ---------------------------------------------------------------------------------------


def _introspect(session: Session, form: dict[str, str], **headers: str) -> HttpResponse:
    if "introspection_endpoint" not in session.metadata:
        raise NotApplicable("the metadata announces no introspection endpoint")
    # A usage plan may ask for an API key, which is refused before it reaches the service: also a refusal.
    return session.send(
        HttpRequest("POST", INTROSPECT, headers=headers, form={"token": UNKNOWN_REFRESH_TOKEN, **form}),
        may_be_unrouted=True,
    )


def _keyed(response: HttpResponse) -> HttpResponse:
    """Return a response of the service.

    Raises:
        NotApplicable: API Gateway asked for an API key first.
    """
    if response.status == HTTPStatus.FORBIDDEN:
        raise NotApplicable("API Gateway asks for an API key before introspection")
    return response


@registry.control("oauth-introspection-authenticated")
def _authenticated(session: Session) -> str:
    response = _introspect(session, {}, Authorization=basic("no-such-client", "not-a-secret"))
    return other_status(response, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@registry.control("oauth-introspection-public-client")
def _public_client(session: Session) -> str:
    response = _introspect(session, {"client_id": CLIENT_ID})
    return other_status(response, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@registry.control("oauth-introspection-post-only")
def _introspection_post_only(session: Session) -> str:
    if problem := _public_client(session):
        raise NotChecked(f"by POST it {problem}", "solve oauth-introspection-public-client first")
    return has_no_get(session, INTROSPECT)


@registry.control("oauth-introspection-no-cors")
def _introspection_cors(session: Session) -> str:
    allowed = _keyed(_introspect(session, {"client_id": CLIENT_ID}, Origin=ELSEWHERE)).header(
        "access-control-allow-origin"
    )
    return f"Access-Control-Allow-Origin is {quoted(allowed)}" if allowed else ""


registry.add(
    "oauth-introspection-no-store",
    lambda session: is_no_store(_keyed(_introspect(session, {"client_id": CLIENT_ID}))),
)


# --- registration ----------------------------------------------------------------------------------------


def _register(session: Session, **headers: str) -> HttpResponse:
    if "registration_endpoint" not in session.metadata:
        raise NotApplicable("the metadata announces no registration endpoint")
    # The metadata is invalid, so that no client is registered even if the request is accepted.
    json_headers = {"Content-Type": "application/json", **headers}
    return session.send(HttpRequest("POST", REGISTER, headers=json_headers, body="{}"), may_be_unrouted=True)


@registry.control("oauth-registration-authorized")
def _authorized(session: Session) -> str:
    return other_status(_register(session), HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@registry.control("oauth-registration-wrong-token")
def _wrong_token(session: Session) -> str:
    response = _register(session, Authorization="Bearer not-the-initial-access-token")
    return joined(
        other_status(response, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
        "it was registered" if response.status == HTTPStatus.CREATED else "",
    )


@registry.control("oauth-registration-announced")
def _announced(session: Session) -> str:
    if "registration_endpoint" in session.metadata:
        return ""
    headers = {"Content-Type": "application/json"}
    response = session.send(HttpRequest("POST", REGISTER, headers=headers, body="{}"), may_be_unrouted=True)
    exists = response.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.FORBIDDEN}
    return f"it is not announced, and returned {response.status} {oauth_error(response)}".rstrip() if exists else ""
