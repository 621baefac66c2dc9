"""What is asked: queries, forms, and the one JSON body."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.openapi.models import Left, Model, with_example

_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

ClientId = Annotated[
    str, Field(min_length=1, description="The client's id: a word, or the https address of its document.")
]
ClientSecret = Annotated[str, Field(description="Of a client that has a secret and does not send it by HTTP Basic.")]
Scope = Annotated[str, Field(description="Scopes with one space between them. Left out: all that there may be.")]
Resource = Annotated[
    str, Field(description="The one resource that the tokens are for: an absolute URI without a fragment (RFC 8707).")
]
Transaction = Annotated[str, Field(min_length=1, description="The login, as the page of /authorize has it.")]


class AuthorizationRequest(Model):
    """An authorization request (RFC 6749 §4.1.1) with PKCE (RFC 7636). A parameter that stands twice is refused."""

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
        min_length=1, description="One of the client's, letter for letter; of a loopback address, the port may differ."
    )
    response_type: Literal["code"]
    code_challenge: str = Field(
        min_length=43, max_length=43, pattern="^[A-Za-z0-9_-]{43}$", description="SHA-256 of the verifier, base64url."
    )
    code_challenge_method: Literal["S256"]
    state: str | Left = Field(default=None, description="Comes back as it was sent.")
    scope: Scope | Left = None
    resource: Resource | Left = None
    response_mode: Literal["query"] | Left = None


class LoginForm(Model):
    """The person's answer to a page: a platform to log in at, then yes, or no to either."""

    model_config = with_example(transaction="ibl_…", platform="demo")

    transaction: Transaction
    platform: str | Left = Field(
        default=None, description="The name of the platform; required to be asked, and to allow."
    )
    decision: Literal["allow", "deny", "continue"] | Left = Field(
        default=None,
        description="Without one the person is asked. `allow` goes to the platform; `deny` goes back with access_denied; "
        "`continue` goes back with a code once the person has logged in, where a browser runs no scripts.",
    )


class PollQuery(Model):
    """Which login is asked about."""

    transaction: Transaction


class SyntheticLoginForm(Model):
    """The proof that it is the orchestrator that verifies a release."""

    transaction: Transaction
    mac: str = Field(min_length=1, description="HMAC-SHA-256 by the environment's KMS key, base64url.")


class _Authenticated(Model):
    client_id: ClientId | Left = None
    client_secret: ClientSecret | Left = None


class CodeGrant(_Authenticated):
    """A code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    model_config = with_example(
        grant_type="authorization_code",
        client_id="demo-client",
        code="ibc_…",
        redirect_uri="http://127.0.0.1:49152/callback",
        code_verifier=_VERIFIER,
    )

    grant_type: Literal["authorization_code"]
    code: str = Field(min_length=1, description="Can be used once. Used again, it ends the whole grant.")
    redirect_uri: str = Field(min_length=1, description="The one of the authorization request.")
    code_verifier: str = Field(min_length=43, max_length=128, pattern="^[A-Za-z0-9._~-]{43,128}$")
    resource: Resource | Left = None


class RefreshGrant(_Authenticated):
    """A refresh token for new tokens (RFC 6749 §6)."""

    model_config = with_example(grant_type="refresh_token", client_id="demo-client", refresh_token="ibr_…")  # noqa: S106

    grant_type: Literal["refresh_token"]
    refresh_token: str = Field(min_length=1, description="Can be used once. Used again, it ends the whole grant.")
    scope: Scope | Left = None
    resource: Resource | Left = None


class ShownToken(_Authenticated):
    """A token that is asked about or given up (RFC 7009 §2.1, RFC 7662 §2.1)."""

    model_config = with_example(client_id="demo-client", token="ibr_…")  # noqa: S106

    token: str = Field(min_length=1)
    token_type_hint: str | Left = Field(
        default=None, description="Not needed: our tokens are told apart by their form."
    )


class ClientMetadata(Model):
    """What a client says about itself (RFC 7591 §2). Other members are ignored."""

    model_config = with_example(redirect_uris=["https://app.example/callback"], client_name="App")

    redirect_uris: list[str] = Field(min_length=1, max_length=10)
    client_name: str | Left = Field(default=None, min_length=1, max_length=64)
    scope: Scope | Left = None
    token_endpoint_auth_method: Literal["none", "client_secret_basic", "client_secret_post"] = "client_secret_basic"  # noqa: S105
    grant_types: list[str] | Left = Field(default=None, description="With authorization_code among them.")
    response_types: list[str] | Left = Field(default=None, description="With code among them.")
