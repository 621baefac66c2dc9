"""The peer: Authlib's Flask authorization server, built as in its documentation, called as a WSGI application.

It has authorization codes with PKCE, rotating refresh tokens, a public client, an in-memory store, and one JSON log
line a request. Access tokens are opaque, or JWTs (RFC 9068) signed with ES256.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.common.security import generate_token
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, request
from joserfc.jwk import ECKey

REDIRECT = "http://127.0.0.1:5000/callback"

Wait = Callable[[], None]
Environ = dict[str, Any]


@dataclass
class _Client(ClientMixin):  # type: ignore[misc]
    client_id: str
    redirect_uri: str
    scope: str

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        return method == "none"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"authorization_code", "refresh_token"}


@dataclass
class _User:
    user_id: str

    def get_user_id(self) -> str:
        return self.user_id


@dataclass
class _Code(AuthorizationCodeMixin):  # type: ignore[misc]
    code: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class _Token(TokenMixin):  # type: ignore[misc]
    client_id: str
    scope: str
    refresh_token: str
    revoked: bool = False

    def check_client(self, client: _Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Memory:
    """An in-memory store. `wait` is called before each result; it simulates the latency of a remote store."""

    wait: Wait
    codes: dict[str, _Code] = field(default_factory=dict)
    tokens: dict[str, _Token] = field(default_factory=dict)

    def code(self, code: str) -> _Code | None:
        """Return a stored code."""
        self.wait()
        return self.codes.get(code)

    def delete_code(self, code: str) -> None:
        """Delete a code."""
        self.wait()
        self.codes.pop(code, None)

    def token(self, refresh_token: str) -> _Token | None:
        """Return the grant of a refresh token."""
        self.wait()
        return self.tokens.get(refresh_token)

    def save(self, token: _Token) -> None:
        """Store a grant."""
        self.wait()
        self.tokens[token.refresh_token] = token

    def revoke(self, token: _Token) -> None:
        """Revoke a refresh token."""
        self.wait()
        token.revoked = True


class Peer:
    """One Authlib server.

    Args:
        jwt: whether access tokens are JWTs signed with ES256; otherwise they are opaque.
        wait: see `Memory`.
    """

    def __init__(self, *, jwt: bool = False, wait: Wait = lambda: None) -> None:
        self.memory = Memory(wait)
        self._client = _Client("native", REDIRECT, "profile email")
        self._user = _User("demo:ada")
        self._app = Flask("peer")
        self._app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        server = AuthorizationServer(self._app, {self._client.client_id: self._client}.get, self._save)
        server.register_grant(self._code_grant(), [CodeChallenge(required=True)])
        server.register_grant(self._refresh_grant())
        if jwt:
            server.register_token_generator("default", _jwt_generator())
        self._app.post("/token")(server.create_token_response)
        self._app.after_request(_logged)

    def __call__(self, environ: Environ) -> tuple[str, bytes]:
        """Process one request; return the status line and the body."""
        lines: list[str] = []
        body = self._app(environ, lambda status, _headers, _error=None: lines.append(status))  # type: ignore[arg-type]
        return lines[0], b"".join(body)

    def keep_code(self, challenge: str) -> str:
        """Store a code like an authorization does; return it."""
        code = _Code(generate_token(48), self._client.redirect_uri, self._client.scope, challenge)
        self.memory.codes[code.code] = code
        return code.code

    def keep_refresh_token(self) -> str:
        """Store a grant like a redemption does; return its refresh token."""
        token = _Token(self._client.client_id, self._client.scope, generate_token(48))
        self.memory.tokens[token.refresh_token] = token
        return token.refresh_token

    def _save(self, token: Mapping[str, Any], _request: Any) -> None:
        self.memory.save(_Token(self._client.client_id, token["scope"], token["refresh_token"]))

    def _code_grant(self) -> type:
        memory, user = self.memory, self._user

        class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

            def query_authorization_code(self, code: str, client: _Client) -> _Code | None:  # noqa: ARG002
                return memory.code(code)

            def delete_authorization_code(self, authorization_code: _Code) -> None:
                memory.delete_code(authorization_code.code)

            def authenticate_user(self, authorization_code: _Code) -> _User:  # noqa: ARG002
                return user

        return CodeGrant

    def _refresh_grant(self) -> type:
        memory, user = self.memory, self._user

        class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token: str) -> _Token | None:
                token = memory.token(refresh_token)
                return token if token and not token.revoked else None

            def authenticate_user(self, refresh_token: _Token) -> _User:  # noqa: ARG002
                return user

            def revoke_old_credential(self, refresh_token: _Token) -> None:
                memory.revoke(refresh_token)

        return RefreshGrant


def environ(body: bytes) -> Environ:
    """Return the WSGI environment of a token request."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/token",
        "QUERY_STRING": "",
        "SERVER_NAME": "auth.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "auth.example",
        "HTTP_ACCEPT": "application/json",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_X_FORWARDED_FOR": "192.0.2.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _jwt_generator() -> Any:
    key = ECKey.generate_key("P-256", auto_kid=True)

    class Generator(JWTBearerTokenGenerator):  # type: ignore[misc]
        def get_jwks(self) -> ECKey:
            return key

        def get_audiences(self, client: _Client, user: _User, scope: str) -> str:  # noqa: ARG002
            return "https://auth.example"

        def get_extra_claims(self, client: _Client, grant_type: str, user: _User, scope: str) -> dict[str, Any]:  # noqa: ARG002
            return {}

    return Generator("https://auth.example", alg="ES256", refresh_token_generator=lambda **_: generate_token(48))


def _logged(response: Response) -> Response:
    line = {
        "level": "INFO",
        "message": "request",
        "route": f"{request.method} {request.path}",
        "status": response.status_code,
    }
    sys.stdout.write(f"{json.dumps(line, separators=(',', ':'), allow_nan=False)}\n")
    sys.stdout.flush()
    return response
