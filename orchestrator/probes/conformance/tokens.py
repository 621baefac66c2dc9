"""Checks of the token endpoint: its requests, codes and refresh tokens."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.compliance.result import NotChecked
from orchestrator.domain.sign_in.pkce import code_challenge
from orchestrator.domain.untrusted_json import quoted
from orchestrator.probes.checks import CLIENT_ID, REDIRECT_URI, UNKNOWN_CODE, VERIFIER
from orchestrator.probes.conformance.authorization import ELSEWHERE, unguessable
from orchestrator.probes.conformance.messages import repeated_query
from orchestrator.probes.conformance.registry import Registry, joined, other_status
from orchestrator.probes.conformance.session import Session
from orchestrator.probes.synthetic_client import json_object, oauth_error

registry = Registry()

FORM = "application/x-www-form-urlencoded"
UNKNOWN_REFRESH_TOKEN = f"ibrs_{'A' * 22}.{'A' * 43}"
LONGEST_LIFETIME_SECONDS = 3600
ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
    }
)
_UNROUTED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""How API Gateway or the service refuses a method that an address does not have."""
_UNKNOWN_CODE = {"code": UNKNOWN_CODE, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}


def refused(response: HttpResponse, *errors: str) -> str:
    """Return that a response is no refusal with one of these OAuth errors; empty if it is."""
    if not HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"returned {response.status} instead of refusing it"
    found = oauth_error(response)
    return "" if found in errors else f"refused with {quoted(found)} instead of {' or '.join(errors)}"


def is_no_store(response: HttpResponse) -> str:
    """Return what Cache-Control is, if a cache may store the response."""
    value = response.header("cache-control")
    return "" if "no-store" in value else f"Cache-Control is {quoted(value)}"


def allows_no_credentials(response: HttpResponse) -> str:
    """Return that scripts may send credentials; empty if they may not."""
    allowed = response.header("access-control-allow-credentials")
    return f"Access-Control-Allow-Credentials is {quoted(allowed)}" if allowed else ""


def has_no_get(session: Session, path: str) -> str:
    """Return that an address answers GET; empty if it refuses the method."""
    return other_status(session.get(path), *_UNROUTED)


# --- successful responses --------------------------------------------------------------------------------


@registry.control("oauth-flow-completes")
def _flow(session: Session) -> str:
    # A flow that fails raises FlowFailed for every check, and is a failure of this one.
    return "" if session.openid_grant.access and session.plain_grant.access else "no tokens were issued"


@registry.control("oauth-token-json")
def _json(session: Session) -> str:
    content_type = session.openid_grant.response.header("content-type").partition(";")[0].strip().lower()
    return "" if content_type == "application/json" else f"Content-Type is {quoted(content_type)}"


registry.add("oauth-token-no-store", lambda session: is_no_store(session.openid_grant.response))


@registry.control("oauth-token-pragma")
def _pragma(session: Session) -> str:
    value = session.openid_grant.response.header("pragma")
    return "" if value == "no-cache" else f"Pragma is {quoted(value)}"


@registry.control("oauth-token-type")
def _type(session: Session) -> str:
    value = session.openid_grant.document.get("token_type")
    return "" if str(value).lower() == "bearer" else f"token_type is {quoted(value)}"


@registry.control("oauth-token-expires")
def _expires(session: Session) -> str:
    value = session.openid_grant.document.get("expires_in")
    valid = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LONGEST_LIFETIME_SECONDS
    return "" if valid else f"expires_in is {quoted(value)}"


@registry.control("oauth-token-scope")
def _scope(session: Session) -> str:
    value = session.openid_grant.document.get("scope")
    return "" if set(str(value).split()) == {"openid", "profile"} else f"scope is {quoted(value)}"


# --- refused requests ------------------------------------------------------------------------------------


@registry.control("oauth-token-post-only")
def _post_only(session: Session) -> str:
    _ = session.openid_grant  # the address exists
    return has_no_get(session, "/token")


@registry.control("oauth-token-no-query")
def _no_query(session: Session) -> str:
    query = {"grant_type": "authorization_code", "client_id": CLIENT_ID, **_UNKNOWN_CODE}
    response = session.send(HttpRequest("POST", "/token", query=query, form={}))
    # With the parameters read, the code would be found to be unknown.
    return refused(response, "invalid_request", "invalid_client")


@registry.control("oauth-token-form-only")
def _form_only(session: Session) -> str:
    body = json.dumps({"grant_type": "authorization_code", "client_id": CLIENT_ID, **_UNKNOWN_CODE}, allow_nan=False)
    response = session.send(HttpRequest("POST", "/token", headers={"Content-Type": "application/json"}, body=body))
    return refused(response, "invalid_request", "invalid_client")


registry.add("oauth-token-grant-required", lambda session: refused(session.token(), "invalid_request"))
registry.add(
    "oauth-token-unknown-grant",
    lambda session: refused(session.token(grant_type="urn:no-such-grant"), "unsupported_grant_type"),
)
registry.add(
    "oauth-token-password-grant",
    lambda session: refused(
        session.token(grant_type="password", username="synthetic", password="not-a-password"),  # noqa: S106 - is none
        "unsupported_grant_type",
    ),
)
registry.add(
    "oauth-token-client-credentials",
    lambda session: refused(
        session.token(grant_type="client_credentials"), "unsupported_grant_type", "unauthorized_client"
    ),
)


@registry.control("oauth-token-repeated-parameter")
def _repeated(session: Session) -> str:
    form = {"grant_type": "authorization_code", "client_id": CLIENT_ID, **_UNKNOWN_CODE}
    body = repeated_query(form, "code", UNKNOWN_CODE)
    response = session.send(HttpRequest("POST", "/token", headers={"Content-Type": FORM}, body=body))
    return refused(response, "invalid_request")


@registry.control("oauth-token-unknown-client")
def _unknown_client(session: Session) -> str:
    form = {"grant_type": "authorization_code", "client_id": "no-such-client", **_UNKNOWN_CODE}
    return refused(session.post("/token", form), "invalid_client")


@registry.control("oauth-token-no-client")
def _no_client(session: Session) -> str:
    response = session.post("/token", {"grant_type": "authorization_code", **_UNKNOWN_CODE})
    return refused(response, "invalid_client", "invalid_request")


def basic(client: str, secret: str) -> str:
    """Return a header of HTTP Basic."""
    return f"Basic {base64.b64encode(f'{client}:{secret}'.encode()).decode()}"


@registry.control("oauth-token-basic-challenge")
def _challenge(session: Session) -> str:
    form = {"grant_type": "authorization_code", **_UNKNOWN_CODE}
    response = session.post("/token", form, Authorization=basic("no-such-client", "not-a-secret"))
    challenge = challenge_of(response)
    return joined(
        other_status(response, HTTPStatus.UNAUTHORIZED),
        "" if challenge.lower().startswith("basic") else f"WWW-Authenticate is {quoted(challenge)}",
    )


def challenge_of(response: HttpResponse) -> str:
    """Return the challenge, also under the name that a REST API gives to the header of its functions."""
    return response.header("www-authenticate") or response.header("x-amzn-remapped-www-authenticate")


@registry.control("oauth-token-one-authentication")
def _one_authentication(session: Session) -> str:
    form = {"grant_type": "authorization_code", "client_id": CLIENT_ID, "client_secret": "not-a-secret"}
    response = session.post("/token", {**form, **_UNKNOWN_CODE}, Authorization=basic(CLIENT_ID, "not-a-secret"))
    return refused(response, "invalid_request", "invalid_client")


def _error(session: Session) -> HttpResponse:
    return session.token(grant_type="authorization_code", **_UNKNOWN_CODE)


registry.add("oauth-token-error-no-store", lambda session: is_no_store(_error(session)))


@registry.control("oauth-token-error-json")
def _error_json(session: Session) -> str:
    response = _error(session)
    error = json_object(response).get("error")
    content_type = response.header("content-type").partition(";")[0].strip().lower()
    return joined(
        "" if content_type == "application/json" else f"Content-Type is {quoted(content_type)}",
        "" if error in ERRORS else f"the error is {quoted(error)}",
    )


@registry.control("oauth-token-cors")
def _cors(session: Session) -> str:
    _ = session.openid_grant
    form = {"grant_type": "authorization_code", "client_id": CLIENT_ID, **_UNKNOWN_CODE}
    return allows_no_credentials(session.post("/token", form, Origin=ELSEWHERE))


# --- codes -----------------------------------------------------------------------------------------------

registry.add("oauth-code-unknown", lambda session: refused(_error(session), "invalid_grant"))
registry.add(
    "oauth-code-without-verifier",
    lambda session: refused(
        session.redeem(session.pending_code.code, code_verifier=None), "invalid_request", "invalid_grant"
    ),
)
registry.add(
    "oauth-code-wrong-verifier",
    lambda session: refused(session.redeem(session.pending_code.code, code_verifier=VERIFIER), "invalid_grant"),
)


@registry.control("oauth-code-challenge-as-verifier")
def _challenge_as_verifier(session: Session) -> str:
    code = session.pending_code.code
    return refused(session.redeem(code, code_verifier=code_challenge(code.verifier)), "invalid_grant")


registry.add(
    "oauth-code-other-redirect",
    lambda session: refused(
        session.redeem(session.pending_code.code, redirect_uri=f"{REDIRECT_URI}/longer"),
        "invalid_grant",
        "invalid_request",
    ),
)
registry.add("oauth-code-once", lambda session: refused(session.replayed[1], "invalid_grant"))


@registry.control("oauth-code-replay-revokes-access")
def _replay_revokes_access(session: Session) -> str:
    granted, _ = session.replayed
    return other_status(session.userinfo(granted.access), HTTPStatus.UNAUTHORIZED)


@registry.control("oauth-code-replay-revokes-refresh")
def _replay_revokes_refresh(session: Session) -> str:
    granted, _ = session.replayed
    return refused(session.refresh(granted.refresh), "invalid_grant")


# --- refresh tokens --------------------------------------------------------------------------------------


@registry.control("oauth-refresh-works")
def _refresh_works(session: Session) -> str:
    _, first, _ = session.refreshed
    return other_status(session.userinfo(first.access), HTTPStatus.OK)


@registry.control("oauth-refresh-rotated")
def _rotated(session: Session) -> str:
    granted, first, second = session.refreshed
    tokens = [granted.refresh, first.refresh, second.refresh]
    return "" if len(set(tokens)) == len(tokens) else "a refresh returned the same refresh token"


@registry.control("oauth-refresh-reuse-refused")
def _reuse_refused(session: Session) -> str:
    return refused(session.reused, "invalid_grant")


@registry.control("oauth-refresh-reuse-revokes")
def _reuse_revokes(session: Session) -> str:
    _, _, newest = session.refreshed
    if not HTTPStatus.BAD_REQUEST <= session.reused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NotChecked("the used refresh token was not refused, so its use could end nothing")
    return refused(session.refresh(newest.refresh), "invalid_grant")


registry.add("oauth-refresh-unknown", lambda session: refused(session.refresh(UNKNOWN_REFRESH_TOKEN), "invalid_grant"))


@registry.control("oauth-refresh-no-more-scope")
def _no_more_scope(session: Session) -> str:
    return refused(session.refresh(session.plain_grant.refresh, scope="profile email"), "invalid_scope")


registry.add(
    "oauth-refresh-entropy",
    lambda session: unguessable([session.openid_grant.refresh, session.plain_grant.refresh]),
)
