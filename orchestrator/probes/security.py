"""Security: does canary still refuse what must be refused, and send the headers that protect its users?

Sources: RFC 9700 (OAuth security best current practice), RFC 8725 (JWT best current practices), RFC 6750 §3, RFC 6749 §5.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from orchestrator.domain.observation import Answer, Certificate, Request
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes.checks import (
    CLIENT_ID,
    REDIRECT_URI,
    UNKNOWN_CODE,
    VERIFIER,
    VERSION_HEADER,
    Check,
    Finding,
    all_of,
    examine,
    figures,
    saying,
    status,
)
from orchestrator.probes.health import AUTHORIZE_REQUEST, TOKEN_REQUEST
from orchestrator.probes.ports import Invokes, Web
from orchestrator.probes.scene import Scene

PROBE = "security"
HSTS_SECONDS = 31_536_000
"""One year: less is not taken for the browsers' preload lists."""
CERTIFICATE_WARNING = timedelta(days=14)
MODERN_TLS = frozenset({"TLSv1.2", "TLSv1.3"})
METADATA = Request("GET", "/.well-known/openid-configuration")
USERINFO = Request("GET", "/userinfo")
RENAMED_CHALLENGE = "x-amzn-remapped-www-authenticate"
"""What a REST API calls the WWW-Authenticate of a function's answer."""


def look(scene: Scene, invokes: Invokes, web: Web, *, at_the_edge: bool = True) -> Evidence:
    """Ask canary what it must refuse, and look at the API as clients meet it.

    Args:
        scene: what is looked at.
        invokes: direct calls of canary.
        web: calls through the API.
        at_the_edge: False before traffic, when the API leads to stable alone.

    Raises:
        Throttled, Unreachable: a way in did not work, or the API's certificate is not good.
    """
    findings = examine(checks_for(scene.service.issuer), scene.changed, invokes)
    edge = _edge(scene, web) if at_the_edge else ()
    certificate = web.certificate(scene.service.api_url) if scene.service.tls and at_the_edge else None
    return Evidence(
        probe=PROBE,
        verdict=_judge(scene, findings, edge, certificate),
        versions=scene.versions,
        window=scene.window,
        source="lambda:Invoke of canary" + (f" and {scene.service.api_url}" if at_the_edge else ""),
        samples=len(findings) + len(edge) + (certificate is not None),
        figures={"checks": figures(findings), "edge": figures(edge), "tls": _tls_figures(certificate)},
    )


def checks_for(issuer: str) -> tuple[Check, ...]:
    """Everything that canary must answer rightly.

    Args:
        issuer: what the metadata must name; a service that names another one hands its clients over to it.
    """
    return (
        Check("authorization headers", "authorize", AUTHORIZE_REQUEST, all_of(_protected, _not_stored)),
        Check("plain PKCE", "authorize", AUTHORIZE_REQUEST, _refused_by_redirect),
        Check(
            "no PKCE", "authorize", _authorize_without("code_challenge", "code_challenge_method"), _refused_by_redirect
        ),
        Check(
            "foreign redirect", "authorize", _authorize_to("https://elsewhere.invalid/"), all_of(status(400), _stays)
        ),
        Check("token headers", "token", TOKEN_REQUEST, all_of(_protected, _not_stored)),
        Check("wrong secret", "token", _with_wrong_secret(), all_of(status(401), saying("invalid_client"))),
        Check("unknown code", "token", TOKEN_REQUEST, all_of(status(400), saying("invalid_grant"))),
        Check("metadata headers", "public", METADATA, _protected),
        Check("metadata", "public", METADATA, all_of(status(200), _metadata_of(issuer))),
        Check("keys", "public", Request("GET", "/.well-known/jwks.json"), all_of(status(200), _public_keys_only)),
        Check("no token", "public", USERINFO, all_of(status(401), _challenges)),
        Check("unsigned token", "public", _with_token(_unsigned(issuer)), all_of(status(401), _challenges)),
        Check("token in the address", "public", _token_in_query(), _refuses_token_in_query),
    )


def _judge(
    scene: Scene, findings: Sequence[Finding], edge: Sequence[Finding], certificate: Certificate | None
) -> Verdict:
    wrong = [finding for finding in findings if finding.wrong]
    own = [finding for finding in wrong if not finding.stable_too]
    canary = {function.name: function.canary_version for function in scene.changed}
    wrong_at_the_edge = [finding for finding in edge if finding.wrong]
    own += [finding for finding in wrong_at_the_edge if finding.version == canary.get(finding.function)]
    if own:
        return Verdict.failed("; ".join(finding.told for finding in own))
    if certificate is not None and certificate.protocol not in MODERN_TLS:
        return Verdict.failed(f"the API agreed on {certificate.protocol}")
    if wrong:
        return Verdict.inconclusive("stable fails alike: " + "; ".join(finding.told for finding in wrong))
    if wrong_at_the_edge:
        told = "; ".join(finding.told for finding in wrong_at_the_edge)
        return Verdict.inconclusive(f"through the API, and not by canary: {told}")
    return Verdict.passed(f"{len(findings) + len(edge)} checks answered as they should{_tls_note(scene, certificate)}")


def _edge(scene: Scene, web: Web) -> tuple[Finding, ...]:
    """What only the API can get wrong: headers that it takes away or renames on the way out."""
    asked = ((METADATA, "headers", _protected), (USERINFO, "no token", all_of(status(401), _challenges_renamed)))
    found = []
    for request, name, wrong in asked:
        answer = web.send(scene.service.api_url, request)
        version = answer.header(VERSION_HEADER) or "unknown"
        told = wrong(answer)
        found.append(
            Finding(f"{name} at the edge", "public", version, told, answer.status, round(answer.elapsed_ms, 1))
        )
    return tuple(found)


def _protected(answer: Answer) -> str:
    transport = answer.header("strict-transport-security").lower().replace(" ", "")
    age = next((part[8:] for part in transport.split(";") if part.startswith("max-age=")), "")
    if not age.isdigit() or int(age) < HSTS_SECONDS:
        return f"Strict-Transport-Security is {transport or 'missing'}"
    if answer.header("x-content-type-options").lower() != "nosniff":
        return "X-Content-Type-Options is not nosniff"
    if "default-src" not in answer.header("content-security-policy"):
        return "Content-Security-Policy has no default-src"
    if not answer.header("referrer-policy"):
        return "Referrer-Policy is missing"
    return ""


def _not_stored(answer: Answer) -> str:
    return "" if "no-store" in answer.header("cache-control") else "Cache-Control is not no-store"


def _refused_by_redirect(answer: Answer) -> str:
    location = answer.header("location")
    if location.startswith(f"{REDIRECT_URI}?") and "error=invalid_request" in location and "code=" not in location:
        return ""
    return f"answered {answer.status} instead of refusing it with invalid_request"


def _stays(answer: Answer) -> str:
    return "redirects to an address that is not registered" if answer.header("location") else ""


def _challenges(answer: Answer) -> str:
    challenge = answer.header("www-authenticate")
    return "" if challenge.startswith("Bearer ") else "401 without a WWW-Authenticate: Bearer challenge"


def _challenges_renamed(answer: Answer) -> str:
    """Hold an answer through the API to its challenge, under the name that what stands before it gives it."""
    return "" if answer.header(RENAMED_CHALLENGE).startswith("Bearer ") else _challenges(answer)


def _refuses_token_in_query(answer: Answer) -> str:
    return "" if answer.status in {400, 401} else f"answered {answer.status} to a token in the address"


def _metadata_of(issuer: str) -> Callable[[Answer], str]:
    def wrong(answer: Answer) -> str:
        document = _document(answer)
        if document.get("issuer") != issuer:
            return f"the issuer is {document.get('issuer')}, not {issuer}"
        if document.get("code_challenge_methods_supported") != ["S256"]:
            return f"PKCE methods are {document.get('code_challenge_methods_supported')}, not S256 alone"
        algorithms = document.get("id_token_signing_alg_values_supported") or []
        weak = [name for name in algorithms if str(name).lower() == "none" or str(name).upper().startswith("HS")]
        return f"offers the signing algorithms {', '.join(map(str, weak))}" if weak else ""

    return wrong


def _public_keys_only(answer: Answer) -> str:
    keys = _document(answer).get("keys")
    if not isinstance(keys, list) or not keys:
        return "publishes no keys"
    # d, p, q … are a private key's, k is a symmetric one's (RFC 7518 §6).
    secret = [name for key in keys for name in ("d", "p", "q", "dp", "dq", "qi", "k") if name in key]
    return f"publishes the private members {', '.join(secret)}" if secret else ""


def _document(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _authorize_without(*left_out: str) -> Request:
    query = {name: value for name, value in AUTHORIZE_REQUEST.query.items() if name not in left_out}
    return Request("GET", "/authorize", query=query)


def _authorize_to(redirect_uri: str) -> Request:
    return Request("GET", "/authorize", query={**AUTHORIZE_REQUEST.query, "redirect_uri": redirect_uri})


def _with_wrong_secret() -> Request:
    return Request("POST", "/token", form={**(TOKEN_REQUEST.form or {}), "client_secret": "not-a-secret"})


def _with_token(token: str) -> Request:
    return Request("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})


def _token_in_query() -> Request:
    return Request("GET", "/userinfo", query={"access_token": "not-a-token"})


def _unsigned(issuer: str) -> str:
    """A token that would be good if ``alg: none`` were believed (RFC 8725 §3.1)."""
    header = {"alg": "none", "typ": "at+jwt"}
    claims = {
        "iss": issuer,
        "sub": "synthetic",
        "aud": "urn:ib-oauth:synthetic",
        "client_id": CLIENT_ID,
        "scope": "profile",
        "iat": 0,
        "exp": 2**32,
        "jti": UNKNOWN_CODE,
        "family": VERIFIER,
        "epoch": 0,
    }
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join([*parts, ""])


def _tls_note(scene: Scene, certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    left = certificate.expires_at - scene.now
    warning = ": renew it" if left < CERTIFICATE_WARNING else ""
    return f"; {certificate.protocol}, the certificate is good for {left.days} days{warning}"


def _tls_figures(certificate: Certificate | None) -> Json:
    if certificate is None:
        return None
    return {"protocol": certificate.protocol, "expires_at": certificate.expires_at.isoformat()}
