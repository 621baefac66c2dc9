"""Models of the responses, including errors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from service.openapi.models import Model, Omitted, with_example

_ISSUER = "https://auth.example.com"

Seconds = Annotated[int, Field(ge=0)]
EpochSeconds = Annotated[int, Field(ge=0, description="Epoch seconds.")]


class OAuthError(Model):
    """An error as in RFC 6749 §5.2. Its texts are the service's own, and never quote the request."""

    model_config = with_example(error="invalid_grant", error_description="the code is not valid")

    error: str = Field(description="Error code, for programs.")
    error_description: str = Field(description="Description, for people.")


class Challenge(Model):
    """A rejection at a protected resource (RFC 6750 §3). Without a token in the request, the header has no error."""

    model_config = with_example(error="invalid_token", error_description="the access token is not valid")

    error: str
    error_description: str


class Problem(Model):
    """A problem as in RFC 9457; its type is the default, about:blank."""

    model_config = with_example(title="Not Found", status=404, detail="This address does not exist.")

    title: str
    status: int
    detail: str


class GatewayAnswer(Model):
    """A response of API Gateway itself: OAuth's error and a problem's members in one object."""

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
    title: str | Omitted = None
    status: int | Omitted = None


class Tokens(Model):
    """A successful token response (RFC 6749 §5.1). The access token is a JWT (RFC 9068)."""

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
    refresh_token: str = Field(description="Replaces the one that was used.")
    scope: str
    id_token: str | Omitted = Field(
        default=None, description="With the scope `openid`: a JWT for the client (OpenID Connect Core §2)."
    )


class Nothing(Model):
    """An empty object: the token is revoked, or was never valid, which is not distinguished (RFC 7009 §2.2)."""


class Inactive(Model):
    """A token that is unknown, malformed, expired, revoked, or not for the requesting client (RFC 7662 §2.2)."""

    active: Literal[False]


class Active(Model):
    """A live token (RFC 7662 §2.2). A refresh token has no token_type, iat and jti."""

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
    scope: str | Omitted = None
    client_id: str
    token_type: Literal["Bearer"] | Omitted = None
    exp: EpochSeconds
    iat: EpochSeconds | Omitted = None
    sub: str
    aud: str
    iss: str
    jti: str | Omitted = None


class RegisteredClient(Model):
    """A registered client (RFC 7591 §3.2.1). Its secret is returned only here."""

    client_id: str
    client_id_issued_at: EpochSeconds
    redirect_uris: list[str]
    token_endpoint_auth_method: str
    grant_types: list[str]
    response_types: list[str]
    scope: str
    id_token_signed_response_alg: Literal["ES256"]
    subject_type: Literal["public"]
    client_id_expires_at: EpochSeconds
    client_name: str | Omitted = None
    client_secret: str | Omitted = None
    client_secret_expires_at: EpochSeconds | Omitted = None


class Waiting(Model):
    """The user has not logged in yet."""

    phase: Literal["waiting"]
    retry_after_seconds: Seconds


class Complete(Model):
    """The login has ended. Until the code is used, every poll of the browser gets the redirect again."""

    phase: Literal["complete"]
    redirect: str | None = Field(description="Where the browser goes; null if there is no code, or no longer.")


class Person(Model):
    """The user of an access token: always `sub`, names with the scope `profile`, the email address with `email`."""

    model_config = with_example(sub="demo:5f0c…", given_name="Ada", family_name="Lovelace", email="ada@example.com")

    sub: str
    given_name: str | Omitted = None
    family_name: str | Omitted = None
    email: str | Omitted = None


class AuthorizationServer(Model):
    """The service's metadata (RFC 8414 §2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    registration_endpoint: str | Omitted = None
    jwks_uri: str
    userinfo_endpoint: str
    scopes_supported: list[str]
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
    ui_locales_supported: list[str] | Omitted = None
    protected_resources: list[str]
    environment: str = Field(description="The environment of the service, such as dev or prod.")


class OpenIdConfiguration(AuthorizationServer):
    """The same with the fields of OpenID Connect Discovery 1.0 §3."""

    subject_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    claims_supported: list[str]
    claims_parameter_supported: bool
    prompt_values_supported: list[str]


class ProtectedResource(Model):
    """The metadata of one of the service's own protected resources (RFC 9728 §2)."""

    resource: str
    authorization_servers: list[str]
    jwks_uri: str
    scopes_supported: list[str]
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
    """The keys of access tokens and ID tokens, including the next and the previous ones (RFC 7517 §5)."""

    keys: list[Jwk]


class Health(Model):
    """The function responds."""

    healthy: Literal[True]
    version: str


class Check(Model):
    """One dependency of the service. ms: duration of the check."""

    healthy: bool
    ms: float | Omitted = None
    error: str | Omitted = None


class DeepHealth(Model):
    """Whether all dependencies of the service respond."""

    healthy: bool
    version: str
    revocation_epoch: int | None = Field(
        description="What was issued in a lower epoch is invalid; null if it cannot be read."
    )
    checks: dict[str, Check]


class Items(Model):
    """The item schema versions that the release writes and reads."""

    writes: int
    reads: list[int]


class Version(Model):
    """The running release."""

    function: str
    version: str
    commit: str
    build: str
    configuration: str
    items: Items


class Document(RootModel[dict[str, object]]):
    """This document."""
