"""Controls of the token endpoint, and of the tokens that it issues."""

from __future__ import annotations

from orchestrator.domain.compliance.catalogue.rows import CRITICAL, HIGH, LOW, MEDIUM, oauth_rows

_request = oauth_rows("service/oauth/token_request.py")
_response = oauth_rows("service/http/responses.py")
_code = oauth_rows("service/oauth/codes.py")
_refresh = oauth_rows("service/oauth/families.py")
_token = oauth_rows("service/oauth/tokens.py and service/token_issuance.py")
_id_token = oauth_rows("service/oauth/openid/id_tokens.py")

CONTROLS = (
    _request("oauth-flow-completes", "A code of a complete login is redeemed for tokens.", "RFC 6749 §4.1", CRITICAL),
    _response("oauth-token-json", "Tokens are answered as JSON with status 200.", "RFC 6749 §5.1", MEDIUM),
    _response("oauth-token-no-store", "Tokens are answered with Cache-Control: no-store.", "RFC 6749 §5.1", HIGH),
    _response("oauth-token-pragma", "Tokens are answered with Pragma: no-cache.", "RFC 6749 §5.1", LOW),
    _response("oauth-token-type", "The token type is Bearer.", "RFC 6749 §5.1, RFC 6750 §4", MEDIUM),
    _response("oauth-token-expires", "The lifetime is announced, and is an hour or shorter.", "RFC 6749 §5.1", HIGH),
    _response("oauth-token-scope", "The granted scope is announced.", "RFC 6749 §3.3, §5.1", MEDIUM),
    _request("oauth-token-post-only", "The token endpoint accepts no GET.", "RFC 6749 §3.2", HIGH),
    _request("oauth-token-no-query", "Parameters in the query are not read.", "RFC 6749 §3.2, §2.3.1", HIGH),
    _request("oauth-token-form-only", "Another body than a form is refused.", "RFC 6749 §3.2, Appendix B", MEDIUM),
    _request("oauth-token-grant-required", "A request without grant_type is refused.", "RFC 6749 §5.2", MEDIUM),
    _request(
        "oauth-token-unknown-grant",
        "An unknown grant type is refused with unsupported_grant_type.",
        "RFC 6749 §5.2",
        MEDIUM,
    ),
    _request("oauth-token-password-grant", "The password grant is refused.", "RFC 9700 §2.4", CRITICAL),
    _request(
        "oauth-token-client-credentials",
        "A public client gets no tokens by client credentials.",
        "RFC 6749 §4.4",
        CRITICAL,
    ),
    _request(
        "oauth-token-repeated-parameter",
        "A repeated parameter is refused with invalid_request.",
        "RFC 6749 §3.2",
        HIGH,
    ),
    _request("oauth-token-unknown-client", "An unknown client is refused with invalid_client.", "RFC 6749 §5.2", HIGH),
    _request("oauth-token-no-client", "A request of no client is refused.", "RFC 6749 §3.2.1", HIGH),
    _request(
        "oauth-token-basic-challenge",
        "A failed HTTP authentication is answered with 401 and a challenge of its scheme.",
        "RFC 6749 §5.2",
        MEDIUM,
    ),
    _request(
        "oauth-token-one-authentication", "Two client authentications at once are refused.", "RFC 6749 §2.3", MEDIUM
    ),
    _response(
        "oauth-token-error-no-store", "Errors are answered with Cache-Control: no-store.", "RFC 6749 §5.2", MEDIUM
    ),
    _response("oauth-token-error-json", "Errors are JSON with a registered error code.", "RFC 6749 §5.2", MEDIUM),
    _response(
        "oauth-token-cors",
        "No response allows scripts to send credentials.",
        "RFC 9700 §2.6, Fetch §3.3.5",
        HIGH,
    ),
    _code("oauth-code-unknown", "A code that was never issued is refused with invalid_grant.", "RFC 6749 §5.2", HIGH),
    _code("oauth-code-without-verifier", "A code is refused without its verifier.", "RFC 7636 §4.5", CRITICAL),
    _code("oauth-code-wrong-verifier", "A code is refused with another verifier.", "RFC 7636 §4.6", CRITICAL),
    _code(
        "oauth-code-challenge-as-verifier",
        "The challenge is no verifier: no downgrade to plain.",
        "RFC 9700 §4.8.2",
        CRITICAL,
    ),
    _code("oauth-code-other-redirect", "A code is refused with another redirect_uri.", "RFC 6749 §4.1.3", HIGH),
    _code("oauth-code-once", "A code is redeemed once.", "RFC 6749 §4.1.2", CRITICAL),
    _code(
        "oauth-code-replay-revokes-access",
        "A replayed code ends the access token that was issued for it.",
        "RFC 6749 §4.1.2, RFC 9700 §4.5",
        HIGH,
    ),
    _code(
        "oauth-code-replay-revokes-refresh",
        "A replayed code ends the refresh token that was issued for it.",
        "RFC 6749 §4.1.2",
        HIGH,
    ),
    _refresh("oauth-refresh-works", "A refresh token is exchanged for new tokens.", "RFC 6749 §6", HIGH),
    _refresh("oauth-refresh-rotated", "Every refresh issues another refresh token.", "RFC 9700 §4.14.2", CRITICAL),
    _refresh("oauth-refresh-reuse-refused", "A used refresh token is refused.", "RFC 9700 §4.14.2", CRITICAL),
    _refresh(
        "oauth-refresh-reuse-revokes",
        "The use of a used refresh token ends the newest one.",
        "RFC 9700 §4.14.2",
        HIGH,
    ),
    _refresh("oauth-refresh-unknown", "An unknown refresh token is refused with invalid_grant.", "RFC 6749 §5.2", HIGH),
    _refresh("oauth-refresh-no-more-scope", "A refresh gives no more scope than the grant.", "RFC 6749 §6", CRITICAL),
    _refresh("oauth-refresh-entropy", "Refresh tokens cannot be guessed.", "RFC 6749 §10.10", CRITICAL),
    _token("oauth-access-token-type", "Access tokens are JWTs of the type at+jwt.", "RFC 9068 §2.1", MEDIUM),
    _token(
        "oauth-access-token-algorithm",
        "Access tokens are signed with an asymmetric algorithm.",
        "RFC 9068 §2.1, RFC 8725 §3.1",
        CRITICAL,
    ),
    _token("oauth-access-token-key", "The key of an access token is in the key set.", "RFC 9068 §4", HIGH),
    _token("oauth-access-token-signature", "The signature of an access token verifies.", "RFC 9068 §4", CRITICAL),
    _token("oauth-access-token-claims", "Access tokens have every required claim.", "RFC 9068 §2.2", HIGH),
    _token("oauth-access-token-issuer", "Access tokens name the issuer.", "RFC 9068 §2.2", CRITICAL),
    _token("oauth-access-token-audience", "Access tokens are for one audience.", "RFC 9068 §3, RFC 9700 §2.3", HIGH),
    _token("oauth-access-token-client", "Access tokens name their client.", "RFC 9068 §2.2", MEDIUM),
    _token("oauth-access-token-lifetime", "Access tokens live an hour or shorter.", "RFC 9700 §2.2", HIGH),
    _token("oauth-access-token-unique", "Every access token has an id of its own.", "RFC 9068 §2.2", MEDIUM),
    _token("oauth-access-token-scope", "Access tokens carry the granted scope.", "RFC 9068 §2.2.3", MEDIUM),
    _token("oauth-access-token-private", "Access tokens carry no data of the user.", "RFC 9068 §6", HIGH),
    _id_token(
        "oauth-id-token-issued", "A request with openid gets an ID token.", "OpenID Connect Core §3.1.3.3", MEDIUM
    ),
    _id_token(
        "oauth-id-token-only-for-openid", "A request without openid gets none.", "OpenID Connect Core §3.1.2.1", LOW
    ),
    _id_token("oauth-id-token-issuer", "The ID token names the issuer.", "OpenID Connect Core §3.1.3.7", CRITICAL),
    _id_token("oauth-id-token-audience", "The ID token is for its client.", "OpenID Connect Core §3.1.3.7", CRITICAL),
    _id_token(
        "oauth-id-token-times", "The ID token has the times of issue and expiry.", "OpenID Connect Core §2", HIGH
    ),
    _id_token(
        "oauth-id-token-nonce", "The ID token has the nonce of its request.", "OpenID Connect Core §3.1.3.7", HIGH
    ),
    _id_token(
        "oauth-id-token-at-hash", "The ID token has the hash of its access token.", "OpenID Connect Core §3.1.3.6", HIGH
    ),
    _id_token(
        "oauth-id-token-algorithm",
        "The ID token is signed with an announced algorithm by a key of the key set.",
        "OpenID Connect Core §3.1.3.7",
        CRITICAL,
    ),
    _id_token(
        "oauth-id-token-signature", "The signature of the ID token verifies.", "OpenID Connect Core §3.1.3.7", CRITICAL
    ),
)
