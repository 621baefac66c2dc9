"""The OAuth service behind its API, in process: what a client reaches over HTTP, and releases that break one rule each."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from orchestrator.domain.analysis.observations import Certificate, HttpRequest, HttpResponse
from orchestrator.probes.checks import REDIRECT_URI
from orchestrator.probes.ports import Pace
from tests.fakes.oauth_service import Keys, OAuthFunctions
from tests.fakes.tables import Tables
from tests.fakes.two_versions import SimulatedTime
from tests.samples import NOW

ISSUER = "https://issuer.invalid"
SYNTHETIC_KEY = "arn:aws:kms:us-west-1:000000000000:key/synthetic"
FUNCTIONS = {
    "authorize": ("/authorize", "/login", "/login/poll", "/login/synthetic"),
    "token": ("/token", "/revoke", "/introspect", "/register"),
}
_OWNERS = {path: name for name, paths in FUNCTIONS.items() for path in paths}


class OAuthApi:
    """An HTTP client of the service.

    Args:
        at: the clock.
    """

    def __init__(self, at: datetime = NOW) -> None:
        self.keys = Keys()
        tables = Tables("api-state", "api-tokens", "api-revocations")
        self._functions = OAuthFunctions(
            tables, self.keys, lambda: at, state="api-state", tokens="api-tokens", revocations="api-revocations"
        )
        self.sent: list[HttpRequest] = []

    def generate_mac(self, key_id: str, message: bytes) -> bytes:
        """KMS, of which the service verifies what is made here. The environment's name is `test`."""
        mac: bytes = self.keys.generate_mac(KeyId=key_id, Message=message)["Mac"]
        return mac

    def certificate(self, url: str) -> Certificate:
        """A certificate that is valid for years."""
        assert url == ISSUER
        return Certificate("TLSv1.3", datetime.fromisoformat("2099-01-01T00:00:00+00:00"))

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        """Send a request as API Gateway would put it."""
        assert base_url == ISSUER
        self.sent.append(request)
        split = urlsplit(request.path)
        pairs = list(request.query.items()) or parse_qsl(split.query, keep_blank_values=True)
        lists: dict[str, list[str]] = {}
        for name, value in pairs:
            lists.setdefault(name, []).append(value)
        form = {} if request.form is None else {"content-type": "application/x-www-form-urlencoded"}
        headers = {**request.headers, **form}
        event = {
            "resource": split.path, "path": split.path, "httpMethod": request.method, "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": dict(pairs) or None, "multiValueQueryStringParameters": lists or None,
            "requestContext": {"stage": "live", "requestId": "request", "identity": {"sourceIp": "127.0.0.1"}},
            "body": request.body if request.form is None else urlencode(request.form), "isBase64Encoded": False,
        }  # fmt: skip
        name = f"ib-oauth-{_OWNERS.get(split.path, 'public')}-test"
        answer: Mapping[str, Any] = json.loads(
            self._functions.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read()
        )
        named = {name.lower(): tuple(values) for name, values in answer["multiValueHeaders"].items()}
        return HttpResponse(answer["statusCode"], named, answer.get("body") or "", 1.0, "1")


def pace() -> Pace:
    """A clock that pauses move, so that nothing waits."""
    return SimulatedTime().pace


# --- releases that break one rule ------------------------------------------------------------------------

Send = Callable[[HttpRequest], HttpResponse]


def _sha(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _with_query(request: HttpRequest, **changes: str) -> HttpRequest:
    return replace(request, query={**request.query, **changes})


def _with_header(response: HttpResponse, name: str, value: str | None) -> HttpResponse:
    headers = {key: values for key, values in response.headers.items() if key != name}
    return replace(response, headers=headers if value is None else {**headers, name: (value,)})


def _with_json(response: HttpResponse, **changes: Any) -> HttpResponse:
    return replace(response, body=json.dumps({**json.loads(response.body), **changes}))


def _authorizes(request: HttpRequest) -> bool:
    return request.path == "/authorize" and request.method == "GET"


@dataclass
class BrokenApi:
    """A release of the service that breaks one rule: requests pass it on their way in, responses on their way out.

    Args:
        right: the service.
        rule: how it answers a request, with a way to ask the service.
    """

    right: OAuthApi
    rule: Callable[[BrokenApi, HttpRequest, Send], HttpResponse]
    memory: dict[str, Any] = field(default_factory=dict)

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        return self.rule(self, request, lambda changed: self.right.send(base_url, changed))

    def certificate(self, url: str) -> Certificate:
        return self.right.certificate(url)

    def generate_mac(self, key_id: str, message: bytes) -> bytes:
        return self.right.generate_mac(key_id, message)


def no_pkce_required(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    if _authorizes(request) and "code_challenge" not in request.query:
        return send(_with_query(request, code_challenge=_sha("v" * 43), code_challenge_method="S256"))
    return send(request)


def plain_accepted(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    if _authorizes(request) and request.query.get("code_challenge_method") == "plain":
        challenge = _sha(request.query["code_challenge"])
        return send(_with_query(request, code_challenge=challenge, code_challenge_method="S256"))
    return send(request)


def redirect_by_prefix(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    if _authorizes(request) and request.query.get("redirect_uri", "").startswith(REDIRECT_URI):
        return send(_with_query(request, redirect_uri=REDIRECT_URI))
    return send(request)


def no_iss(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    location = response.header("location")
    return _with_header(response, "location", re.sub(r"&iss=[^&]*", "", location)) if location else response


def code_twice(api: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    code = (request.form or {}).get("code", "")
    if request.path == "/token" and code in api.memory:
        stored: HttpResponse = api.memory[code]
        return stored
    response = send(request)
    if request.path == "/token" and code and response.status == 200:
        api.memory[code] = response
    return response


def refresh_not_rotated(api: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    """The client keeps one refresh token; the service's newest one is behind it."""
    form = dict(request.form or {})
    shown = form.get("refresh_token", "")
    if request.path != "/token" or not shown:
        return send(request)
    response = send(replace(request, form={**form, "refresh_token": api.memory.get(shown, shown)}))
    if response.status == 200:
        api.memory[shown] = json.loads(response.body)["refresh_token"]
        return _with_json(response, refresh_token=shown)
    return response


def tokens_cached(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    return _with_header(response, "cache-control", None) if request.path == "/token" else response


def other_challenge(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    if request.path == "/userinfo" and response.status == 401:
        return _with_header(response, "www-authenticate", 'Basic realm="api"')
    return response


def token_in_query(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    if request.path == "/userinfo" and "access_token" in request.query:
        header = {"Authorization": f"Bearer {request.query['access_token']}"}
        return send(replace(request, query={}, headers={**request.headers, **header}))
    return send(request)


def lying_metadata(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    if request.path == "/.well-known/oauth-authorization-server":
        return _with_json(response, revocation_endpoint=f"{ISSUER}/no-such-address")
    return response


def state_dropped(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    location = response.header("location")
    if location and "error=" in location:
        return _with_header(response, "location", re.sub(r"&state=[^&]*", "", location))
    return response


def open_redirector(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    target = request.query.get("redirect_uri", "")
    if _authorizes(request) and response.status == 400 and target:
        return replace(_with_header(response, "location", f"{target}?error=invalid_request"), status=303)
    return response


def implicit_grant(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    if _authorizes(request) and request.query.get("response_type") == "token":
        location = f"{REDIRECT_URI}#access_token=x&state={quote(request.query['state'])}"
        return replace(_with_header(send(request), "location", location), status=303)
    return send(request)


def framed_page(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    return _with_header(response, "x-frame-options", None) if _authorizes(request) else response


def tokens_survive_revocation(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    if request.path == "/revoke" and (request.form or {}).get("token", "").startswith("ibr"):
        return send(replace(request, form={**(request.form or {}), "token": "another"}))
    return send(request)


def private_key_published(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    if request.path == "/.well-known/jwks.json":
        keys = [{**key, "d": "secret"} for key in json.loads(response.body)["keys"]]
        return _with_json(response, keys=keys)
    return response


def unsigned_accepted(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if request.path == "/userinfo" and token.endswith(".") and token.count(".") == 2:
        return replace(send(request), status=200, body=json.dumps({"sub": "synthetic"}))
    return send(request)


def issuer_from_request(_: BrokenApi, request: HttpRequest, send: Send) -> HttpResponse:
    response = send(request)
    host = request.headers.get("X-Forwarded-Host")
    return replace(response, body=response.body.replace("issuer.invalid", host)) if host else response


def parameters(location: str) -> dict[str, list[str]]:
    """The parameters of a redirect."""
    return parse_qs(urlsplit(location).query)
