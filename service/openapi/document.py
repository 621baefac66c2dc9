"""Builds the document from the functions' routes and their descriptions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args

from pydantic import BaseModel

from service.endpoints import authorize, public, token
from service.endpoints.registration import Registrar
from service.http.app import HttpFunction
from service.keys.key_ring import SingleKeyRing
from service.keys.kms import PublicKeys, Signer, SyntheticProof, Vault
from service.login.flow import LoginFlow
from service.openapi.models import REFERENCES, schemas
from service.openapi.operations import OPERATIONS, ApiResponse, Body, Operation, Scheme
from service.settings import load
from service.storage.clients import ClientStore
from service.storage.grants import Store
from service.storage.revocations import RevokingStore

PATH: Final = Path(__file__).parents[1] / "openapi.json"

_DESCRIPTION: Final = """\
A user logs in at an upstream identity provider, and a client gets OAuth 2.1 tokens for that login.
docs/guides/integration.md describes the integration of each kind of client.

HEAD is answered as GET; the response to a method that an address does not have is 405 with `Allow`. Forms are
`application/x-www-form-urlencoded`; a repeated parameter is rejected. Every response names its version in
`x-ib-oauth-version`. Clients must ignore unknown members of responses."""

_TAGS: Final = {
    "login": "Pages for users, and the page's own poll",
    "tokens": "Endpoints for clients and resource servers",
    "clients": "Registration of clients",
    "metadata": "Public documents; scripts of any origin may read them",
    "operations": "Health and version of the running release",
}

_SCHEMES: Final[Mapping[Scheme, Mapping[str, str]]] = {
    Scheme.CLIENT: {
        "type": "http",
        "scheme": "basic",
        "description": "A client's id and secret, each form-encoded first (RFC 6749 §2.3.1). Both may be in the form instead.",
    },
    Scheme.TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token (RFC 9068).",
    },
    Scheme.REGISTRATION: {"type": "http", "scheme": "bearer", "description": "An initial access token (RFC 7591 §3)."},
    Scheme.COOKIE: {
        "type": "apiKey",
        "in": "cookie",
        "name": authorize.BROWSER_COOKIE,
        "description": "The browser in which the login began.",
    },
}

_HEADERS: Final = {
    "Retry-After": "Seconds to wait before trying again.",
    "Location": "Where the browser goes.",
    "Set-Cookie": "Binds the login to the browser.",
    "WWW-Authenticate": "How to authenticate. Behind a REST API it is named `x-amzn-Remapped-WWW-Authenticate`.",
}

_PREFLIGHT: Final = {"description": "Any origin is allowed, without credentials."}

# Building the functions calls nothing of AWS, and the functions built here are never called.
_UNUSED_CLIENT: Final[Any] = None
_VARIABLES: Final = {
    "ENVIRONMENT": "prod",
    "ISSUER": "https://auth.example.com",
    "STATE_TABLE": "state",
    "TOKENS_TABLE": "tokens",
    "CLIENTS": "[]",
    "RELEASE": json.dumps({"commit": "", "build": "", "configuration": ""}, allow_nan=False),
    "SOURCE_REQUESTS_PER_SECOND": "1",
    "SOURCE_BURST_REQUESTS": "1",
}


class RoutesDiffer(Exception):
    """A route has no description, or a description has no route."""


def document() -> dict[str, Any]:
    """Return the document without the server's URL, which is the issuer. Raises RoutesDiffer."""
    table = [route for function in _functions() for route in function.routes.table]
    refuse_differences(table, OPERATIONS)
    paths: dict[str, dict[str, Any]] = {}
    for method, path in sorted(table, key=lambda route: (route[1], route[0])):
        written = _preflight(path) if method == "OPTIONS" else _operation(OPERATIONS[method, path])
        paths.setdefault(path, {})[method.lower()] = written
    return {
        "openapi": "3.1.0",
        "info": {"title": "OAuth service", "version": "1.0.0", "description": _DESCRIPTION},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas(_bodies()),
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in sorted(_HEADERS.items())
            },
            "securitySchemes": {scheme.value: dict(written) for scheme, written in _SCHEMES.items()},
        },
    }


def text() -> str:
    """Return the document as text of its file."""
    return json.dumps(document(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def refuse_differences(table: Iterable[tuple[str, str]], described: Iterable[tuple[str, str]]) -> None:
    """Raise RoutesDiffer if routes and descriptions differ. Preflights need no description."""
    routes, written = {route for route in table if route[0] != "OPTIONS"}, set(described)
    problems = [f"{method} {path} has a route but no description" for method, path in sorted(routes - written)]
    problems += [f"{method} {path} has a description but no route" for method, path in sorted(written - routes)]
    if problems:
        raise RoutesDiffer("; ".join([*problems, "fix service/openapi/operations.py"]))


def _functions() -> tuple[HttpFunction, ...]:
    """Return the three functions with their routes."""
    ring = SingleKeyRing("key")
    keys = PublicKeys(_UNUSED_CLIENT, ring)
    store = Store(_UNUSED_CLIENT, _VARIABLES["STATE_TABLE"], _VARIABLES["TOKENS_TABLE"])
    vault = Vault(_UNUSED_CLIENT, "key", "prod")
    flow = LoginFlow(
        issuer=_VARIABLES["ISSUER"],
        clients={},
        platforms={},
        store=store,
        vault=vault,
        proof=SyntheticProof(_UNUSED_CLIENT, "key", "prod"),
        entropy=os.urandom,
    )
    return (
        authorize.build(load(_VARIABLES, "authorize"), flow),
        token.build(
            load(_VARIABLES, "token"),
            RevokingStore(_UNUSED_CLIENT, "state", "tokens", "revocations"),
            Signer(_UNUSED_CLIENT, ring),
            keys,
            registrar=Registrar(ClientStore(_UNUSED_CLIENT, "state", "tokens"), token_sha256=""),
        ),
        public.build(load(_VARIABLES, "public"), store, keys, vault),
    )


def _operation(operation: Operation) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.query is not None:
        written["parameters"] = _parameters(operation.query)
    if operation.body:
        content = {media_type: {"schema": _schema(body)} for media_type, body in operation.body.items()}
        written["requestBody"] = {"required": True, "content": content}
    written["security"] = [{scheme.value: []} if scheme.value else {} for scheme in operation.security]
    written["responses"] = {
        str(status): _response(response) for status, response in sorted(operation.responses.items())
    }
    return written


def _preflight(path: str) -> dict[str, Any]:
    tag = next(operation.tag for (_, described), operation in OPERATIONS.items() if described == path)
    return {
        "operationId": f"preflight{path.title().translate(dict.fromkeys(map(ord, '/.-_')))}",
        "tags": [tag],
        "summary": "The preflight of a script's request (CORS)",
        "security": [{}],
        "responses": {str(int(HTTPStatus.NO_CONTENT)): _PREFLIGHT},
    }


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    """Return a query's parameters: the members of its model."""
    schema = schemas([query])[query.__name__]
    example: dict[str, Any] = next(iter(schema.get("examples", ())), {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema["required"],
            "schema": member,
            **({"example": example[name]} if name in example else {}),
        }
        for name, member in schema["properties"].items()
    ]


def _response(response: ApiResponse) -> dict[str, Any]:
    written: dict[str, Any] = {"description": response.meaning}
    if response.headers:
        written["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in response.headers}
    if response.body:
        written["content"] = {
            media_type: {"schema": {"type": "string"} if body is None else _schema(body)}
            for media_type, body in response.body.items()
        }
    return written


def _schema(body: Body) -> dict[str, Any]:
    references = [{"$ref": REFERENCES.format(model=model.__name__)} for model in _models(body)]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _models(body: Body) -> tuple[type[BaseModel], ...]:
    return get_args(body) if isinstance(body, UnionType) else (body,)


def _bodies() -> list[type[BaseModel]]:
    """Return every model of a body, without duplicates."""
    bodies = [body for operation in OPERATIONS.values() for body in operation.body.values()]
    responses = [response for operation in OPERATIONS.values() for response in operation.responses.values()]
    bodies += [body for response in responses for body in response.body.values() if body is not None]
    return list(dict.fromkeys(model for body in bodies for model in _models(body)))
