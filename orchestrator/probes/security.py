"""Security probe: does the canary still refuse what it must refuse, and send the security headers?

Sources: RFC 9700 (OAuth security best current practice), RFC 8725 (JWT best current practices), RFC 6750 §3,
RFC 6749 §5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from orchestrator.domain.analysis.observations import VERSION_HEADER, Certificate, HttpRequest, HttpResponse
from orchestrator.domain.analysis.repeated_checks import ProbeTests, spent_by_probe
from orchestrator.domain.analysis.running_tests import ComparedRate
from orchestrator.domain.base64url import encode_base64url
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict
from orchestrator.probes.checks import (
    CLIENT_ID,
    REDIRECT_URI,
    UNKNOWN_CODE,
    VERIFIER,
    Check,
    CheckRun,
    ProbeRun,
    check_figures,
    expect_all,
    expect_in_body,
    expect_status,
    run_checks,
)
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.health import (
    AUTHORIZE_REQUEST,
    EDGE,
    TOKEN_REQUEST,
    WHOLE_DEPLOYMENT,
    edge_failure,
    edge_rates,
    proved_at_the_edge,
)
from orchestrator.probes.ports import HttpClient, Invoker, Pace

PROBE = "security"
HSTS_SECONDS = 31_536_000
"""One year, the minimum of the browsers' preload lists."""
CERTIFICATE_WARNING = timedelta(days=14)
MODERN_TLS = frozenset({"TLSv1.2", "TLSv1.3"})
METADATA = HttpRequest("GET", "/.well-known/openid-configuration")
USERINFO = HttpRequest("GET", "/userinfo")
RENAMED_CHALLENGE = "x-amzn-remapped-www-authenticate"
"""The header to which a REST API renames a function's WWW-Authenticate."""


@dataclass(frozen=True)
class EdgeCheck:
    """The response through the API to one check of `public`, and what is wrong with it (empty if nothing is)."""

    check: str
    version: str
    status: int
    problem: str

    @property
    def summary(self) -> str:
        """One clause for a reason."""
        return f"public:{self.version or 'unknown'} {self.check}: {self.problem}"


def run(
    context: ProbeContext, invoker: Invoker, http: HttpClient, pace: Pace | None = None, *, at_the_edge: bool = True
) -> ProbeRun:
    """Send both versions what they must refuse, and check the API as clients meet it.

    Args:
        context: the subject of the evaluation.
        invoker: direct invocation.
        http: calls through the API.
        pace: the clock of repetitions.
        at_the_edge: False before traffic, while the API leads only to stable.

    Raises:
        Throttled, Unreachable: the functions or the API could not be called, or the API's certificate is not valid.
    """
    edge = check_edge(context, http) if at_the_edge else ()
    certificate = http.certificate(context.service.api_url) if context.service.tls and at_the_edge else None
    tests = ProbeTests.from_json(context.prior.get(PROBE), (EDGE,))
    rates = edge_rates(
        context, tests.rates[EDGE], [("public", one.version, bool(one.problem)) for one in edge], ("public",)
    )
    tests = tests.with_rates(EDGE, tests.rates[EDGE].update(WHOLE_DEPLOYMENT, rates))
    checked = run_checks(checks_for(context.service.issuer), context, invoker, tests, pace or Pace())
    evidence = Evidence(
        probe=PROBE,
        verdict=judge(context, checked, edge, rates, certificate),
        versions=context.versions,
        window=context.window,
        source="lambda:Invoke of both versions" + (f" and {context.service.api_url}" if at_the_edge else ""),
        samples=checked.calls + len(edge) + (certificate is not None),
        figures={
            "checks": check_figures(checked.answers),
            "edge": _edge_figures(edge),
            "tls": _tls_figures(certificate),
            "false_alarm": spent_by_probe(context.thresholds, checked.tests.log_evidence),
        },
    )
    return ProbeRun(evidence, checked.tests, checked.result.note)


def checks_for(issuer: str) -> tuple[Check, ...]:
    """Return all checks of the canary.

    Args:
        issuer: the issuer that the metadata must name. A service with another one would hand its clients over to it.
    """
    return (
        Check("authorization headers", "authorize", AUTHORIZE_REQUEST, expect_all(_has_headers, _is_not_stored)),
        Check("plain PKCE", "authorize", AUTHORIZE_REQUEST, _is_refused_by_redirect),
        Check(
            "no PKCE",
            "authorize",
            _authorize_without("code_challenge", "code_challenge_method"),
            _is_refused_by_redirect,
        ),
        Check(
            "foreign redirect",
            "authorize",
            _authorize_to("https://elsewhere.invalid/"),
            expect_all(expect_status(400), _does_not_redirect),
        ),
        Check("token headers", "token", TOKEN_REQUEST, expect_all(_has_headers, _is_not_stored)),
        Check(
            "wrong secret",
            "token",
            _with_wrong_secret(),
            expect_all(expect_status(401), expect_in_body("invalid_client")),
        ),
        Check("unknown code", "token", TOKEN_REQUEST, expect_all(expect_status(400), expect_in_body("invalid_grant"))),
        Check("metadata headers", "public", METADATA, _has_headers),
        Check("metadata", "public", METADATA, expect_all(expect_status(200), _has_metadata_of(issuer))),
        Check(
            "keys",
            "public",
            HttpRequest("GET", "/.well-known/jwks.json"),
            expect_all(expect_status(200), _has_only_public_keys),
        ),
        Check("no token", "public", USERINFO, expect_all(expect_status(401), _challenges)),
        Check(
            "unsigned token",
            "public",
            _with_token(_unsigned_token(issuer)),
            expect_all(expect_status(401), _challenges),
        ),
        Check("token in the address", "public", _token_in_query(), _refuses_token_in_query),
    )


def judge(
    context: ProbeContext,
    checked: CheckRun,
    edge: Sequence[EdgeCheck],
    rates: tuple[ComparedRate, ...],
    certificate: Certificate | None,
) -> Verdict:
    """Judge the direct responses, then the API's, then its certificate."""
    if proved_at_the_edge(context, checked.tests):
        return Verdict.failed(edge_failure(checked.tests, rates, "fails its checks"))
    verdict = checked.result.verdict(before_traffic=not context.weight_percent)
    if verdict.outcome is Outcome.FAIL:
        return verdict
    if certificate is not None and certificate.protocol not in MODERN_TLS:
        return Verdict.failed(f"the API agreed on {certificate.protocol}")
    if verdict.outcome is not Outcome.PASS:
        return verdict
    problems = [one.summary for one in edge if one.problem]
    if problems:
        return Verdict.inconclusive(f"through the API, but not proved to be the canary's: {'; '.join(problems)}")
    note = f"; {verdict.reason}" if verdict.reason else ""
    count = len(checked.answers) + len(edge)
    return Verdict.passed(f"{count} checks passed{note}{_tls_note(context, certificate)}")


def check_edge(context: ProbeContext, http: HttpClient) -> tuple[EdgeCheck, ...]:
    """Check what only the API can change: headers that it removes or renames. A check that fails is sent once more.

    Raises:
        Unreachable: the API did not respond.
    """
    checks = (
        ("headers at the edge", METADATA, _has_headers),
        ("no token at the edge", USERINFO, expect_all(expect_status(401), _challenges_at_the_edge)),
    )
    results = []
    for name, request, find_problem in checks:
        response = http.send(context.service.api_url, request)
        if find_problem(response):
            response = http.send(context.service.api_url, request)
        results.append(EdgeCheck(name, response.header(VERSION_HEADER), response.status, find_problem(response)))
    return tuple(results)


def _has_headers(response: HttpResponse) -> str:
    transport = response.header("strict-transport-security").lower().replace(" ", "")
    age = next((part[8:] for part in transport.split(";") if part.startswith("max-age=")), "")
    if not age.isdigit() or int(age) < HSTS_SECONDS:
        return f"Strict-Transport-Security is {transport or 'missing'}"
    if response.header("x-content-type-options").lower() != "nosniff":
        return "X-Content-Type-Options is not nosniff"
    if "default-src" not in response.header("content-security-policy"):
        return "Content-Security-Policy has no default-src"
    if not response.header("referrer-policy"):
        return "Referrer-Policy is missing"
    return ""


def _is_not_stored(response: HttpResponse) -> str:
    return "" if "no-store" in response.header("cache-control") else "Cache-Control is not no-store"


def _is_refused_by_redirect(response: HttpResponse) -> str:
    location = response.header("location")
    if location.startswith(f"{REDIRECT_URI}?") and "error=invalid_request" in location and "code=" not in location:
        return ""
    return f"returned {response.status} instead of refusing it with invalid_request"


def _does_not_redirect(response: HttpResponse) -> str:
    return "redirects to an address that is not registered" if response.header("location") else ""


def _challenges(response: HttpResponse) -> str:
    challenge = response.header("www-authenticate")
    return "" if challenge.startswith("Bearer ") else "401 without a WWW-Authenticate: Bearer challenge"


def _challenges_at_the_edge(response: HttpResponse) -> str:
    """Check the challenge of a response through the API, under either name of its header."""
    return "" if response.header(RENAMED_CHALLENGE).startswith("Bearer ") else _challenges(response)


def _refuses_token_in_query(response: HttpResponse) -> str:
    return "" if response.status in {400, 401} else f"returned {response.status} to a token in the address"


def _has_metadata_of(issuer: str) -> Callable[[HttpResponse], str]:
    def find_problem(response: HttpResponse) -> str:
        metadata = _json_object(response)
        if metadata.get("issuer") != issuer:
            return f"the issuer is {metadata.get('issuer')}, not {issuer}"
        if metadata.get("code_challenge_methods_supported") != ["S256"]:
            return f"PKCE methods are {metadata.get('code_challenge_methods_supported')}, not S256 alone"
        algorithms = metadata.get("id_token_signing_alg_values_supported") or []
        weak = [name for name in algorithms if str(name).lower() == "none" or str(name).upper().startswith("HS")]
        return f"offers the signing algorithms {', '.join(map(str, weak))}" if weak else ""

    return find_problem


def _has_only_public_keys(response: HttpResponse) -> str:
    keys = _json_object(response).get("keys")
    if not isinstance(keys, list) or not keys:
        return "publishes no keys"
    # d, p, q … belong to a private key, k to a symmetric one (RFC 7518 §6).
    private = [name for key in keys for name in ("d", "p", "q", "dp", "dq", "qi", "k") if name in key]
    return f"publishes the private members {', '.join(private)}" if private else ""


def _json_object(response: HttpResponse) -> dict[str, Any]:
    try:
        document = decode_untrusted(response.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _authorize_without(*left_out: str) -> HttpRequest:
    query = {name: value for name, value in AUTHORIZE_REQUEST.query.items() if name not in left_out}
    return HttpRequest("GET", "/authorize", query=query)


def _authorize_to(redirect_uri: str) -> HttpRequest:
    return HttpRequest("GET", "/authorize", query={**AUTHORIZE_REQUEST.query, "redirect_uri": redirect_uri})


def _with_wrong_secret() -> HttpRequest:
    return HttpRequest("POST", "/token", form={**(TOKEN_REQUEST.form or {}), "client_secret": "not-a-secret"})


def _with_token(token: str) -> HttpRequest:
    return HttpRequest("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})


def _token_in_query() -> HttpRequest:
    return HttpRequest("GET", "/userinfo", query={"access_token": "not-a-token"})


def _unsigned_token(issuer: str) -> str:
    """Return a token that would be valid if ``alg: none`` were accepted (RFC 8725 §3.1)."""
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
    parts = (encode_base64url(json.dumps(part, allow_nan=False).encode()) for part in (header, claims))
    return ".".join([*parts, ""])


def _tls_note(context: ProbeContext, certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    remaining = certificate.expires_at - context.now
    warning = ": renew it" if remaining < CERTIFICATE_WARNING else ""
    return f"; {certificate.protocol}, the certificate is valid for {remaining.days} days{warning}"


def _tls_figures(certificate: Certificate | None) -> Json:
    if certificate is None:
        return None
    return {"protocol": certificate.protocol, "expires_at": certificate.expires_at.isoformat()}


def _edge_figures(edge: Sequence[EdgeCheck]) -> Json:
    return [{"check": one.check, "version": one.version, "status": one.status, "wrong": one.problem} for one in edge]
