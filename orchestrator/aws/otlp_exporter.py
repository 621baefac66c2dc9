"""Send traces to an OpenTelemetry collector, by OTLP over HTTP in its JSON form.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp (the path, the content type, and which answers are repeated).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.public_http import PublicHttp
from orchestrator.aws.secrets_manager import read_secret_text
from orchestrator.domain.errors import CheckNotReadable, Refused, Unreachable
from orchestrator.domain.telemetry.settings import parse_headers, traces_url

TIMEOUT_SECONDS = 10.0
RETRIED = frozenset({429, 502, 503, 504})
"""The statuses after which the specification has a client send again."""


class OtlpExporter:
    """Exports traces.

    Args:
        secrets: creates botocore's Secrets Manager client.
        web: sends requests to public addresses only, and to loopback.
    """

    def __init__(self, secrets: Callable[[], Any], web: PublicHttp) -> None:
        self._secrets, self._web = secrets, web

    def export(self, trace: Mapping[str, Any], endpoint: str, headers: Mapping[str, str] = {}) -> None:
        """Send a trace.

        Args:
            trace: the body of the request.
            endpoint: address of the collector, without the path of traces.
            headers: in addition to the content type.

        Raises:
            Refused: the collector does not take it; another attempt would not help.
            Unreachable: it did not answer, or asks for another attempt.
        """
        body = msgspec.json.encode(trace)
        try:
            status, _ = self._web.send(
                "POST", traces_url(endpoint), TIMEOUT_SECONDS, body, {**headers, "Content-Type": "application/json"}
            )
        except CheckNotReadable as error:
            raise Unreachable(f"the collector did not take the trace: {error}") from error
        if status in RETRIED:
            raise Unreachable(f"the collector answered {status}")
        if not 200 <= status < 300:  # noqa: PLR2004 - the class of statuses that are a success
            remedy = f"the collector answered {status}: check the address and the headers that it asks for"
            raise Refused("otlp_endpoint", endpoint, remedy)

    def read_headers(self, secret: str) -> dict[str, str]:
        """Return the headers that a secret has.

        Args:
            secret: its ARN; empty for no headers.

        Raises:
            Refused: it cannot be read, or is no JSON object of texts.
        """
        if not secret:
            return {}
        try:
            text = read_secret_text(self._secrets(), secret)
        except (ClientError, KeyError) as error:
            code = error_code(error) if isinstance(error, ClientError) else "it has no text"
            remedy = f"give a secret that can be read: {code}"
            raise Refused("telemetry.headers_secret", secret, remedy) from error
        try:
            return parse_headers(text)
        except ValueError as error:
            raise Refused("telemetry.headers_secret", secret, f"store headers in it: {error}") from error
