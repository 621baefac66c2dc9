"""Controls of the metadata documents, the key set and the transport."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import CRITICAL, HIGH, LOW, MEDIUM, oauth_rows

_metadata = oauth_rows("service/oauth/metadata.py")
_keys = oauth_rows("service/endpoints/public.py")
_transport = oauth_rows("service/http/app.py and the API's domain")

CONTROLS = (
    _metadata(
        "oauth-metadata-served",
        "The authorization server metadata is served as JSON.",
        "RFC 8414 §3.2",
        HIGH,
    ),
    _metadata(
        "oauth-metadata-address",
        "The metadata is where the issuer's host has its well-known addresses.",
        "RFC 8414 §3.1",
        LOW,
    ),
    _metadata(
        "oauth-metadata-issuer",
        "The metadata names the issuer from which it was requested.",
        "RFC 8414 §3.3",
        CRITICAL,
    ),
    _metadata(
        "oauth-metadata-issuer-form",
        "The issuer is an https address without query and fragment.",
        "RFC 8414 §2",
        HIGH,
    ),
    _metadata(
        "oauth-metadata-issuer-not-from-request",
        "No forwarded host changes the issuer in the metadata.",
        "RFC 9700 §4.4",
        CRITICAL,
    ),
    _metadata(
        "oauth-metadata-endpoints-own",
        "Every endpoint in the metadata is an address of the issuer.",
        "RFC 9700 §4.4",
        CRITICAL,
    ),
    _metadata(
        "oauth-metadata-endpoints-answer",
        "Every endpoint in the metadata exists.",
        "RFC 8414 §2",
        HIGH,
    ),
    _metadata(
        "oauth-metadata-required-members",
        "The metadata has every required member.",
        "RFC 8414 §2",
        MEDIUM,
    ),
    _metadata(
        "oauth-metadata-no-empty-lists",
        "Members without a value are left out.",
        "RFC 8414 §3.2",
        LOW,
    ),
    _metadata(
        "oauth-metadata-response-types",
        "The code is the only response type: no implicit grant.",
        "RFC 9700 §2.1.2",
        CRITICAL,
    ),
    _metadata(
        "oauth-metadata-no-password-grant",
        "The resource owner password grant is not offered.",
        "RFC 9700 §2.4",
        CRITICAL,
    ),
    _metadata(
        "oauth-metadata-no-implicit-grant",
        "The implicit grant is not offered.",
        "OAuth 2.1 §10.1",
        CRITICAL,
    ),
    _metadata(
        "oauth-metadata-pkce",
        "S256 is the only PKCE method that is offered.",
        "RFC 9700 §2.1.1",
        HIGH,
    ),
    _metadata(
        "oauth-metadata-iss-parameter",
        "The metadata announces the parameter iss.",
        "RFC 9207 §3",
        MEDIUM,
    ),
    _metadata(
        "oauth-metadata-token-methods",
        "The offered client authentications at the token endpoint are registered methods.",
        "RFC 8414 §2",
        MEDIUM,
    ),
    _metadata(
        "oauth-metadata-revocation",
        "The revocation endpoint and its client authentications are announced.",
        "RFC 7009 §2, RFC 8414 §2",
        LOW,
    ),
    _metadata(
        "oauth-metadata-introspection-methods",
        "Introspection is offered to authenticated clients only.",
        "RFC 7662 §2.1",
        HIGH,
    ),
    _metadata(
        "oauth-metadata-protected-resources",
        "The metadata names the protected resources.",
        "RFC 9728 §4",
        LOW,
    ),
    _metadata(
        "oauth-openid-metadata-served",
        "The OpenID Provider configuration is served as JSON.",
        "OpenID Connect Discovery §4.2",
        HIGH,
    ),
    _metadata(
        "oauth-openid-metadata-issuer",
        "The OpenID configuration names the issuer.",
        "OpenID Connect Discovery §4.3",
        CRITICAL,
    ),
    _metadata(
        "oauth-openid-metadata-agrees",
        "Both metadata documents have the same values.",
        "RFC 8414 §5",
        HIGH,
    ),
    _metadata(
        "oauth-openid-metadata-required-members",
        "The OpenID configuration has every required member.",
        "OpenID Connect Discovery §3",
        MEDIUM,
    ),
    _metadata(
        "oauth-openid-metadata-scope",
        "The scope openid is announced.",
        "OpenID Connect Discovery §3",
        LOW,
    ),
    _metadata(
        "oauth-openid-metadata-algorithms",
        "No ID token is unsigned or signed with a shared secret.",
        "RFC 8725 §3.1, OpenID Connect Core §2",
        CRITICAL,
    ),
    _metadata(
        "oauth-openid-metadata-rs256",
        "RS256 is among the signing algorithms of ID tokens.",
        "OpenID Connect Discovery §3",
        LOW,
    ),
    _metadata(
        "oauth-openid-metadata-request-uri",
        "The default of request_uri_parameter_supported is overridden where it is not supported.",
        "OpenID Connect Discovery §3",
        LOW,
    ),
    _metadata(
        "oauth-resource-metadata-served",
        "The metadata of the protected resource is served as JSON.",
        "RFC 9728 §3.2",
        MEDIUM,
    ),
    _metadata(
        "oauth-resource-metadata-resource",
        "The resource metadata names the resource from which its address was derived.",
        "RFC 9728 §3.3",
        HIGH,
    ),
    _metadata(
        "oauth-resource-metadata-servers",
        "The resource metadata names this authorization server alone.",
        "RFC 9728 §2",
        HIGH,
    ),
    _metadata(
        "oauth-resource-metadata-header-only",
        "The resource accepts tokens in the header only.",
        "RFC 9728 §2, RFC 9700 §4.3.2",
        MEDIUM,
    ),
    _keys("oauth-keys-served", "The key set is served as JSON and has keys.", "RFC 7517 §5", HIGH),
    _keys("oauth-keys-public", "The key set has no private and no symmetric key.", "RFC 7518 §6", CRITICAL),
    _keys("oauth-keys-unique", "Every key has an id of its own.", "RFC 7517 §4.5", MEDIUM),
    _keys("oauth-keys-use", "Every key is for signatures of one algorithm.", "RFC 7517 §4.2, §4.4", LOW),
    _transport("oauth-tls", "The issuer speaks TLS 1.2 or later.", "RFC 6749 §1.6, RFC 9325 §3.1.1", CRITICAL),
    _transport("oauth-tls-certificate", "The certificate is valid for 14 days or more.", "RFC 9325 §7", HIGH),
    _transport("oauth-tls-hsts", "Browsers use https for a year or longer.", "RFC 9325 §3.2, RFC 6797", MEDIUM),
)
