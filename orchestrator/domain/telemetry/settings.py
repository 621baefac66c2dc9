"""Settings of the export of traces: ``[….telemetry]``. Without the table nothing is exported."""

from __future__ import annotations

import json
from dataclasses import dataclass

from orchestrator.domain.deployment.custom_checks import URL
from orchestrator.domain.errors import Refused
from orchestrator.domain.notifications.destinations import ARN_REMEDY, SECRET_ARN
from orchestrator.domain.schema import SettingsReader

TRACES_PATH = "/v1/traces"
ENDPOINT_REMEDY = (
    f"give the https address of a collector without {TRACES_PATH}, such as https://otlp.example.com:4318; "
    "http is for 127.0.0.1"
)


@dataclass(frozen=True)
class TelemetrySettings:
    """Where the traces of ended executions go.

    Attributes:
        otlp_endpoint: address of an OpenTelemetry collector, without a path of signals; empty exports nothing.
        headers_secret: ARN of the secret with headers of the requests, a JSON object; empty for none.
    """

    otlp_endpoint: str = ""
    headers_secret: str = ""

    @property
    def enabled(self) -> bool:
        """Whether traces are exported."""
        return bool(self.otlp_endpoint)


def read_telemetry_settings(settings: SettingsReader, *, local: bool) -> TelemetrySettings:
    """Read the ``telemetry`` of an environment's table.

    Args:
        settings: the environment's table.
        local: whether it is on the local cloud, where a collector may have an http address of this machine.

    Raises:
        Refused: a setting is wrong. The error names the field, the value and the remedy.
    """
    if "telemetry" not in settings:
        return TelemetrySettings()
    table = settings.table("telemetry")
    endpoint = table.text("otlp_endpoint", matching=URL, remedy=ENDPOINT_REMEDY)
    refuse_endpoint(table.field("otlp_endpoint"), endpoint)
    if endpoint.startswith("http:") and not local:
        # In a function's own environment, loopback is Lambda's runtime interface.
        raise table.refused("otlp_endpoint", endpoint, "give an https address; http is for the local cloud only")
    secret = table.optional_text("headers_secret", matching=SECRET_ARN, remedy=ARN_REMEDY) or ""
    table.refuse_unknown_keys()
    return TelemetrySettings(endpoint, secret)


def refuse_endpoint(field: str, endpoint: str) -> None:
    """Refuse what is no address of a collector.

    Args:
        field: what the user wrote it as.
        endpoint: the address.

    Raises:
        Refused: it is no https address, or it has the path of traces already.
    """
    if not URL.fullmatch(endpoint) or endpoint.rstrip("/").endswith(TRACES_PATH):
        raise Refused(field, endpoint, ENDPOINT_REMEDY)


def traces_url(endpoint: str) -> str:
    """Return the address of a collector that takes traces: OTLP over HTTP appends the signal's path."""
    return endpoint.rstrip("/") + TRACES_PATH


def parse_headers(secret: str) -> dict[str, str]:
    """Return the headers that a secret has.

    Args:
        secret: the text of the secret: a JSON object of strings.

    Raises:
        ValueError: it is something else. The message has nothing of the secret.
    """
    try:
        found = json.loads(secret)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(_printable(text) for pair in found.items() for text in pair):
        raise ValueError("the secret is not a JSON object of header names and values")
    return found


def _printable(text: object) -> bool:
    """Return whether a value can be in a header: a line break would begin another one."""
    return isinstance(text, str) and text.isprintable() and text.isascii()
