"""A status page with subscribers: the endpoint, the queue, mailboxes and webhooks, over fakes."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.aws.mail import Mailer
from orchestrator.aws.public_http import PublicResponse
from orchestrator.aws.subscribers.webhooks import SubscriberWebhooks
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.domain.mail.settings import MailSettings, encode_mail
from orchestrator.domain.status_page.settings import StatusPageSettings, encode_status_page
from orchestrator.domain.subscribers.announcements import Announcement
from orchestrator.event_handlers import deliver_to_subscribers, runtime, serve_subscriptions
from tests.fakes.dynamodb import FakeDynamoDB, _key, holds
from tests.fakes.errors import client_error
from tests.fakes.notification_queue import DEAD_LETTERS, QUEUE, MovableClock, SimulatedQueue

ADDRESS = "https://status.example.com"
SENDER = MailSettings("status@example.com", "arn:aws:ses:eu-central-1:123456789012:identity/example.com", "Example")
PAGE = StatusPageSettings(enabled=True, title="Example status", address=ADDRESS, subscribers=SENDER)
KEY = "k" * 64


class SubscribersTable(FakeDynamoDB):
    """The table, with the two operations that the ledger does not use."""

    def delete_item(self, *, TableName: str, Key: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - botocore's
        assert TableName == "subscribers"
        self.items.pop(_key(Key), None)
        return {}

    def update_item(self, **update: Any) -> dict[str, Any]:
        """The one update: a count below its limit."""
        assert update["UpdateExpression"] == "ADD used :one SET expires_at = :end"
        assert update["ConditionExpression"] == "attribute_not_exists(used) OR used < :most"
        item, values = self.items.get(_key(update["Key"]), {}), update["ExpressionAttributeValues"]
        used = int(item.get("used", {"N": "0"})["N"])
        if not holds("attribute_not_exists(used)", item, {}) and used >= int(values[":most"]["N"]):
            raise client_error("ConditionalCheckFailedException", "The conditional request failed")
        self.items[_key(update["Key"])] = {**update["Key"], "used": {"N": str(used + 1)}, "expires_at": values[":end"]}
        return {}


@dataclass
class Mailboxes:
    """SES v2: every message that was sent, and errors in place of the next ones."""

    mails: list[EmailMessage] = field(default_factory=list)
    plan: list[Exception] = field(default_factory=list)

    def send_email(self, **sent: Any) -> dict[str, str]:
        if self.plan:
            raise self.plan.pop(0)
        message = message_from_bytes(sent["Content"]["Raw"]["Data"], policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return {"MessageId": f"m-{len(self.mails)}"}

    def to(self, address: str) -> list[EmailMessage]:
        return [one for one in self.mails if one["To"] == address]


@dataclass
class Hooks:
    """Subscribers' webhooks: every request by host, answers in place of the next ones, and hosts that hang."""

    clock: MovableClock
    received: dict[str, list[tuple[Mapping[str, str], bytes]]] = field(default_factory=dict)
    plan: dict[str, list[int]] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)

    def exchange(
        self, method: str, url: str, timeout_seconds: float, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> PublicResponse:
        host = urlsplit(url).hostname or ""
        assert method == "POST"
        if host in self.hanging:
            self.clock.advance(timeout_seconds)
            raise CheckNotReadable(f"{host}: timed out")
        if self.plan.get(host):
            return PublicResponse(self.plan[host].pop(0), {}, b"later")
        self.received.setdefault(host, []).append((headers, body or b""))
        return PublicResponse(204, {}, b"")


class SubscriberWorld:
    """One page with its endpoint and its queue."""

    def __init__(self, seed: int = 1, page: StatusPageSettings = PAGE) -> None:
        self.clock = MovableClock()
        self.table, self.mailboxes, self.hooks = SubscribersTable(), Mailboxes(), Hooks(self.clock)
        self.queue = SimulatedQueue(self.clock, random.Random(seed))
        self.file = b""
        settings = {
            "ENVIRONMENT": "test",
            "STATUS_PAGE": encode_status_page(page),
            "STATUS_ADDRESS": ADDRESS,
            "SUBSCRIBERS_TABLE": "subscribers",
            "LINK_KEY": "arn",
            "NOTIFICATION_QUEUE": QUEUE,
            "NOTIFICATION_DEAD_LETTERS": DEAD_LETTERS,
            "MAIL": encode_mail(SENDER),
        }
        clients = {"dynamodb": self.table, "sqs": self.queue, "secretsmanager": self}
        self.cloud = Cloud(settings, clients=clients.__getitem__, now=self.clock.now)
        vars(self.cloud)["mailer"] = Mailer(lambda _region: self.mailboxes, SENDER)
        vars(self.cloud)["subscriber_webhooks"] = SubscriberWebhooks(self.hooks)  # type: ignore[arg-type]
        vars(self.cloud)["site_bucket"] = self

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803 - botocore's
        assert SecretId == "arn"
        if VersionStage == "AWSPREVIOUS":
            raise client_error("ResourceNotFoundException")
        return {"SecretString": KEY}

    def read_file(self, path: str) -> bytes:
        assert path == "announcements.json"
        return self.file

    # --- what clients do -------------------------------------------------------------------------------------------

    def request(self, method: str, target: str, body: str = "", content_type: str = "") -> dict[str, Any]:
        """Send a request to the endpoint; the answer is API Gateway's."""
        split = urlsplit(target)
        event = {
            "httpMethod": method,
            "path": split.path,
            "queryStringParameters": {name: values[-1] for name, values in parse_qs(split.query).items()} or None,
            "headers": {"Content-Type": content_type or "application/x-www-form-urlencoded"},
            "body": body or None,
            "isBase64Encoded": False,
        }
        with mock.patch.object(runtime, "_cloud", self.cloud):
            return dict(serve_subscriptions.handler(event, None))

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Send the form."""
        return self.request("POST", "/subscriptions/request", urlencode(fields, doseq=True))

    def subscribe(self, **fields: Any) -> dict[str, Any]:
        """Send the form, and confirm by the link of the message."""
        self.ask(**fields)
        self.work()
        return self.request("POST", self.confirm_link(fields))

    def confirm_link(self, fields: Mapping[str, Any]) -> str:
        if "email" in fields:
            text = self.mailboxes.to(fields["email"])[-1].get_content()
            return re.search(r"https?://\S+/confirm\?\S+", text)[0]  # type: ignore[index]
        _, body = self.hooks.received[urlsplit(fields["webhook"]).hostname or ""][-1]
        return str(json.loads(body)["data"]["confirm_url"])

    # --- what the page does ----------------------------------------------------------------------------------------

    def announce(self, *announcements: Announcement, events: int = 1, after: float = 0) -> None:
        """Write the file of announcements, which S3 reports so many times."""
        self.file = msgspec.json.encode(list(announcements))
        for _ in range(events):
            self.queue.put(
                '{"Records": [{"eventName": "ObjectCreated:Put"}]}', self.clock.now() + timedelta(seconds=after)
            )

    def work(self, until: datetime | None = None) -> None:
        """Work on everything in the queue."""
        with mock.patch.object(runtime, "_cloud", self.cloud):
            self.queue.work(deliver_to_subscribers.handler, until)
