"""Models of the requests: queries, forms, and one JSON body."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.oauth.openid.requests import MAX_NONCE_CHARACTERS, PROMPTS
from service.openapi.models import Model, Omitted, with_example

_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

ClientId = Annotated[
    str, Field(min_length=1, description="The client's id: a word, or the https URL of its metadata document.")
]
ClientSecret = Annotated[str, Field(description="Of a client that has a secret and does not send it by HTTP Basic.")]
Scope = Annotated[
    str,
    Field(description="Scopes separated by one space. Default: all allowed scopes. Every client may request `openid`."),
]
Resource = Annotated[
    str, Field(description="The resource that the tokens are for: an absolute URI without a fragment (RFC 8707).")
]
Transaction = Annotated[str, Field(min_length=1, description="The login, from the page of /authorize.")]


class AuthorizationRequest(Model):
    """An authorization request (RFC 6749 §4.1.1) with PKCE (RFC 7636). A repeated parameter is rejected."""

    model_config = with_example(
        response_type="code",
        client_id="demo-client",
        redirect_uri="http://127.0.0.1:49152/callback",
        scope="profile email",
        state="af0ifjsldkj",
        code_challenge=_CHALLENGE,
        code_challenge_method="S256",
    )

    client_id: ClientId
    redirect_uri: str = Field(
        min_length=1, description="Exactly one of the client's redirect URIs; on a loopback host the port may differ."
    )
    response_type: Literal["code"]
    code_challenge: str = Field(
        min_length=43, max_length=43, pattern="^[A-Za-z0-9_-]{43}$", description="SHA-256 of the verifier, base64url."
    )
    code_challenge_method: Literal["S256"]
    state: str | Omitted = Field(default=None, description="Returned unchanged.")
    scope: Scope | Omitted = None
    resource: Resource | Omitted = None
    response_mode: Literal["query"] | Omitted = None
    nonce: str | Omitted = Field(
        default=None, max_length=MAX_NONCE_CHARACTERS, description="With the scope `openid`: returned in the ID token."
    )
    max_age: str | Omitted = Field(
        default=None,
        pattern="^[0-9]{1,9}$",
        description="Seconds. Always met, because each request leads to a new login; see `auth_time` in the ID token.",
    )
    prompt: str | Omitted = Field(
        default=None,
        description=f"Of {', '.join(PROMPTS)}. The user always logs in, chooses and consents; `none` is answered with "
        "login_required.",
    )


class LoginForm(Model):
    """The user's input on a page: an identity provider, then consent, or a denial of either."""

    model_config = with_example(transaction="ibl_…", platform="demo")

    transaction: Transaction
    platform: str | Omitted = Field(
        default=None, description="The name of the identity provider; required except for `deny` and `continue`."
    )
    decision: Literal["allow", "deny", "continue"] | Omitted = Field(
        default=None,
        description="Without a decision the user is asked for consent. `allow` goes to the identity provider; `deny` "
        "returns to the client with access_denied; `continue`, for browsers without scripts, returns with a code "
        "once the user has logged in.",
    )


class PollQuery(Model):
    """The login to poll."""

    transaction: Transaction


class SyntheticLoginForm(Model):
    """The orchestrator's proof when it verifies a release."""

    transaction: Transaction
    mac: str = Field(min_length=1, description="HMAC-SHA-256 by the environment's KMS key, base64url.")


class _Authenticated(Model):
    client_id: ClientId | Omitted = None
    client_secret: ClientSecret | Omitted = None


class CodeGrant(_Authenticated):
    """A code in exchange for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    model_config = with_example(
        grant_type="authorization_code",
        client_id="demo-client",
        code="ibc_…",
        redirect_uri="http://127.0.0.1:49152/callback",
        code_verifier=_VERIFIER,
    )

    grant_type: Literal["authorization_code"]
    code: str = Field(min_length=1, description="Valid once. A second use revokes the whole grant.")
    redirect_uri: str = Field(min_length=1, description="The redirect URI of the authorization request.")
    code_verifier: str = Field(min_length=43, max_length=128, pattern="^[A-Za-z0-9._~-]{43,128}$")
    resource: Resource | Omitted = None


class RefreshGrant(_Authenticated):
    """A refresh token in exchange for new tokens (RFC 6749 §6)."""

    model_config = with_example(grant_type="refresh_token", client_id="demo-client", refresh_token="ibr_…")  # noqa: S106

    grant_type: Literal["refresh_token"]
    refresh_token: str = Field(min_length=1, description="Valid once. A second use revokes the whole grant.")
    scope: Scope | Omitted = None
    resource: Resource | Omitted = None


class ShownToken(_Authenticated):
    """A token to introspect or revoke (RFC 7009 §2.1, RFC 7662 §2.1)."""

    model_config = with_example(client_id="demo-client", token="ibr_…")  # noqa: S106

    token: str = Field(min_length=1)
    token_type_hint: str | Omitted = Field(
        default=None, description="Ignored: the kinds of tokens have different formats."
    )


class ClientMetadata(Model):
    """A client's metadata (RFC 7591 §2). Other members are ignored."""

    model_config = with_example(redirect_uris=["https://app.example/callback"], client_name="App")

    redirect_uris: list[str] = Field(min_length=1, max_length=10)
    client_name: str | Omitted = Field(default=None, min_length=1, max_length=64)
    scope: Scope | Omitted = None
    token_endpoint_auth_method: Literal["none", "client_secret_basic", "client_secret_post"] = "client_secret_basic"  # noqa: S105
    grant_types: list[str] | Omitted = Field(default=None, description="Must contain authorization_code.")
    response_types: list[str] | Omitted = Field(default=None, description="Must contain code.")
    application_type: Literal["web", "native"] | Omitted = Field(
        default=None, description="Changes nothing: each redirect URI is checked by itself."
    )
    id_token_signed_response_alg: Literal["ES256"] | Omitted = None
    subject_type: Literal["public"] | Omitted = None
    default_max_age: int | Omitted = Field(default=None, ge=0, description="Always met.")
    require_auth_time: bool | Omitted = Field(default=None, description="ID tokens always have `auth_time`.")
