"""The OpenID Foundation's test modules for OpenID Providers, point by point: which of our controls cover each, or why none does.

The modules are those of the certification profiles *Basic OP* and *Config OP*, in the order of their test plans:
https://gitlab.com/openid/conformance-suite (OIDCCBasicTestPlan, OIDCCConfigTestPlan), as of `REVISION`.

This is a map and no certification: the suite itself was not run against the service, and its profiles require RS256,
which the service does not offer (ADR 30).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

REVISION = "12f2a4dac6462f8a4e95968bc7e478e02881e1a7"
"""The commit of the conformance suite, of 20 August 2026."""


class Profile(StrEnum):
    """A certification profile."""

    BASIC = "Basic OP"
    CONFIG = "Config OP"


@dataclass(frozen=True)
class ConformanceTest:
    """One test module of the suite.

    Attributes:
        name: the suite's name of it.
        requires: what it requires, in one sentence.
        controls: ids of the controls that require the same; empty if none does.
        reason: why it does not apply, or where the service deviates; empty if controls cover it whole.
    """

    name: str
    profile: Profile
    requires: str
    controls: tuple[str, ...] = ()
    reason: str = ""


_HAPPY = (
    "oauth-flow-completes", "oauth-code-state", "oauth-token-json", "oauth-token-no-store", "oauth-token-type",
    "oauth-id-token-issued", "oauth-id-token-issuer", "oauth-id-token-audience", "oauth-id-token-times",
    "oauth-id-token-nonce", "oauth-id-token-at-hash",
)  # fmt: skip
_ALWAYS_LOGS_IN = "Every authorization request leads to a new login (ADR 30)"
_IGNORED = ("oauth-authorize-unknown-parameter", "oauth-flow-completes")
_HINT = "A hint that the service does not read: it is one of the parameters that are ignored, and no control sends it"
_NOTHING_TO_GIVE = (
    "The service has no such claim and ignores the scope, as OpenID Connect Core §5.4 allows: a warning of the suite"
)
_PLATFORM = "The claim is the identity provider's: no login of a test user has it, so no control reads it; tests/unit/service/test_openid.py does"
_NO_REQUEST_OBJECT = ("oauth-request-object",)


def _basic(name: str, requires: str, *controls: str, reason: str = "") -> ConformanceTest:
    return ConformanceTest(name, Profile.BASIC, requires, controls, reason)


TESTS: tuple[ConformanceTest, ...] = (
    _basic("oidcc-server", "A complete login with the response type code.", *_HAPPY),
    _basic(
        "oidcc-response-type-missing",
        "A request without response_type is refused, at the redirect URI or on a page.",
        "oauth-response-type-required",
    ),
    _basic(
        "oidcc-idtoken-signature",
        "The signature of the ID token verifies; its algorithm is RS256 by default.",
        "oauth-id-token-signature",
        "oauth-id-token-algorithm",
        "oauth-openid-metadata-rs256",
        reason="Deviates: signatures are ES256 by a key that stays in KMS (ADR 30)",
    ),
    _basic(
        "oidcc-idtoken-unsigned",
        "A client that registered the algorithm none gets unsigned ID tokens, or cannot register it.",
        "oauth-openid-metadata-algorithms",
    ),
    _basic(
        "oidcc-userinfo-get",
        "Userinfo answers a GET with the token in the header.",
        "oauth-userinfo-get",
        "oauth-userinfo-subject",
    ),
    _basic(
        "oidcc-userinfo-post-header", "Userinfo answers a POST with the token in the header.", "oauth-userinfo-post"
    ),
    _basic(
        "oidcc-userinfo-post-body",
        "Userinfo answers a POST with the token in the body; to refuse it is a warning.",
        "oauth-bearer-form",
        reason="Refused on purpose: tokens are accepted in the header only (RFC 9700 §4.3.2)",
    ),
    _basic(
        "oidcc-ensure-request-without-nonce-succeeds-for-code-flow",
        "A request without a nonce is served.",
        "oauth-authorize-get",
        "oauth-flow-completes",
    ),
    _basic("oidcc-scope-profile", "The scope profile gives its claims at userinfo.", reason=_PLATFORM),
    _basic("oidcc-scope-email", "The scope email gives the address at userinfo.", reason=_PLATFORM),
    _basic("oidcc-scope-address", "The scope address causes no error.", reason=_NOTHING_TO_GIVE),
    _basic("oidcc-scope-phone", "The scope phone causes no error.", reason=_NOTHING_TO_GIVE),
    _basic("oidcc-scope-all", "All scopes together cause no error.", reason=_PLATFORM),
    _basic(
        "oidcc-alternate-happy-flow",
        "The order of parameters and of scopes does not matter.",
        reason="No control sends another order: the service reads parameters by their names and scopes by their words",
    ),
    _basic("oidcc-display-page", "display=page causes no error.", *_IGNORED, reason=_HINT),
    _basic("oidcc-display-popup", "display=popup causes no error.", *_IGNORED, reason=_HINT),
    _basic(
        "oidcc-prompt-login",
        "prompt=login leads to a second login, with a later auth_time.",
        reason=f"{_ALWAYS_LOGS_IN}: it is always met, and auth_time is in every ID token",
    ),
    _basic(
        "oidcc-prompt-none-not-logged-in", "prompt=none without a login is answered with an error.", "oauth-prompt-none"
    ),
    _basic(
        "oidcc-prompt-none-logged-in",
        "prompt=none with a login is served without a page.",
        "oauth-prompt-none",
        reason=f"Deviates: {_ALWAYS_LOGS_IN[0].lower()}{_ALWAYS_LOGS_IN[1:]}, so no login without a page exists and "
        "login_required is the answer",
    ),
    _basic(
        "oidcc-max-age-1",
        "max_age=1 leads to a second login, and auth_time is returned.",
        reason=f"{_ALWAYS_LOGS_IN}: it is always met, and auth_time is in every ID token",
    ),
    _basic(
        "oidcc-max-age-10000",
        "max_age=10000 within that time needs no second login.",
        reason=f"Deviates: {_ALWAYS_LOGS_IN[0].lower()}{_ALWAYS_LOGS_IN[1:]}; auth_time and sub are those of the login",
    ),
    _basic(
        "oidcc-ensure-request-with-unknown-parameter-succeeds",
        "An unknown parameter is ignored.",
        "oauth-authorize-unknown-parameter",
    ),
    _basic(
        "oidcc-id-token-hint",
        "A second request with prompt=none and id_token_hint is served without a page.",
        "oauth-prompt-none",
        reason="Deviates: there is no login without a page, and a hint is refused because ignoring it could log in another user",
    ),
    _basic("oidcc-login-hint", "login_hint causes no error.", *_IGNORED, reason=_HINT),
    _basic("oidcc-ui-locales", "ui_locales causes no error.", *_IGNORED, reason=_HINT),
    _basic("oidcc-claims-locales", "claims_locales causes no error.", *_IGNORED, reason=_HINT),
    _basic("oidcc-ensure-request-with-acr-values-succeeds", "acr_values cause no error.", *_IGNORED, reason=_HINT),
    _basic("oidcc-codereuse", "A code that was used is refused with invalid_grant.", "oauth-code-once"),
    _basic(
        "oidcc-codereuse-30seconds",
        "A used code is refused later, too, and its access token ends.",
        "oauth-code-once",
        "oauth-code-replay-revokes-access",
    ),
    _basic(
        "oidcc-ensure-registered-redirect-uri",
        "An unregistered redirect URI is refused on a page.",
        "oauth-redirect-unregistered",
    ),
    _basic("oidcc-ensure-post-request-succeeds", "An authorization request by POST is served.", "oauth-authorize-post"),
    _basic(
        "oidcc-server-client-secret-post",
        "A complete login with the secret in the form.",
        "oauth-metadata-token-methods",
        reason="The controls act as a public client and hold no secret: the method is announced; tests/unit/service use it",
    ),
    _basic(
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
        "A request_uri is followed, or refused with request_uri_not_supported.",
        "oauth-request-uri",
        "oauth-openid-metadata-request-uri",
    ),
    _basic(
        "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
        "A request object is read, or refused with request_not_supported.",
        *_NO_REQUEST_OBJECT,
    ),
    _basic(
        "oidcc-claims-essential",
        "The parameter claims causes no error; a missing name is a warning.",
        "oauth-authorize-unknown-parameter",
        reason="The parameter is announced as not supported and ignored: a warning of the suite",
    ),
    _basic(
        "oidcc-ensure-request-object-with-redirect-uri",
        "The redirect URI of a request object is used, or the request is refused.",
        *_NO_REQUEST_OBJECT,
    ),
    _basic(
        "oidcc-refresh-token",
        "A refresh token works and is bound to its client.",
        "oauth-refresh-works",
        "oauth-refresh-rotated",
        "oauth-refresh-unknown",
        reason="The controls have one client: that another one is refused is shown by tests/unit",
    ),
    _basic(
        "oidcc-ensure-request-with-valid-pkce-succeeds",
        "A request with PKCE is served.",
        "oauth-pkce-required",
        "oauth-flow-completes",
    ),
    ConformanceTest(
        "oidcc-discovery-endpoint-verification",
        Profile.CONFIG,
        "The configuration is served, names issuer, endpoints by https, keys, scopes, response types and algorithms.",
        (
            "oauth-openid-metadata-served",
            "oauth-openid-metadata-issuer",
            "oauth-openid-metadata-required-members",
            "oauth-openid-metadata-scope",
            "oauth-openid-metadata-algorithms",
            "oauth-openid-metadata-rs256",
            "oauth-metadata-response-types",
            "oauth-metadata-endpoints-own",
            "oauth-metadata-endpoints-answer",
            "oauth-keys-served",
            "oauth-keys-public",
            "oauth-keys-unique",
            "oauth-tls",
        ),
        "Deviates: RS256 is not among the algorithms (ADR 30)",
    ),
)
"""All test modules of both profiles."""
