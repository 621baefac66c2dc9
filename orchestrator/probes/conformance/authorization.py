"""Checks of the authorization endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.compliance.result import NotChecked
from orchestrator.domain.untrusted_json import quoted
from orchestrator.probes.checks import REDIRECT_URI
from orchestrator.probes.conformance.messages import redirect_parameters, repeated_query
from orchestrator.probes.conformance.registry import Registry, joined, other_status
from orchestrator.probes.conformance.session import AUTHORIZE, STATE, Session
from orchestrator.probes.synthetic_client import BROWSER_COOKIE, form_request

registry = Registry()

ELSEWHERE = "https://elsewhere.invalid/callback"
_HOST = urlsplit(REDIRECT_URI).hostname or ""
_ALLOWED = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
"""The characters of error and error_description (RFC 6749 §4.1.2.1)."""
_LOADED = re.compile(r"""(?:\bsrc|<link\b[^>]*\bhref)\s*=\s*["']?(?:https?:)?//([^/"'\s>]+)""", re.IGNORECASE)
_SHORTEST_SECRET = 22
"""128 bits in base64url."""


def stays_here(response: HttpResponse) -> str:
    """Return that a response leads elsewhere, or is no refusal; empty for an error page."""
    location = response.header("location")
    if location:
        return f"returned {response.status} with a redirect to {quoted(urlsplit(location).netloc)}"
    return "" if HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR else _accepted(response)


def _accepted(response: HttpResponse) -> str:
    return f"returned {response.status} instead of refusing it"


def refused_back(response: HttpResponse, *errors: str) -> str:
    """Return that a request was not refused at its redirect URI with one of these errors; empty if it was."""
    location, parameters = response.header("location"), redirect_parameters(response)
    if not location.startswith(f"{REDIRECT_URI}?") or "code" in parameters or "access_token" in location:
        return _accepted(response)
    found = parameters.get("error", "")
    return "" if found in errors else f"refused with {quoted(found)} instead of {' or '.join(errors)}"


def _accepts(response: HttpResponse) -> str:
    return other_status(response, HTTPStatus.OK) or ("" if "transaction" in response.body else "it is no login page")


# --- accepted requests and error pages -------------------------------------------------------------------

registry.add("oauth-authorize-get", lambda session: _accepts(session.page))


@registry.control("oauth-authorize-post")
def _post(session: Session) -> str:
    response = session.post("/authorize", AUTHORIZE)
    location = response.header("location")
    moved = response.status == HTTPStatus.SEE_OTHER and location.startswith(f"{session.issuer}/authorize?")
    return "" if moved else _accepts(response)


_UNTRUSTED: Mapping[str, Mapping[str, str | None]] = {
    "oauth-authorize-unknown-client": {"client_id": "no-such-client"},
    "oauth-authorize-no-client": {"client_id": None},
    "oauth-redirect-unregistered": {"redirect_uri": ELSEWHERE},
    "oauth-redirect-longer-path": {"redirect_uri": f"{REDIRECT_URI}/longer"},
    "oauth-redirect-traversal": {"redirect_uri": f"{REDIRECT_URI}/../elsewhere"},
    "oauth-redirect-other-query": {"redirect_uri": f"{REDIRECT_URI}?added=1"},
    "oauth-redirect-host-prefix": {"redirect_uri": f"https://{_HOST}.elsewhere.invalid/callback"},
    "oauth-redirect-user-information": {"redirect_uri": f"https://{_HOST}@elsewhere.invalid/callback"},
    "oauth-redirect-scheme": {"redirect_uri": REDIRECT_URI.replace("https:", "http:")},
    "oauth-redirect-port": {"redirect_uri": REDIRECT_URI.replace(_HOST, f"{_HOST}:8443")},
    "oauth-redirect-case": {"redirect_uri": REDIRECT_URI.replace("/callback", "/Callback")},
    "oauth-redirect-fragment": {"redirect_uri": f"{REDIRECT_URI}#fragment"},
    "oauth-redirect-required": {"redirect_uri": None},
}
"""Requests whose client or redirect URI cannot be trusted: the error must be a page."""

_REFUSED: Mapping[str, tuple[Mapping[str, str | None], tuple[str, ...]]] = {
    "oauth-response-type-required": ({"response_type": None}, ("invalid_request",)),
    "oauth-response-type-token": ({"response_type": "token"}, ("unsupported_response_type",)),
    "oauth-response-type-id-token": (
        {"response_type": "id_token", "scope": "openid", "nonce": "n"},
        ("unsupported_response_type",),
    ),
    "oauth-response-type-hybrid": ({"response_type": "code token"}, ("unsupported_response_type",)),
    "oauth-response-mode-fragment": ({"response_mode": "fragment"}, ("invalid_request",)),
    "oauth-response-mode-unoffered": ({"response_mode": "form_post"}, ("invalid_request",)),
    "oauth-pkce-required": ({"code_challenge": None, "code_challenge_method": None}, ("invalid_request",)),
    "oauth-pkce-plain": ({"code_challenge_method": "plain"}, ("invalid_request",)),
    "oauth-pkce-method-default": ({"code_challenge_method": None}, ("invalid_request",)),
    "oauth-pkce-challenge-length": ({"code_challenge": "short"}, ("invalid_request",)),
    "oauth-pkce-challenge-characters": ({"code_challenge": "!" * 43}, ("invalid_request",)),
    "oauth-resource-unknown": ({"resource": "https://elsewhere.invalid/api"}, ("invalid_target",)),
    "oauth-request-object": ({"request": "e30.e30."}, ("request_not_supported",)),
    "oauth-request-uri": ({"request_uri": "https://elsewhere.invalid/object"}, ("request_uri_not_supported",)),
    "oauth-prompt-none": ({"prompt": "none", "scope": "openid"}, ("login_required",)),
    "oauth-registration-parameter": ({"registration": "{}", "scope": "openid"}, ("registration_not_supported",)),
}
"""Requests of a client that is known: the error is reported at its redirect URI."""


def _untrusted(session: Session, *, changes: Mapping[str, str | None]) -> str:
    _ = session.login_page
    return stays_here(session.authorize(**changes))


def _refused(session: Session, *, changes: Mapping[str, str | None], errors: tuple[str, ...]) -> str:
    return refused_back(session.authorize(**changes), *errors)


for _name, _changes in _UNTRUSTED.items():
    registry.add(_name, partial(_untrusted, changes=_changes))
for _name, (_changes, _errors) in _REFUSED.items():
    registry.add(_name, partial(_refused, changes=_changes, errors=_errors))

registry.add("oauth-scope-unknown", lambda session: refused_back(session.refusal, "invalid_scope"))


@registry.control("oauth-authorize-repeated-parameter")
def _repeated(session: Session) -> str:
    query = repeated_query(AUTHORIZE, "scope", "profile")
    return refused_back(session.send(HttpRequest("GET", f"/authorize?{query}")), "invalid_request")


registry.add("oauth-authorize-unknown-parameter", lambda session: _accepts(session.authorize(unknown="1")))
registry.add("oauth-authorize-empty-parameter", lambda session: _accepts(session.authorize(resource="")))


# --- error redirects -------------------------------------------------------------------------------------


@registry.control("oauth-error-state")
def _error_state(session: Session) -> str:
    return "" if redirect_parameters(session.refusal).get("state") == STATE else "the state is missing or changed"


def _names_issuer(session: Session, response: HttpResponse) -> str:
    named = redirect_parameters(response).get("iss")
    if named is None:
        return "the redirect has no iss"
    return "" if named == session.issuer else f"iss is {quoted(named)} instead of {session.issuer}"


registry.add("oauth-error-iss", lambda session: _names_issuer(session, session.refusal))


@registry.control("oauth-error-in-query")
def _error_in_query(session: Session) -> str:
    parameters = redirect_parameters(session.refusal)
    fragment = urlsplit(session.refusal.header("location")).fragment
    return joined(
        "" if parameters.get("error") else "the redirect has no error",
        "a code is with it" if "code" in parameters else "",
        "it has a fragment" if fragment else "",
    )


@registry.control("oauth-error-characters")
def _error_characters(session: Session) -> str:
    parameters = redirect_parameters(session.refusal)
    if not parameters.get("error"):
        return "the redirect has no error"
    wrong = [name for name in ("error", "error_description") if not _ALLOWED.fullmatch(parameters.get(name, ""))]
    return f"{' and '.join(wrong)} has other characters" if wrong else ""


@registry.control("oauth-redirect-status")
def _redirect_status(session: Session) -> str:
    return other_status(session.refusal, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER)


# --- the page --------------------------------------------------------------------------------------------


@registry.control("oauth-page-not-stored")
def _not_stored(session: Session) -> str:
    value = session.login_page.header("cache-control")
    return "" if "no-store" in value else f"Cache-Control is {quoted(value)}"


def _policy(response: HttpResponse) -> Mapping[str, str]:
    directives = (part.strip().partition(" ") for part in response.header("content-security-policy").split(";"))
    return {name.lower(): value.strip() for name, _, value in directives if name}


@registry.control("oauth-page-not-framed")
def _not_framed(session: Session) -> str:
    ancestors = _policy(session.login_page).get("frame-ancestors", "")
    option = session.login_page.header("x-frame-options").upper()
    return joined(
        "" if ancestors == "'none'" else f"frame-ancestors is {quoted(ancestors)}",
        "" if option == "DENY" else f"X-Frame-Options is {quoted(option)}",
    )


@registry.control("oauth-page-referrer")
def _referrer(session: Session) -> str:
    value = session.login_page.header("referrer-policy").lower()
    return "" if value == "no-referrer" else f"Referrer-Policy is {quoted(value)}"


@registry.control("oauth-page-scripts")
def _scripts(session: Session) -> str:
    policy = _policy(session.login_page)
    allowed = policy.get("script-src", policy.get("default-src", "*"))
    unsafe = [word for word in ("'unsafe-inline'", "'unsafe-eval'", "*", "https:", "http:") if word in allowed.split()]
    return f"script-src allows {', '.join(unsafe)}" if unsafe else ""


@registry.control("oauth-page-third-parties")
def _third_parties(session: Session) -> str:
    own = urlsplit(session.issuer).netloc
    foreign = sorted({host for host in _LOADED.findall(session.login_page.body) if host != own})
    return f"it loads from {quoted(foreign)}" if foreign else ""


@registry.control("oauth-page-cookie")
def _cookie(session: Session) -> str:
    cookies = session.login_page.headers.get("set-cookie", ())
    found = next((value for value in cookies if BROWSER_COOKIE in value), "")
    if not found:
        return f"it sets no cookie {BROWSER_COOKIE}"
    attributes = {part.strip().lower() for part in found.split(";")[1:]}
    wanted = {"secure", "httponly", "path=/"}
    absent = sorted(wanted - attributes)
    same_site = {"samesite=lax", "samesite=strict"} & attributes
    return joined(f"it lacks {', '.join(absent)}" if absent else "", "" if same_site else "it lacks SameSite")


@registry.control("oauth-authorize-no-cors")
def _no_cors(session: Session) -> str:
    response = session.send(HttpRequest("GET", "/authorize", query=AUTHORIZE, headers={"Origin": ELSEWHERE}))
    if problem := _accepts(response):
        raise NotChecked(f"a request of another origin {problem}", "solve oauth-authorize-get first")
    allowed = response.header("access-control-allow-origin")
    return f"Access-Control-Allow-Origin is {quoted(allowed)}" if allowed else ""


@registry.control("oauth-login-bound-to-browser")
def _bound_to_browser(session: Session) -> str:
    # The proof is never verified, because the login belongs to another browser.
    found = re.search(r'name="transaction" value="([^"]+)"', session.login_page.body)
    if found is None:
        return "the page has no transaction"
    response = session.send(form_request("/login/synthetic", {"transaction": found[1], "mac": "A" * 43}))
    return stays_here(response)


# --- the answer with a code ------------------------------------------------------------------------------


@registry.control("oauth-code-state")
def _code_state(session: Session) -> str:
    returned = session.openid_grant.authorized.parameters.get("state")
    return "" if returned == STATE else "the state is missing or changed"


registry.add("oauth-code-iss", lambda session: _names_issuer(session, session.openid_grant.authorized.response))


@registry.control("oauth-code-no-token-in-address")
def _no_token_in_address(session: Session) -> str:
    location = session.openid_grant.authorized.response.header("location")
    return joined(
        "it has a token" if "token=" in location else "",
        "it has a fragment" if urlsplit(location).fragment else "",
    )


@registry.control("oauth-code-entropy")
def _code_entropy(session: Session) -> str:
    codes = [one.code.code for one in (session.openid_grant.authorized, session.pending_code)]
    return unguessable(codes)


def unguessable(texts: list[str]) -> str:
    """Return that secrets are short or alike; empty if they are neither."""
    short = any(len(text) < _SHORTEST_SECRET for text in texts)
    return joined(
        f"one has fewer than {_SHORTEST_SECRET} characters" if short else "",
        "two are equal" if len(set(texts)) < len(texts) else "",
    )
