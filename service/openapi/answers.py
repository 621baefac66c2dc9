"""What is answered, and how a refusal is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from service.openapi.models import Left, Model, with_example

_ISSUER = "https://auth.example.com"

Seconds = Annotated[int, Field(ge=0)]
EpochSeconds = Annotated[int, Field(ge=0, description="Epoch seconds.")]


class OAuthError(Model):
    """An error as RFC 6749 §5.2 has it. Its words are the service's own, and never quote the request."""

    model_config = with_example(error="invalid_grant", error_description="the code is not valid")

    error: str = Field(description="What a program goes by.")
    error_description: str = Field(description="What a person reads.")


class Challenge(Model):
    """A refusal at a protected resource (RFC 6750 §3). A request that carried no token is told nothing but the header's."""

    model_config = with_example(error="invalid_token", error_description="the access token is not valid")

    error: str | Left = None
    error_description: str | Left = None


class Problem(Model):
    """A problem as RFC 9457 has it; its type is the default, about:blank."""

    model_config = with_example(title="Not Found", status=404, detail="There is nothing at this address.")

    title: str
    status: int
    detail: str


class GatewayAnswer(Model):
    """What API Gateway answers by itself: OAuth's error and a problem's members in one object."""

    model_config = with_example(
        error="temporarily_unavailable",
        error_description="Too many requests. Wait, then try again.",
        title="Too Many Requests",
        status=429,
        detail="Too many requests. Wait, then try again.",
    )

    error: str
    error_description: str
    detail: str
    title: str | Left = None
    status: int | Left = None


class Tokens(Model):
    """A successful token answer (RFC 6749 §5.1). The access token is a JWT (RFC 9068)."""

    model_config = with_example(
        access_token="eyJ0eXAiOiJhdCtqd3Qi…",  # noqa: S106
        token_type="Bearer",  # noqa: S106
        expires_in=600,
        refresh_token="ibr_…",  # noqa: S106
        scope="profile email",
    )

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: Seconds
    refresh_token: str = Field(description="Takes the place of the one that was used.")
    scope: str


class Nothing(Model):
    """An empty object: revoked, or never valid, which is the same to whoever asks (RFC 7009 §2.2)."""


class Inactive(Model):
    """A token that is unknown, malformed, expired, revoked, or not for the client that asks (RFC 7662 §2.2)."""

    active: Literal[False]


class Active(Model):
    """A token that lives (RFC 7662 §2.2). Of a refresh token, no token_type, iat and jti are told."""

    model_config = with_example(
        active=True,
        scope="profile",
        client_id="demo-client",
        token_type="Bearer",  # noqa: S106
        exp=1800000600,
        iat=1800000000,
        sub="demo:5f0c…",
        aud="https://api.example.com",
        iss=_ISSUER,
        jti="n-0S6_WzA2Mj",
    )

    active: Literal[True]
    scope: str | Left = None
    client_id: str
    token_type: Literal["Bearer"] | Left = None
    exp: EpochSeconds
    iat: EpochSeconds | Left = None
    sub: str
    aud: str
    iss: str
    jti: str | Left = None


class RegisteredClient(Model):
    """A client that registered (RFC 7591 §3.2.1). Its secret is told this once."""

    client_id: str
    client_id_issued_at: EpochSeconds
    redirect_uris: list[str]
    token_endpoint_auth_method: str
    grant_types: list[str]
    response_types: list[str]
    scope: str
    client_name: str | Left = None
    client_secret: str | Left = None
    client_secret_expires_at: EpochSeconds | Left = None


class Waiting(Model):
    """The person has not logged in yet."""

    phase: Literal["waiting"]
    retry_after_seconds: Seconds


class Complete(Model):
    """The login has ended."""

    phase: Literal["complete"]
    redirect: str | None = Field(description="Where the browser goes; null where another request has got the answer.")


class Person(Model):
    """Who an access token stands for: the names with the scope `profile`, the email address with `email`."""

    model_config = with_example(sub="demo:5f0c…", given_name="Ada", family_name="Lovelace", email="ada@example.com")

    sub: str
    given_name: str | Left = None
    family_name: str | Left = None
    email: str | Left = None


class AuthorizationServer(Model):
    """What the service says of itself (RFC 8414 §2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    registration_endpoint: str | Left = None
    jwks_uri: str
    userinfo_endpoint: str
    scopes_supported: list[str] | Left = None
    response_types_supported: list[str]
    response_modes_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    code_challenge_methods_supported: list[str]
    authorization_response_iss_parameter_supported: bool
    client_id_metadata_document_supported: bool
    request_parameter_supported: bool
    request_uri_parameter_supported: bool
    ui_locales_supported: list[str] | Left = None
    protected_resources: list[str]
    environment: str = Field(description="Which of the service's environments this is, such as dev or prod.")


class OpenIdConfiguration(AuthorizationServer):
    """The same with what OpenID Connect Discovery 1.0 §3 requires. There are no ID tokens."""

    subject_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    claims_supported: list[str]


class ProtectedResource(Model):
    """What the service says of the resource that it protects itself, /userinfo (RFC 9728 §2)."""

    resource: str
    authorization_servers: list[str]
    jwks_uri: str
    scopes_supported: list[str] | Left = None
    bearer_methods_supported: list[str]


class Jwk(Model):
    """A public key on P-256 (RFC 7517 §4, RFC 7518 §6.2)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    alg: Literal["ES256"]
    use: Literal["sig"]


class Jwks(Model):
    """The keys that access tokens are signed with, those of soon and of just now among them (RFC 7517 §5)."""

    keys: list[Jwk]


class Health(Model):
    """The function answers."""

    healthy: Literal[True]
    version: str


class Check(Model):
    """One thing that the service needs. ms: how long asking it took."""

    healthy: bool
    ms: float | Left = None
    error: str | Left = None


class DeepHealth(Model):
    """Whether everything that the service needs answers."""

    healthy: bool
    version: str
    checks: dict[str, Check]


class Items(Model):
    """Which layouts of items the release writes and reads."""

    writes: int
    reads: list[int]


class Version(Model):
    """What is running."""

    function: str
    version: str
    commit: str
    build: str
    configuration: str
    items: Items


class Document(RootModel[dict[str, object]]):
    """This document."""
