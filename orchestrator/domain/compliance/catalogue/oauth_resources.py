"""Controls of the protected resource, revocation, introspection and registration."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import CRITICAL, HIGH, LOW, MEDIUM, oauth_rows

_bearer = oauth_rows("service/oauth/bearer.py")
_userinfo = oauth_rows("service/endpoints/userinfo.py")
_revocation = oauth_rows("service/endpoints/grants.py: Revocation")
_introspection = oauth_rows("service/endpoints/grants.py: Introspection")
_registration = oauth_rows("service/endpoints/registration.py")

CONTROLS = (
    _userinfo("oauth-userinfo-get", "Userinfo answers a valid token by GET.", "OpenID Connect Core §5.3.1", HIGH),
    _userinfo("oauth-userinfo-post", "Userinfo answers a valid token by POST.", "OpenID Connect Core §5.3.1", LOW),
    _userinfo(
        "oauth-userinfo-subject", "Userinfo names the subject of the ID token.", "OpenID Connect Core §5.3.2", CRITICAL
    ),
    _userinfo("oauth-userinfo-no-store", "Userinfo is not stored by caches.", "RFC 6750 §5.3", MEDIUM),
    _bearer(
        "oauth-bearer-challenge",
        "A request without a token is answered with 401 and a Bearer challenge.",
        "RFC 6750 §3",
        HIGH,
    ),
    _bearer(
        "oauth-bearer-no-error-without-token",
        "The challenge of a request without a token has no error code.",
        "RFC 6750 §3.1",
        LOW,
    ),
    _bearer(
        "oauth-bearer-resource-metadata",
        "The challenge names the metadata of the resource.",
        "RFC 9728 §5.1",
        MEDIUM,
    ),
    _bearer(
        "oauth-bearer-invalid-token",
        "An invalid token is answered with 401 and invalid_token.",
        "RFC 6750 §3.1",
        HIGH,
    ),
    _bearer("oauth-bearer-query", "A valid token in the query is refused.", "RFC 9700 §4.3.2, RFC 6750 §2.3", CRITICAL),
    _bearer("oauth-bearer-form", "A valid token in the form is refused.", "RFC 9728 §2, RFC 6750 §2.2", MEDIUM),
    _bearer("oauth-bearer-malformed", "A malformed header is refused.", "RFC 6750 §3.1", MEDIUM),
    _bearer("oauth-bearer-scheme-case", "The scheme is read in any letters.", "RFC 9110 §11.1", LOW),
    _bearer("oauth-bearer-unsigned", "A token with the algorithm none is refused.", "RFC 8725 §3.1", CRITICAL),
    _bearer("oauth-bearer-tampered", "A token with a changed claim is refused.", "RFC 9068 §4", CRITICAL),
    _bearer("oauth-bearer-id-token", "An ID token is no access token.", "RFC 9068 §2.1, RFC 8725 §3.11", CRITICAL),
    _bearer("oauth-bearer-refresh-token", "A refresh token is no access token.", "RFC 6749 §1.5", HIGH),
    _bearer("oauth-bearer-cors", "Scripts cannot send credentials to the resource.", "RFC 9700 §2.6", MEDIUM),
    _revocation("oauth-revocation-works", "A revocation is answered with 200.", "RFC 7009 §2.2", HIGH),
    _revocation("oauth-revocation-refresh", "A revoked refresh token is refused.", "RFC 7009 §2.1", CRITICAL),
    _revocation(
        "oauth-revocation-access",
        "The access token of a revoked grant is refused at the resource.",
        "RFC 7009 §2.1",
        HIGH,
    ),
    _revocation("oauth-revocation-unknown", "An unknown token is answered with 200.", "RFC 7009 §2.2", LOW),
    _revocation("oauth-revocation-token-required", "A request without a token is refused.", "RFC 7009 §2.1", LOW),
    _revocation("oauth-revocation-client", "An unknown client is refused.", "RFC 7009 §2.1", HIGH),
    _revocation("oauth-revocation-post-only", "The revocation endpoint accepts no GET.", "RFC 7009 §2.1", MEDIUM),
    _introspection(
        "oauth-introspection-authenticated",
        "Introspection without authentication is refused with 401.",
        "RFC 7662 §2.1",
        CRITICAL,
    ),
    _introspection(
        "oauth-introspection-public-client",
        "A public client cannot test tokens.",
        "RFC 7662 §4",
        HIGH,
    ),
    _introspection("oauth-introspection-post-only", "Introspection accepts no GET.", "RFC 7662 §2.1, §4", MEDIUM),
    _introspection("oauth-introspection-no-cors", "No script reads introspection.", "RFC 9700 §2.6", MEDIUM),
    _introspection("oauth-introspection-no-store", "Introspection is not stored by caches.", "RFC 7662 §4", MEDIUM),
    _registration(
        "oauth-registration-authorized",
        "Registration without an initial access token is refused.",
        "RFC 7591 §3, §5",
        HIGH,
    ),
    _registration(
        "oauth-registration-wrong-token",
        "Registration with another initial access token is refused.",
        "RFC 7591 §3.2.2, RFC 6750 §3.1",
        HIGH,
    ),
    _registration(
        "oauth-registration-announced",
        "Registration exists only where the metadata announces it.",
        "RFC 8414 §2",
        MEDIUM,
    ),
)
