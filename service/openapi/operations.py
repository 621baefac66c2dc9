"""What every route is for, what it takes, and what it answers.

The routes themselves are the functions': `document` refuses a route that is not here, and what is here without a route.
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
    """How a request is authenticated; the values are the names in the document."""

    NOTHING = ""
    CLIENT = "client_secret_basic"
    TOKEN = "access_token"  # noqa: S105 - a name
    REGISTRATION = "initial_access_token"
    COOKIE = "browser"


@dataclass(frozen=True)
class Told:
    """An answer: what it means, and its body by media type; None where the body is a page. headers: names of components."""

    meaning: str
    body: Mapping[str, Body | None] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What a method does at a path.

    told: by HTTP status. asked: how a request may be authenticated, in any one of these ways.
    """

    operation_id: str
    tag: str
    summary: str
    told: Mapping[int, Told]
    asked: tuple[Scheme, ...] = (Scheme.NOTHING,)
    query: type[BaseModel] | None = None
    body: Mapping[str, Body] = field(default_factory=dict)
    description: str = ""


def _gives(model: Body, meaning: str = "What was asked for.", *headers: str) -> Told:
    return Told(meaning, {JSON: model}, headers)


def _page(meaning: str, *headers: str) -> Told:
    return Told(meaning, {PAGE: None}, headers)


def _failures(media_type: str, model: Body | None) -> dict[int, Told]:
    """Return the failures that any operation may end in. Where API Gateway answers by itself, it has a form of its own."""
    own: dict[str, Body | None] = {media_type: model}
    either: Body | None = (
        answers.GatewayAnswer if model is None or media_type != JSON else model | answers.GatewayAnswer
    )
    both = own | {JSON: either}
    return {
        413: Told("The request is larger than API Gateway takes.", {JSON: answers.GatewayAnswer}),
        429: Told("Too many requests from this address, or to the whole API.", both, ("Retry-After",)),
        500: Told("The service made a mistake.", both),
        503: Told("Something that the service needs does not answer. Nothing was decided.", both, ("Retry-After",)),
    }


_OAUTH: Final = _failures(JSON, answers.OAuthError)
_PROBLEM: Final = _failures(PROBLEM, answers.Problem)
_PAGES: Final = _failures(PAGE, None)

_INVALID: Final = _gives(answers.OAuthError, "The request is refused, and says why.")
_UNKNOWN_CLIENT: Final = _gives(
    answers.OAuthError, "The client is unknown or did not prove who it is.", "WWW-Authenticate"
)
_REFUSED: Final = {400: _INVALID, 401: _UNKNOWN_CLIENT, **_OAUTH}
_BACK: Final = Told("Back to the client, with a code or an error, `state` and `iss` (RFC 9207).", {}, ("Location",))
_CLIENT: Final = (Scheme.NOTHING, Scheme.CLIENT)

_USERINFO: Final = {
    200: _gives(answers.Person),
    400: _gives(answers.Challenge, "The token is malformed, or where it must not be.", "WWW-Authenticate"),
    401: _gives(answers.Challenge, "There is no token, or it is not valid.", "WWW-Authenticate"),
    403: _gives(answers.Challenge, "The token does not hold the scope `profile`.", "WWW-Authenticate"),
    **_PROBLEM,
}


def _document(operation_id: str, summary: str, model: Body) -> Operation:
    return Operation(operation_id, "metadata", summary, {200: _gives(model), **_PROBLEM})


OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/authorize"): Operation(
        "authorize",
        "login",
        "Begin a login (RFC 6749 §3.1)",
        {
            200: _page("The page on which a platform is chosen.", "Set-Cookie"),
            303: _BACK,
            400: _page("Who asks, or where to answer, cannot be believed. There is no redirect."),
            **_PAGES,
        },
        query=requests.AuthorizationRequest,
    ),
    ("POST", "/login"): Operation(
        "logIn",
        "login",
        "Go on to the consent, to the platform, or back to the client",
        {
            200: _page("The page that asks for consent or, after it was given, the one that waits for the login."),
            303: _BACK,
            400: _page("The login has ended, or is another browser's."),
            **_PAGES,
        },
        asked=(Scheme.COOKIE,),
        body={FORM: requests.LoginForm},
    ),
    ("GET", "/login/poll"): Operation(
        "pollLogin",
        "login",
        "Ask whether the person has logged in",
        {
            200: _gives(answers.Waiting | answers.Complete),
            404: Told("The login has ended, or is another browser's.", {PROBLEM: answers.Problem}),
            **_PROBLEM,
        },
        asked=(Scheme.COOKIE,),
        query=requests.PollQuery,
    ),
    ("POST", "/login/synthetic"): Operation(
        "logSyntheticIdentityIn",
        "login",
        "Log the synthetic identity in, with which releases are verified",
        {
            303: _BACK,
            400: _page("The login has ended, or is another browser's."),
            403: Told("The proof does not hold.", {PROBLEM: answers.Problem}),
            409: Told("The login has ended already.", {PROBLEM: answers.Problem}),
            **_PROBLEM,
        },
        asked=(Scheme.COOKIE,),
        body={FORM: requests.SyntheticLoginForm},
    ),
    ("POST", "/token"): Operation(
        "token",
        "tokens",
        "Change a code or a refresh token for tokens (RFC 6749 §3.2)",
        {200: _gives(answers.Tokens), **_REFUSED},
        asked=_CLIENT,
        body={FORM: requests.CodeGrant | requests.RefreshGrant},
    ),
    ("POST", "/revoke"): Operation(
        "revoke",
        "tokens",
        "Give a grant up with any of its tokens (RFC 7009)",
        {200: _gives(answers.Nothing, "The token is not valid, or not any more."), **_REFUSED},
        asked=_CLIENT,
        body={FORM: requests.ShownToken},
    ),
    ("POST", "/introspect"): Operation(
        "introspect",
        "tokens",
        "Ask whether a token lives (RFC 7662); for clients that have a secret",
        {200: _gives(answers.Active | answers.Inactive), **_REFUSED},
        asked=_CLIENT,
        body={FORM: requests.ShownToken},
    ),
    ("POST", "/register"): Operation(
        "register",
        "clients",
        "Register a client (RFC 7591), where the environment has that on",
        {
            201: _gives(answers.RegisteredClient, "The client, with its secret, which is told this once."),
            400: Told("The metadata or the token is malformed.", {JSON: answers.OAuthError}),
            401: _gives(answers.Challenge, "The initial access token is missing or wrong.", "WWW-Authenticate"),
            404: Told("Nobody can register here.", {PROBLEM: answers.Problem}),
            **_OAUTH,
        },
        asked=(Scheme.REGISTRATION,),
        body={JSON: requests.ClientMetadata},
    ),
    ("GET", "/.well-known/oauth-authorization-server"): _document(
        "getAuthorizationServer", "What the service says of itself (RFC 8414)", answers.AuthorizationServer
    ),
    ("GET", "/.well-known/openid-configuration"): _document(
        "getOpenIdConfiguration", "The same for clients of OpenID Connect Discovery", answers.OpenIdConfiguration
    ),
    ("GET", "/.well-known/oauth-protected-resource"): _document(
        "getProtectedResource", "What the service says of /userinfo (RFC 9728)", answers.ProtectedResource
    ),
    ("GET", "/.well-known/jwks.json"): _document("getKeys", "The keys that verify access tokens", answers.Jwks),
    ("GET", "/openapi.json"): _document("getOpenApi", "This document", answers.Document),
    ("GET", "/userinfo"): Operation(
        "getUserinfo", "tokens", "Ask who a token stands for", _USERINFO, asked=(Scheme.TOKEN,)
    ),
    ("POST", "/userinfo"): Operation(
        "postUserinfo", "tokens", "Ask who a token stands for", _USERINFO, asked=(Scheme.TOKEN,)
    ),
    ("GET", "/health"): Operation(
        "getHealth", "operations", "Whether the function answers", {200: _gives(answers.Health), **_PROBLEM}
    ),
    ("GET", "/health/deep"): Operation(
        "getDeepHealth",
        "operations",
        "Whether everything that the service needs answers",
        {
            200: _gives(answers.DeepHealth),
            **_PROBLEM,
            503: _gives(answers.DeepHealth | answers.GatewayAnswer, "Something does not answer."),
        },
    ),
    ("GET", "/version"): Operation(
        "getVersion", "operations", "What is running", {200: _gives(answers.Version), **_PROBLEM}
    ),
}
