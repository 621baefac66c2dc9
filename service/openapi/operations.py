"""The description of every route: purpose, request and responses.

The functions define the routes. `document` rejects a route without a description and a description without a route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import UnionType
from typing import Final, TypeAlias

from pydantic import BaseModel

from service.openapi import answers, requests

Body: TypeAlias = type[BaseModel] | UnionType

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
PAGE: Final = "text/html; charset=utf-8"
FORM: Final = "application/x-www-form-urlencoded"


class Scheme(Enum):
    """Authentication of a request; the values are the names in the document."""

    NOTHING = ""
    CLIENT = "client_secret_basic"
    TOKEN = "access_token"  # noqa: S105 - a name
    REGISTRATION = "initial_access_token"
    COOKIE = "browser"


@dataclass(frozen=True)
class ApiResponse:
    """A response: its meaning, and its body by media type (None for a page). headers: names of components."""

    meaning: str
    body: Mapping[str, Body | None] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """A method at a path.

    responses: by HTTP status. security: the alternative ways to authenticate a request.
    """

    operation_id: str
    tag: str
    summary: str
    responses: Mapping[int, ApiResponse]
    security: tuple[Scheme, ...] = (Scheme.NOTHING,)
    query: type[BaseModel] | None = None
    body: Mapping[str, Body] = field(default_factory=dict)
    description: str = ""


def _json(model: Body, meaning: str = "The requested data.", *headers: str) -> ApiResponse:
    return ApiResponse(meaning, {JSON: model}, headers)


def _page(meaning: str, *headers: str) -> ApiResponse:
    return ApiResponse(meaning, {PAGE: None}, headers)


def _failures(media_type: str, model: Body | None) -> dict[int, ApiResponse]:
    """Return the failures that every operation may have. Responses of API Gateway itself have their own form."""
    own: dict[str, Body | None] = {media_type: model}
    either: Body | None = (
        answers.GatewayAnswer if model is None or media_type != JSON else model | answers.GatewayAnswer
    )
    both = own | {JSON: either}
    return {
        413: ApiResponse("The request is larger than API Gateway allows.", {JSON: answers.GatewayAnswer}),
        429: ApiResponse("Too many requests from this address, or to the whole API.", both, ("Retry-After",)),
        500: ApiResponse("An internal error.", both),
        503: ApiResponse(
            "A dependency of the service is unavailable. The request was not completed, or its result is not known: send"
            " the same request again.",
            both,
            ("Retry-After",),
        ),
    }


_OAUTH: Final = _failures(JSON, answers.OAuthError)
_PROBLEM: Final = _failures(PROBLEM, answers.Problem)
_PAGES: Final = _failures(PAGE, None)

_INVALID: Final = _json(answers.OAuthError, "The request is rejected, with the reason.")
_UNAUTHENTICATED: Final = _json(
    answers.OAuthError, "The client is unknown or its authentication failed.", "WWW-Authenticate"
)
_REJECTED: Final = {400: _INVALID, 401: _UNAUTHENTICATED, **_OAUTH}
_BACK: Final = ApiResponse(
    "Back to the client, with a code or an error, `state` and `iss` (RFC 9207).", {}, ("Location",)
)
_CLIENT: Final = (Scheme.NOTHING, Scheme.CLIENT)

_USERINFO: Final = {
    200: _json(answers.Person),
    400: _json(answers.Challenge, "The token is malformed, or in the wrong place.", "WWW-Authenticate"),
    401: _json(answers.Challenge, "There is no token, or it is not valid.", "WWW-Authenticate"),
    **_PROBLEM,
}


def _document(operation_id: str, summary: str, model: Body) -> Operation:
    return Operation(operation_id, "metadata", summary, {200: _json(model), **_PROBLEM})


OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/authorize"): Operation(
        "authorize",
        "login",
        "Begin a login (RFC 6749 §3.1)",
        {
            200: _page("The page on which the user chooses an identity provider.", "Set-Cookie"),
            303: _BACK,
            400: _page(
                "The client or the redirect URI cannot be trusted, or a client that is not configured sent an invalid"
                " request. There is no redirect."
            ),
            **_PAGES,
        },
        query=requests.AuthorizationRequest,
    ),
    ("POST", "/authorize"): Operation(
        "authorizeByForm",
        "login",
        "Start a login with the parameters in a form (OpenID Connect Core §3.1.2.1)",
        {
            303: ApiResponse("The browser goes to GET /authorize with the same parameters.", headers=("Location",)),
            400: _page("The parameters are too many or too long."),
            **_PAGES,
        },
        body={FORM: requests.AuthorizationRequest},
    ),
    ("POST", "/login"): Operation(
        "logIn",
        "login",
        "Continue to the consent, to the identity provider, or back to the client",
        {
            200: _page(
                "The page that asks for consent, the page that waits for the login, or the page that leads back to the"
                " client with a code or an error."
            ),
            400: _page("The login has ended, or belongs to another browser."),
            **_PAGES,
        },
        security=(Scheme.COOKIE,),
        body={FORM: requests.LoginForm},
    ),
    ("GET", "/login/poll"): Operation(
        "pollLogin",
        "login",
        "Ask whether the person has logged in",
        {
            200: _json(answers.Waiting | answers.Complete),
            404: ApiResponse("The login has ended, or belongs to another browser.", {PROBLEM: answers.Problem}),
            **_PROBLEM,
        },
        security=(Scheme.COOKIE,),
        query=requests.PollQuery,
    ),
    ("POST", "/login/synthetic"): Operation(
        "logSyntheticIdentityIn",
        "login",
        "Log in the synthetic identity, with which releases are verified",
        {
            303: _BACK,
            400: _page("The login has ended, or belongs to another browser."),
            403: ApiResponse("The proof is not valid.", {PROBLEM: answers.Problem}),
            409: ApiResponse("The login has already ended.", {PROBLEM: answers.Problem}),
            **_PROBLEM,
        },
        security=(Scheme.COOKIE,),
        body={FORM: requests.SyntheticLoginForm},
    ),
    ("POST", "/token"): Operation(
        "token",
        "tokens",
        "Exchange a code or a refresh token for tokens (RFC 6749 §3.2)",
        {200: _json(answers.Tokens), **_REJECTED},
        security=_CLIENT,
        body={FORM: requests.CodeGrant | requests.RefreshGrant},
    ),
    ("POST", "/revoke"): Operation(
        "revoke",
        "tokens",
        "Revoke a grant with any of its tokens (RFC 7009)",
        {200: _json(answers.Nothing, "The token is not valid, or no longer valid."), **_REJECTED},
        security=_CLIENT,
        body={FORM: requests.ShownToken},
    ),
    ("POST", "/introspect"): Operation(
        "introspect",
        "tokens",
        "Introspect a token (RFC 7662); for confidential clients",
        {200: _json(answers.Active | answers.Inactive), **_REJECTED},
        security=_CLIENT,
        body={FORM: requests.ShownToken},
    ),
    ("POST", "/register"): Operation(
        "register",
        "clients",
        "Register a client (RFC 7591), if the environment enables it",
        {
            201: _json(answers.RegisteredClient, "The client, with its secret, which is returned only here."),
            400: ApiResponse("The metadata or the token is malformed.", {JSON: answers.OAuthError}),
            401: _json(answers.Challenge, "The initial access token is missing or wrong.", "WWW-Authenticate"),
            404: ApiResponse("Registration is disabled.", {JSON: answers.OAuthError | answers.GatewayAnswer}),
            **_OAUTH,
        },
        security=(Scheme.REGISTRATION,),
        body={JSON: requests.ClientMetadata},
    ),
    ("GET", "/.well-known/oauth-authorization-server"): _document(
        "getAuthorizationServer", "The service's metadata (RFC 8414)", answers.AuthorizationServer
    ),
    ("GET", "/.well-known/openid-configuration"): _document(
        "getOpenIdConfiguration",
        "The same metadata for clients of OpenID Connect Discovery",
        answers.OpenIdConfiguration,
    ),
    ("GET", "/.well-known/oauth-protected-resource"): _document(
        "getProtectedResource", "The metadata of the service as a resource (RFC 9728)", answers.ProtectedResource
    ),
    ("GET", "/.well-known/oauth-protected-resource/userinfo"): _document(
        "getUserinfoResource", "The metadata of the resource /userinfo (RFC 9728)", answers.ProtectedResource
    ),
    ("GET", "/.well-known/jwks.json"): _document(
        "getKeys", "The keys that verify access tokens and ID tokens", answers.Jwks
    ),
    ("GET", "/openapi.json"): _document("getOpenApi", "This document", answers.Document),
    ("GET", "/userinfo"): Operation(
        "getUserinfo", "tokens", "Read the claims of a token's user", _USERINFO, security=(Scheme.TOKEN,)
    ),
    ("POST", "/userinfo"): Operation(
        "postUserinfo", "tokens", "Read the claims of a token's user", _USERINFO, security=(Scheme.TOKEN,)
    ),
    ("GET", "/health"): Operation(
        "getHealth", "operations", "Check that the function responds", {200: _json(answers.Health), **_PROBLEM}
    ),
    ("GET", "/health/deep"): Operation(
        "getDeepHealth",
        "operations",
        "Check that all dependencies of the service respond",
        {
            200: _json(answers.DeepHealth),
            **_PROBLEM,
            503: _json(answers.DeepHealth | answers.GatewayAnswer, "A dependency does not respond."),
        },
    ),
    ("GET", "/version"): Operation(
        "getVersion", "operations", "Read the running release", {200: _json(answers.Version), **_PROBLEM}
    ),
}
