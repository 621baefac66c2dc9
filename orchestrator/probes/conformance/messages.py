"""What the checks read of responses: redirects, grants and JWTs.

Secrets are only in values whose representation leaves them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from orchestrator.domain.analysis.observations import HttpResponse
from orchestrator.domain.base64url import encode_base64url
from orchestrator.domain.compliance.result import NotChecked
from orchestrator.probes.synthetic_client import Code, Login, json_object


@dataclass(frozen=True)
class Authorized:
    """A login that ended with a code. `parameters`: of the redirect's query."""

    login: Login
    code: Code
    response: HttpResponse = field(repr=False)

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the redirect."""
        return redirect_parameters(self.response)


@dataclass(frozen=True)
class Granted:
    """A redeemed code: the response of the token endpoint."""

    authorized: Authorized
    response: HttpResponse = field(repr=False)

    @property
    def document(self) -> Mapping[str, Any]:
        """The response's JSON object; empty if it has none."""
        return json_object(self.response)

    @property
    def access(self) -> str:
        """The access token."""
        return self._text("access_token")

    @property
    def refresh(self) -> str:
        """The refresh token."""
        return self._text("refresh_token")

    @property
    def id_token(self) -> str:
        """The ID token."""
        return self._text("id_token")

    def _text(self, name: str) -> str:
        value = self.document.get(name)
        if not isinstance(value, str) or not value:
            raise NotChecked(f"no {name} was issued")
        return value


def redirect_parameters(response: HttpResponse) -> Mapping[str, str]:
    """Return the query's parameters of a redirect; none without one."""
    query = parse_qs(urlsplit(response.header("location")).query, keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}


def repeated_query(query: Mapping[str, str], name: str, value: str) -> str:
    """Return a query string with one parameter in it twice."""
    return urlencode([*query.items(), (name, value)])


def encode_part(part: Mapping[str, Any]) -> str:
    """Return a part of a JWT in base64url."""
    return encode_base64url(json.dumps(part, allow_nan=False).encode())
