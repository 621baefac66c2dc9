"""The providers of notifications, written from their public documents: they validate every request strictly and record it.

`respond` is a provider without a network; `Providers.exchange` is what `PublicHttp` is to the product, and `served` puts them
on a loopback port.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ReadTimeoutError

from orchestrator.aws.mail import Mailer
from orchestrator.aws.public_http import PublicResponse
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.notifications.destinations import Destination, DestinationKind, read_destinations
from orchestrator.domain.schema import SettingsReader
from tests.fakes.errors import client_error
from tests.fakes.notification_provider import SIGNING_KEY, Provider

ARN = "arn:aws:secretsmanager:us-west-1:123456789012:secret:ib-oauth/"
SECRETS = {
    DestinationKind.SLACK: "{base}/services/T0/B0/slack-path-of-the-test",
    DestinationKind.TEAMS: "{base}/workflows/1/triggers/manual/paths/invoke?sig=teams-signature-of-the-test",
    DestinationKind.GOOGLE_CHAT: "{base}/v1/spaces/AAA/messages?key=key-of-the-test&token=token-of-the-test",
    DestinationKind.PAGERDUTY: "pagerduty0routing0key0of0the0test",
    DestinationKind.OPSGENIE: "opsgenie-key-of-the-test",
    DestinationKind.GRAFANA_ONCALL: "{base}/integrations/v1/formatted_webhook/oncall-path-of-the-test/",
    DestinationKind.GITHUB: "github_pat_of_the_test",
    DestinationKind.EMAIL: "",
    DestinationKind.WEBHOOK: json.dumps(
        {
            "url": "{base}/hooks/webhook-path-of-the-test",
            "signing_secret": f"whsec_{base64.b64encode(SIGNING_KEY).decode()}",
        }
    ),
    DestinationKind.CLOUDEVENTS: json.dumps(
        {
            "url": "{base}/hooks/events-path-of-the-test",
            "signing_secret": f"whsec_{base64.b64encode(SIGNING_KEY).decode()}",
        }
    ),
}
LINK_KEY = f"{ARN}link-key"
WEBHOOK_SECRET = "webhook-secret-of-the-test"
"""With which the pagers' own webhooks prove themselves."""
CONFIDENTIAL = (
    WEBHOOK_SECRET, "current-link-key-of-the-test-0123456789",
    "slack-path-of-the-test", "teams-signature-of-the-test", "key-of-the-test", "token-of-the-test",
    "pagerduty0routing0key0of0the0test", "opsgenie-key-of-the-test", "oncall-path-of-the-test", "github_pat_of_the_test",
    "webhook-path-of-the-test", "events-path-of-the-test", base64.b64encode(SIGNING_KEY).decode(),
)  # fmt: skip
"""What no log line, no record and no answer may contain."""


READERS = ("ops@example.com", "night@example.com")
SENDER = MailSettings("alarms@example.com", "arn:aws:ses:us-west-1:123456789012:identity/example.com", "Alarms")


class Providers:
    """All providers, each at a host of its own, and their secrets.

    It is a Secrets Manager client, a client of SES v2, and a `PublicHttp`.
    """

    def __init__(self, clock: Callable[[], datetime], advance: Callable[[float], None] = lambda _seconds: None) -> None:
        self._advance, self._clock = advance, clock
        self.by_kind = {kind: Provider(kind, self._with_base(kind, secret), clock) for kind, secret in SECRETS.items()}
        self.bases = {kind: f"https://{self._host(kind)}" for kind in SECRETS}

    @staticmethod
    def _host(kind: DestinationKind) -> str:
        return f"{kind.replace('_', '-')}.example.com"

    def _with_base(self, kind: DestinationKind, secret: str, base: str = "") -> str:
        return secret.replace("{base}", base or f"https://{self._host(kind)}")

    def __getitem__(self, kind: DestinationKind) -> Provider:
        return self.by_kind[kind]

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, str]:  # noqa: N803 - botocore's
        if SecretId == LINK_KEY:
            return {"SecretString": f"{VersionStage[3:].lower()}-link-key-of-the-test-0123456789"}
        if SecretId == f"{ARN}webhooks":
            return {"SecretString": WEBHOOK_SECRET}
        kind = DestinationKind(SecretId.removeprefix(ARN))
        return {"SecretString": self._with_base(kind, SECRETS[kind], self.bases[kind])}

    @property
    def mailer(self) -> Mailer:
        """What sends e-mail to the provider `email`."""
        return Mailer(lambda region: {"us-west-1": self}[region], SENDER)

    def send_email(self, **sent: Any) -> dict[str, str]:
        """SES v2: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html."""
        provider = self.by_kind[DestinationKind.EMAIL]
        provider.attempts += 1
        if provider.plan:
            status, _, text = provider.plan.pop(0)
            raise client_error("TooManyRequestsException" if status in {408, 429} else "Error", text, status=status)
        if provider.hangs_until is not None and self._clock() < provider.hangs_until:
            raise ReadTimeoutError(endpoint_url="https://email.us-west-1.amazonaws.com")
        if provider.down_until is not None and self._clock() < provider.down_until:
            raise client_error("TooManyRequestsException", "Maximum sending rate exceeded.")
        assert set(sent) == {"FromEmailAddress", "Destination", "Content"}
        raw = sent["Content"]["Raw"]["Data"]
        assert len(raw) <= 40_000_000
        assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
        message = message_from_bytes(raw, policy=default)
        assert message["From"].addresses[0].addr_spec == sent["FromEmailAddress"] == SENDER.sender
        assert [one.addr_spec for one in message["To"].addresses] == sent["Destination"]["ToAddresses"]
        assert message["Auto-Submitted"] == "auto-generated"
        text = message.get_content()
        since = next((line for line in text.splitlines() if line.startswith("Since: ")), "")
        provider.mails.append(message)
        provider.links += re.findall(r"^Acknowledge: (\S+)\r?$", text, re.MULTILINE)
        provider.accept(f"{message['Subject']} | {since}", text)
        return {"MessageId": f"m-{len(provider.accepted)}"}

    def exchange(
        self, method: str, url: str, timeout_seconds: float, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> PublicResponse:
        split = urlsplit(url)
        (provider,) = [one for kind, one in self.by_kind.items() if self._host(kind) == split.hostname]
        if provider.hangs_until is not None and self._clock() < provider.hangs_until:
            provider.attempts += 1
            self._advance(timeout_seconds)
            raise CheckNotReadable(f"{split.hostname}: timed out")
        target = f"{split.path}?{split.query}" if split.query else split.path
        lowered = {name.lower(): value for name, value in headers.items()}
        status, answer, content = provider.respond(method, target, lowered, body or b"")
        return PublicResponse(status, {name.lower(): value for name, value in answer.items()}, content)

    def destinations(self, **changes: Any) -> tuple[Destination, ...]:
        """One destination of each kind, for everything that it can get."""
        pagers = {DestinationKind.PAGERDUTY, DestinationKind.OPSGENIE, DestinationKind.GRAFANA_ONCALL}
        tables = []
        for kind in SECRETS:
            table: dict[str, Any] = {
                "name": kind.replace("_", "-"),
                "kind": kind,
                **({"to": list(READERS)} if kind is DestinationKind.EMAIL else {"secret": f"{ARN}{kind}"}),
                "minimum_severity": "warning" if kind in pagers else "info",
                "audiences": ["operators", "security"],
            }
            if kind in {DestinationKind.PAGERDUTY, DestinationKind.OPSGENIE, DestinationKind.GITHUB}:
                table["address"] = self.bases[kind]
            if kind is DestinationKind.GITHUB:
                table["repository"] = "owner/name"
            if kind in pagers:
                table["webhook_secret"] = f"{ARN}webhooks"
            tables.append({**table, **changes})
        return read_destinations(SettingsReader("test", {"notifications": tables}))

    @contextmanager
    def served(self, hang: threading.Event | None = None) -> Iterator[None]:
        """Put all providers on loopback ports for a time. A provider that hangs waits for the event."""
        servers = []
        for kind, provider in self.by_kind.items():
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(provider, hang))
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            servers.append(server)
            self.bases[kind] = f"http://127.0.0.1:{server.server_port}"
            provider.secret = self._with_base(kind, SECRETS[kind], self.bases[kind])
        try:
            yield
        finally:
            if hang:
                hang.set()
            for server in servers:
                server.shutdown()
                server.server_close()


def _handler_of(provider: Provider, hang: threading.Event | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if hang and provider.hangs_until is not None:
                provider.attempts += 1
                hang.wait(10)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer, content = provider.respond(self.command, self.path, headers, body)
            with suppress(BrokenPipeError):
                self.send_response(status)
                for name, value in answer.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815 - the server's names

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def hour_down(provider: Provider, now: datetime) -> None:
    """Have a provider answer 503 for an hour."""
    provider.down_until = now + timedelta(hours=1)
