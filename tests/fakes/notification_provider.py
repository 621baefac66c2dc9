"""One provider of notifications, written from its public documents: it validates every request strictly and records it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from orchestrator.domain.notifications.destinations import DestinationKind

Reply = tuple[int, Mapping[str, str], bytes]
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
SIGNING_KEY = b"0123456789abcdef0123456789abcdef"
SHA = "0123456789abcdef0123456789abcdef01234567"


class Invalid(Exception):
    """A request that the provider does not take: the status, and the error that its document names."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(status, error)
        self.status, self.error = status, error


def need(condition: object, error: str, status: int = 400) -> None:
    if not condition:
        raise Invalid(status, error)


@dataclass
class Provider:
    """One provider.

    Attributes:
        links: the addresses that its messages' buttons open.
        accepted: what it accepted: the text by which a person would know the message.
        texts: every text that it would show.
        alerts: a pager's alerts by key: whether each is open.
        acknowledged: keys of the alerts that were acknowledged.
        attempts: requests, whatever was answered.
        plan: the answers of the next requests, in place of its own; an exception is raised.
        down_until: it answers 503 until then.
        hangs_until: it does not answer until then.
    """

    kind: DestinationKind
    secret: str
    clock: Callable[[], datetime]
    accepted: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    alerts: dict[str, bool] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    times: list[datetime] = field(default_factory=list)
    attempts: int = 0
    plan: list[Reply] = field(default_factory=list)
    down_until: datetime | None = None
    hangs_until: datetime | None = None
    seen: set[str] = field(default_factory=set)
    mails: list[EmailMessage] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    github: dict[str, Any] = field(default_factory=lambda: {"deployments": [], "statuses": [], "commits": []})

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.attempts += 1
        if self.plan:
            return self.plan.pop(0)
        if self.down_until is not None and self.clock() < self.down_until:
            return 503, {}, b"down"
        try:
            if self.kind is DestinationKind.GITHUB:
                return self._github(method, target, headers, body)
            need(method == "POST", "method_not_allowed", 405)
            expected = {DestinationKind.CLOUDEVENTS: "application/cloudevents+json; charset=UTF-8"}
            need(headers.get("content-type") == expected.get(self.kind, "application/json"), "invalid_content_type")
            document = json.loads(body)
            return getattr(self, f"_{self.kind}")(target, headers, body, document)
        except Invalid as error:
            return error.status, {}, error.error.encode()

    def accept(self, text: str, *texts: str) -> None:
        self.accepted.append(text)
        self.texts += [text, *texts]
        self.times.append(self.clock())

    # --- chats -------------------------------------------------------------------------------------------------------

    def _slack(self, target: str, _headers: Mapping[str, str], _body: bytes, document: Any) -> Reply:
        """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, …/reference/block-kit/blocks."""
        need(target == "/services/T0/B0/slack-path-of-the-test", "no_service", 404)
        need(set(document) == {"text", "blocks"}, "invalid_payload")
        need(0 < len(document["text"]) <= 40_000, "no_text")
        texts = [document["text"]]
        need(1 <= len(document["blocks"]) <= 50, "invalid_blocks")
        for block in document["blocks"]:
            if block["type"] == "header":
                need(set(block) == {"type", "text"} and block["text"]["type"] == "plain_text", "invalid_blocks")
                need(1 <= len(block["text"]["text"]) <= 150, "invalid_blocks")
                texts.append(block["text"]["text"])
            elif block["type"] == "actions":
                (button,) = block["elements"]
                need(set(button) == {"type", "text", "url", "action_id"}, "invalid_blocks")
                need(button["text"]["type"] == "plain_text" and len(button["url"]) <= 3000, "invalid_blocks")
                self.links.append(button["url"])
            else:
                need(set(block) == {"type", "fields"} and block["type"] == "section", "invalid_blocks")
                need(1 <= len(block["fields"]) <= 10, "invalid_blocks")
                for entry in block["fields"]:
                    need(entry["type"] == "plain_text" and 1 <= len(entry["text"]) <= 2000, "invalid_blocks")
                    texts.append(entry["text"])
        for text in texts:
            need("<" not in text and ">" not in text and not ENTITY.search(text), "unescaped control characters")
        since = next(text for text in texts if text.startswith("Since: "))
        self.accept(f"{texts[0]} | {since}", *texts)
        return 200, {}, b"ok"

    def _teams(self, target: str, _headers: Mapping[str, str], body: bytes, document: Any) -> Reply:
        """A workflow: "When a Teams webhook request is received". Adaptive Cards: TextRun takes no Markdown."""
        need(target == "/workflows/1/triggers/manual/paths/invoke?sig=teams-signature-of-the-test", "unauthorized", 401)
        need(len(body) <= 28_000, "RequestEntityTooLarge", 413)
        need(set(document) == {"type", "attachments"} and document["type"] == "message", "invalid")
        (attachment,) = document["attachments"]
        need(attachment["contentType"] == "application/vnd.microsoft.card.adaptive", "invalid")
        card = attachment["content"]
        need(
            set(card) - {"actions"} == {"$schema", "type", "version", "body"} and card["type"] == "AdaptiveCard",
            "invalid",
        )
        for action in card.get("actions", []):
            need(set(action) == {"type", "title", "url"} and action["type"] == "Action.OpenUrl", "invalid")
            self.links.append(action["url"])
        lines = []
        for element in card["body"]:
            need(
                element["type"] == "RichTextBlock" and element["inlines"],
                "invalid: only runs, where no Markdown is read",
            )
            for run in element["inlines"]:
                need(run["type"] == "TextRun" and set(run) <= {"type", "text", "weight", "size", "color"}, "invalid")
                need(run.get("color", "Good") in {"Accent", "Attention", "Good", "Warning"}, "invalid")
            lines.append("".join(run["text"] for run in element["inlines"]))
        since = next(line for line in lines if line.startswith("Since: "))
        self.accept(f"{lines[0]} | {since}", *lines)
        return 202, {}, b""

    def _google_chat(self, target: str, _headers: Mapping[str, str], body: bytes, document: Any) -> Reply:
        """spaces.messages.create: at most 32,000 bytes; a request id that exists returns the first message."""
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        need(split.path == "/v1/spaces/AAA/messages", "not found", 404)
        need((query.pop("key"), query.pop("token")) == ("key-of-the-test", "token-of-the-test"), "denied", 401)
        need(len(body) <= 32_000, "message too long")
        request_id = query.pop("requestId")
        need(query == {"messageReplyOption": "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"}, "unknown parameter")
        need(set(document) == {"cardsV2", "thread"} and set(document["thread"]) == {"threadKey"}, "unknown field")
        (card,) = document["cardsV2"]
        need(set(card["card"]) == {"header", "sections"}, "unknown field")
        title, facts = card["card"]["header"]["title"], {}
        for widget in card["card"]["sections"][0]["widgets"]:
            if "buttonList" in widget:
                (button,) = widget["buttonList"]["buttons"]
                need(set(button) == {"text", "onClick"} and set(button["onClick"]) == {"openLink"}, "unknown field")
                self.links.append(button["onClick"]["openLink"]["url"])
                continue
            decorated = widget["decoratedText"]
            need(set(decorated) == {"topLabel", "text", "wrapText"}, "unknown field")
            need("<" not in decorated["text"] and not ENTITY.search(decorated["text"]), "HTML in a text")
            facts[decorated["topLabel"]] = decorated["text"]
        if request_id not in self.seen:
            self.seen.add(request_id)
            self.accept(f"{title} | Since: {facts['Since']}", *facts.values())
        return 200, {}, b'{"name": "spaces/AAA/messages/1"}'

    # --- pagers ------------------------------------------------------------------------------------------------------

    def _pagerduty(self, target: str, _headers: Mapping[str, str], body: bytes, document: Any) -> Reply:
        """https://developer.pagerduty.com/docs/send-alert-event."""
        need(target == "/v2/enqueue" and len(body) <= 524_288, "invalid event")
        known = {"routing_key", "event_action", "dedup_key", "client", "payload"}
        need(set(document) - {"links"} == known, "invalid event")
        for link in document.get("links", []):
            need(set(link) == {"href", "text"}, "invalid event")
            self.links.append(link["href"])
        need(document["routing_key"] == self.secret, "Invalid routing key")
        need(document["event_action"] in {"trigger", "acknowledge", "resolve"}, "invalid event_action")
        need(1 <= len(document["dedup_key"]) <= 255, "dedup_key too long")
        payload = document["payload"]
        need(1 <= len(payload["summary"]) <= 1024 and payload["source"], "invalid payload")
        need(payload["severity"] in {"critical", "error", "warning", "info"}, "invalid severity")
        datetime.fromisoformat(payload["timestamp"])
        if document["event_action"] == "acknowledge":
            self.acknowledged.add(document["dedup_key"])
        else:
            self._page(document["dedup_key"], document["event_action"] != "resolve")
        self.accept(f"{document['event_action']} {document['dedup_key']} {payload['summary']}")
        return 202, {}, b'{"status": "success", "message": "Event processed"}'

    def _opsgenie(self, target: str, headers: Mapping[str, str], _body: bytes, document: Any) -> Reply:
        """https://docs.opsgenie.com/docs/alert-api."""
        need(headers.get("authorization") == f"GenieKey {self.secret}", "Key format is not valid!", 422)
        change = re.fullmatch(r"/v2/alerts/([^/]+)/(close|acknowledge)\?identifierType=alias", target)
        if change:
            need(set(document) <= {"source", "note", "user"} and len(document["note"]) <= 25_000, "invalid")
            alias, title = unquote(change[1]), document["note"].partition("\n")[0]
        else:
            need(target == "/v2/alerts", "not found", 404)
            known = {"message", "alias", "description", "priority", "source", "entity", "tags"}
            need(set(document) - {"details"} == known and 1 <= len(document["message"]) <= 130, "message too long")
            need(len(document["alias"]) <= 512 and len(document["description"]) <= 15_000, "too long")
            need(document["priority"] in {"P1", "P2", "P3", "P4", "P5"}, "invalid priority")
            need(len(document["source"]) <= 100 and len(document["tags"]) <= 20, "too long")
            need(all(isinstance(value, str) for value in document.get("details", {}).values()), "invalid details")
            self.links += document.get("details", {}).values()
            alias, title = document["alias"], document["message"]
        action = {"close": "resolve", "acknowledge": "acknowledge"}[change[2]] if change else "trigger"
        if action == "acknowledge":
            self.acknowledged.add(alias)
        else:
            self._page(alias, action == "trigger")
        self.accept(f"{action} {alias} {title}")
        return 202, {}, b'{"result": "Request will be processed", "took": 0.1, "requestId": "r"}'

    def _grafana_oncall(self, target: str, _headers: Mapping[str, str], _body: bytes, document: Any) -> Reply:
        """https://grafana.com/docs/oncall/latest/configure/integrations/references/webhook/: a formatted webhook."""
        need(target == "/integrations/v1/formatted_webhook/oncall-path-of-the-test/", "not found", 404)
        recognized = {"alert_uid", "title", "image_url", "state", "link_to_upstream_details", "message"}
        need(set(document) <= recognized and document["state"] in {"ok", "alerting"}, "invalid")
        self._page(document["alert_uid"], document["state"] == "alerting")
        self.links += [document["link_to_upstream_details"]] if "link_to_upstream_details" in document else []
        state = "resolve" if document["state"] == "ok" else "trigger"
        self.accept(f"{state} {document['alert_uid']} {document['title']}")
        return 200, {}, b"Ok."

    def _page(self, key: str, is_open: bool) -> None:
        self.alerts[key] = is_open

    # --- others ------------------------------------------------------------------------------------------------------

    def _webhook(self, target: str, headers: Mapping[str, str], body: bytes, document: Any) -> Reply:
        """Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""
        need(target == "/hooks/webhook-path-of-the-test", "not found", 404)
        message = self._signed_message(headers, body)
        need(set(document) == {"type", "timestamp", "data"}, "invalid")
        need(re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", document["type"]), "invalid type")
        self._accept_once(message, document["data"])
        return 204, {}, b""

    def _cloudevents(self, target: str, headers: Mapping[str, str], body: bytes, document: Any) -> Reply:
        """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md: the attributes and their types."""
        need(target == "/hooks/events-path-of-the-test", "not found", 404)
        message = self._signed_message(headers, body)
        need(document["specversion"] == "1.0" and document["datacontenttype"] == "application/json", "invalid")
        for name in ("id", "source", "type", "subject"):
            need(isinstance(document[name], str) and document[name], f"invalid {name}")
        need(document["id"] == message, "the id is not that of the message")
        need(datetime.fromisoformat(document["time"]).tzinfo, "invalid time")
        need(all(re.fullmatch("[a-z0-9]+", name) for name in document), "invalid attribute name")
        self._accept_once(message, document["data"])
        return 204, {}, b""

    def _accept_once(self, message: str, data: Any) -> None:
        self.links += [data["acknowledge"]] if "acknowledge" in data else []
        if message not in self.seen:  # the receiver's duty: the id is the idempotency key
            self.seen.add(message)
            self.accept(f"{data['title']} | {data['since']}", data["reason"])

    def _signed_message(self, headers: Mapping[str, str], body: bytes) -> str:
        message, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        signed = f"{message}.{timestamp}.".encode() + body
        expected = base64.b64encode(hmac.new(SIGNING_KEY, signed, hashlib.sha256).digest()).decode()
        need(f"v1,{expected}" in headers["webhook-signature"].split(" "), "bad signature", 401)
        need(abs(self.clock().timestamp() - int(timestamp)) <= 300, "too old", 401)
        return message

    def _github(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """https://docs.github.com/en/rest/deployments, …/commits/statuses."""
        need(headers.get("authorization") == f"Bearer {self.secret}", "Bad credentials", 401)
        need(headers.get("x-github-api-version") and headers.get("accept") == "application/vnd.github+json", "headers")
        split = urlsplit(target)
        path, document = split.path.removeprefix("/repos/owner/name"), json.loads(body) if body else None
        need(path != split.path, "Not Found", 404)
        if method == "GET" and not path:
            return 200, {}, b'{"full_name": "owner/name"}'
        if method == "GET" and path == "/deployments":
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            found = [
                one
                for one in self.github["deployments"]
                if (one["task"], one["environment"]) == (query["task"], query["environment"])
            ]
            return 200, {}, json.dumps(found[: int(query["per_page"])]).encode()
        need(method == "POST" and isinstance(document, dict), "Not Found", 404)
        if path == "/deployments":
            need(re.fullmatch("[0-9a-f]{40}", document["ref"]) and document["required_contexts"] == [], "invalid", 422)
            made = {"id": len(self.github["deployments"]) + 1, "sha": document["ref"], **document}
            self.github["deployments"].append(made)
            return 201, {}, json.dumps(made).encode()
        status = re.fullmatch(r"/deployments/(\d+)/statuses", path)
        commit = re.fullmatch(r"/statuses/([0-9a-f]{40})", path)
        need(len(document["description"]) <= 140, "description is too long", 422)
        if status:
            states = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
            need(document["state"] in states and int(status[1]) <= len(self.github["deployments"]), "invalid", 422)
            self.github["statuses"].append(document["state"])
        else:
            need(commit and document["state"] in {"error", "failure", "pending", "success"}, "invalid", 422)
            need(document["context"] == "orchestrator/test", "invalid", 422)
            self.github["commits"].append((commit[1], document["state"]))
            self.accept(document["description"])
        return 201, {}, b"{}"
