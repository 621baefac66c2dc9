"""Controls of the authorization endpoint: its requests, its redirects, its pages and its answers."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import CRITICAL, HIGH, LOW, MEDIUM, oauth_rows

_request = oauth_rows("service/oauth/authorization.py")
_redirect = oauth_rows("service/oauth/clients.py: allows_redirect")
_pkce = oauth_rows("service/oauth/pkce.py and service/oauth/authorization.py")
_page = oauth_rows("service/endpoints/authorize.py and service/pages")
_openid = oauth_rows("service/oauth/openid/requests.py")

CONTROLS = (
    _request("oauth-authorize-get", "The endpoint accepts a valid request by GET.", "RFC 6749 §3.1", HIGH),
    _request(
        "oauth-authorize-post", "The endpoint accepts a valid request by POST.", "OpenID Connect Core §3.1.2.1", LOW
    ),
    _request(
        "oauth-authorize-unknown-client",
        "A request of an unknown client is never answered by a redirect.",
        "RFC 6749 §4.1.2.1",
        CRITICAL,
    ),
    _request(
        "oauth-authorize-no-client",
        "A request without client_id is never answered by a redirect.",
        "RFC 6749 §4.1.2.1",
        HIGH,
    ),
    _redirect(
        "oauth-redirect-unregistered",
        "No redirect leads to an address that is not registered.",
        "RFC 9700 §2.1, §4.11",
        CRITICAL,
    ),
    _redirect(
        "oauth-redirect-longer-path",
        "An address that continues a registered one is refused: no prefix match.",
        "RFC 9700 §4.1.3",
        CRITICAL,
    ),
    _redirect(
        "oauth-redirect-traversal",
        "An address with dot segments after a registered one is refused.",
        "RFC 9700 §4.1.3",
        CRITICAL,
    ),
    _redirect(
        "oauth-redirect-other-query",
        "An address with an added query is refused.",
        "RFC 9700 §4.1.3, RFC 6749 §3.1.2.3",
        HIGH,
    ),
    _redirect(
        "oauth-redirect-host-prefix",
        "A host that begins like the registered one is refused.",
        "RFC 9700 §4.1.1",
        CRITICAL,
    ),
    _redirect(
        "oauth-redirect-user-information",
        "An address that hides its host behind user information is refused.",
        "RFC 9700 §4.1.3",
        CRITICAL,
    ),
    _redirect("oauth-redirect-scheme", "Another scheme than the registered one is refused.", "RFC 9700 §4.1.3", HIGH),
    _redirect("oauth-redirect-port", "Another port than the registered one is refused.", "RFC 9700 §4.1.3", HIGH),
    _redirect("oauth-redirect-case", "A path in other letters is refused.", "RFC 3986 §6.2.1, RFC 9700 §4.1.3", MEDIUM),
    _redirect("oauth-redirect-fragment", "An address with a fragment is refused.", "RFC 6749 §3.1.2", MEDIUM),
    _redirect(
        "oauth-redirect-required", "A request without redirect_uri is refused.", "OpenID Connect Core §3.1.2.1", MEDIUM
    ),
    _request(
        "oauth-response-type-required",
        "A request without response_type is refused at the redirect URI.",
        "RFC 6749 §3.1.1",
        MEDIUM,
    ),
    _request(
        "oauth-response-type-token",
        "The implicit grant is refused with unsupported_response_type.",
        "RFC 9700 §2.1.2",
        CRITICAL,
    ),
    _request("oauth-response-type-id-token", "The response type id_token is refused.", "RFC 9700 §2.1.2", HIGH),
    _request(
        "oauth-response-type-hybrid",
        "The response type code token is refused.",
        "OAuth 2.1 §10.1, RFC 9700 §2.1.2",
        HIGH,
    ),
    _request(
        "oauth-response-mode-fragment",
        "The response mode fragment is refused.",
        "RFC 9700 §4.3.1, OAuth 2.0 Multiple Response Types §2.1",
        MEDIUM,
    ),
    _request(
        "oauth-response-mode-unoffered",
        "A response mode that the metadata does not offer is refused.",
        "OAuth 2.0 Multiple Response Types §2.1",
        LOW,
    ),
    _pkce("oauth-pkce-required", "A request without code_challenge is refused.", "RFC 9700 §2.1.1", CRITICAL),
    _pkce("oauth-pkce-plain", "The PKCE method plain is refused.", "RFC 9700 §2.1.1", HIGH),
    _pkce(
        "oauth-pkce-method-default",
        "A challenge without its method, which would be plain, is refused.",
        "RFC 7636 §4.3",
        HIGH,
    ),
    _pkce("oauth-pkce-challenge-length", "A challenge of another length is refused.", "RFC 7636 §4.2", MEDIUM),
    _pkce("oauth-pkce-challenge-characters", "A challenge with other characters is refused.", "RFC 7636 §4.2", MEDIUM),
    _request("oauth-scope-unknown", "An unknown scope is refused with invalid_scope.", "RFC 6749 §3.3", MEDIUM),
    _request(
        "oauth-authorize-repeated-parameter",
        "A repeated parameter is refused with invalid_request.",
        "RFC 6749 §3.1",
        HIGH,
    ),
    _request("oauth-authorize-unknown-parameter", "Unknown parameters are ignored.", "RFC 6749 §3.1", LOW),
    _request(
        "oauth-authorize-empty-parameter", "A parameter without a value counts as left out.", "RFC 6749 §3.1", LOW
    ),
    _request("oauth-resource-unknown", "An unknown resource is refused with invalid_target.", "RFC 8707 §2", HIGH),
    _request(
        "oauth-request-object",
        "A request object is refused with request_not_supported.",
        "OpenID Connect Core §3.1.2.6",
        MEDIUM,
    ),
    _request(
        "oauth-request-uri",
        "A request_uri is refused with request_uri_not_supported: nothing is fetched.",
        "OpenID Connect Core §3.1.2.6, RFC 9101 §10.4",
        HIGH,
    ),
    _openid(
        "oauth-prompt-none",
        "A request that forbids pages is answered with login_required.",
        "OpenID Connect Core §3.1.2.6",
        MEDIUM,
    ),
    _openid(
        "oauth-registration-parameter",
        "The parameter registration is refused with registration_not_supported.",
        "OpenID Connect Core §3.1.2.6",
        LOW,
    ),
    _request("oauth-error-state", "An error returns the state, byte for byte.", "RFC 6749 §4.1.2.1", HIGH),
    _request("oauth-error-iss", "An error names the issuer.", "RFC 9207 §2", HIGH),
    _request("oauth-error-in-query", "An error is in the query, and no code is with it.", "RFC 6749 §4.1.2.1", MEDIUM),
    _request(
        "oauth-error-characters",
        "Error and description have only the allowed characters.",
        "RFC 6749 §4.1.2.1",
        LOW,
    ),
    _request(
        "oauth-redirect-status",
        "A redirect never repeats a form: its status is 302 or 303.",
        "RFC 9700 §4.12",
        HIGH,
    ),
    _page("oauth-page-not-stored", "The page is not stored by caches.", "RFC 9700 §4.2.4, RFC 9111 §5.2.2.5", MEDIUM),
    _page("oauth-page-not-framed", "The page cannot be put in a frame.", "RFC 9700 §4.16", HIGH),
    _page("oauth-page-referrer", "The page sends no referrer.", "RFC 9700 §4.2.4", MEDIUM),
    _page(
        "oauth-page-scripts",
        "The page runs only its own scripts.",
        "RFC 9700 §4.16, Content Security Policy Level 3 §6.1",
        HIGH,
    ),
    _page("oauth-page-third-parties", "The page loads nothing from another host.", "RFC 9700 §4.2.4", MEDIUM),
    _page(
        "oauth-page-cookie",
        "The browser's cookie is bound to the host, https and HTTP, and is sent to no other site's forms.",
        "RFC 6265bis §4.1.2, RFC 9700 §4.7",
        HIGH,
    ),
    _page("oauth-authorize-no-cors", "No other origin's script reads the endpoint.", "RFC 9700 §2.6", HIGH),
    _page(
        "oauth-login-bound-to-browser",
        "A login continues only in the browser that began it.",
        "RFC 9700 §4.7",
        CRITICAL,
    ),
    _request("oauth-code-state", "A code is returned with the state, byte for byte.", "RFC 6749 §4.1.2", HIGH),
    _request("oauth-code-iss", "A code is returned with the issuer.", "RFC 9207 §2", HIGH),
    _request(
        "oauth-code-no-token-in-address",
        "The redirect has a code in the query and no token.",
        "RFC 9700 §4.3.1",
        CRITICAL,
    ),
    _request("oauth-code-entropy", "Codes cannot be guessed.", "RFC 6749 §10.10", CRITICAL),
)
