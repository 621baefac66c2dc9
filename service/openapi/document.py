"""Puts the document together: the functions' routes, and what is written about each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args

from pydantic import BaseModel

from service.edge import Edge
from service.endpoints import authorize, public, token
from service.key_ring import Alone
from service.keys import PublicKeys, Signer, SyntheticProof, Vault
from service.login_flow import LoginFlow
from service.openapi.models import REFERENCES, schemas
from service.openapi.operations import OPERATIONS, Body, Operation, Scheme, Told
from service.revocations import RevokingStore
from service.settings import load
from service.storage import Store

PATH: Final = Path(__file__).parents[1] / "openapi.json"

_DESCRIPTION: Final = """\
A bridge: a person logs in at a platform, and a client gets OAuth 2.1 tokens for that login. docs/integration.md shows how, client
by client.

Forms are `application/x-www-form-urlencoded`; a parameter that stands twice is refused. Every answer names the version that gave
it in `x-ib-oauth-version`. Whoever reads answers ignores members that they do not know."""

_TAGS: Final = {
    "login": "Pages for a person, and the page's own question",
    "tokens": "What clients and resource servers ask",
    "clients": "Clients that nobody configured",
    "metadata": "What anybody may read; readable for scripts of any origin",
    "operations": "What is running, and how it does",
}

_SCHEMES: Final[Mapping[Scheme, Mapping[str, str]]] = {
    Scheme.CLIENT: {
        "type": "http",
        "scheme": "basic",
        "description": "A client's id and secret, each form-encoded first (RFC 6749 §2.3.1). Both may stand in the form instead.",
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
    "Retry-After": "In how many seconds to try again.",
    "Location": "Where the browser goes.",
    "Set-Cookie": "Binds the login to the browser.",
    "WWW-Authenticate": "How to authenticate. Behind a REST API it is named `x-amzn-Remapped-WWW-Authenticate`.",
}

_PREFLIGHT: Final = {"description": "Any origin may ask, without credentials."}

# Putting the functions together asks nothing of AWS, and nobody calls what is put together here.
_NOBODY: Final[Any] = None
_VARIABLES: Final = {
    "ENVIRONMENT": "prod",
    "ISSUER": "https://auth.example.com",
    "STATE_TABLE": "state",
    "TOKENS_TABLE": "tokens",
    "CLIENTS": "[]",
    "RELEASE": json.dumps({"commit": "", "build": "", "configuration": ""}),
    "SOURCE_REQUESTS_PER_SECOND": "1",
    "SOURCE_BURST_REQUESTS": "1",
}


class RoutesDiffer(Exception):
    """A route that nobody described, or a description of no route."""


def document() -> dict[str, Any]:
    """Return the document, without the server's address, which is the issuer's to fill in. Raises RoutesDiffer."""
    table = [route for function in _functions() for route in function.app.table]
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
    """Return the document as its file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def refuse_differences(table: Iterable[tuple[str, str]], described: Iterable[tuple[str, str]]) -> None:
    """Raise RoutesDiffer where routes and descriptions differ. Preflights describe themselves."""
    routes, written = {route for route in table if route[0] != "OPTIONS"}, set(described)
    problems = [f"{method} {path} is answered and not described" for method, path in sorted(routes - written)]
    problems += [f"{method} {path} is described and not answered" for method, path in sorted(written - routes)]
    if problems:
        raise RoutesDiffer("; ".join([*problems, "mend service/openapi/operations.py"]))


def _functions() -> tuple[Edge, ...]:
    """Return the three functions with their routes."""
    ring = Alone("key")
    keys = PublicKeys(_NOBODY, ring)
    store = Store(_NOBODY, _VARIABLES["STATE_TABLE"], _VARIABLES["TOKENS_TABLE"])
    vault = Vault(_NOBODY, "key", "prod")
    flow = LoginFlow(
        issuer=_VARIABLES["ISSUER"],
        clients={},
        platforms={},
        store=store,
        vault=vault,
        proof=SyntheticProof(_NOBODY, "key", "prod"),
        entropy=os.urandom,
    )
    return (
        authorize.build(load(_VARIABLES, "authorize"), flow),
        token.build(
            load(_VARIABLES, "token"),
            RevokingStore(_NOBODY, "state", "tokens", "revocations"),
            Signer(_NOBODY, ring),
            keys,
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
    written["security"] = [{scheme.value: []} if scheme.value else {} for scheme in operation.asked]
    written["responses"] = {str(status): _response(told) for status, told in sorted(operation.told.items())}
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


def _response(told: Told) -> dict[str, Any]:
    written: dict[str, Any] = {"description": told.meaning}
    if told.headers:
        written["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in told.headers}
    if told.body:
        written["content"] = {
            media_type: {"schema": {"type": "string"} if body is None else _schema(body)}
            for media_type, body in told.body.items()
        }
    return written


def _schema(body: Body) -> dict[str, Any]:
    references = [{"$ref": REFERENCES.format(model=model.__name__)} for model in _models(body)]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _models(body: Body) -> tuple[type[BaseModel], ...]:
    return get_args(body) if isinstance(body, UnionType) else (body,)


def _bodies() -> list[type[BaseModel]]:
    """Return every model of a body, once."""
    bodies = [body for operation in OPERATIONS.values() for body in operation.body.values()]
    told = [told for operation in OPERATIONS.values() for told in operation.told.values()]
    bodies += [body for one in told for body in one.body.values() if body is not None]
    return list(dict.fromkeys(model for body in bodies for model in _models(body)))
