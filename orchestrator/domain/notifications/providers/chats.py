"""Messages for chats: Slack, Microsoft Teams and Google Chat. None of them recognizes a message that comes twice.

Texts for people come from outside, such as the reason of a command. Each format has its own way to keep them from being
markup: no text may mention a channel, link somewhere else, or look like another message.
"""

from __future__ import annotations

from html import escape as escape_html
from urllib.parse import urlencode

from orchestrator.domain.notifications.notification import LINK_TEXT, Notification, Severity, Transition
from orchestrator.domain.notifications.providers.requests import (
    ProviderRequest,
    fitted,
    json_request,
    read_address,
    shown_facts,
    stable_id,
    within_bytes,
)

SLACK_HEADER, SLACK_FIELD, SLACK_FIELDS, SLACK_TEXT = 150, 2000, 10, 3000
"""https://docs.slack.dev/reference/block-kit/blocks/header-block and section-block: characters, and fields a section."""

TEAMS_BYTES = 28_000
"""https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook: 28 KB."""

GOOGLE_CHAT_BYTES = 32_000
"""https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create: bytes of a message."""

_MARKS = {
    Transition.TRIGGER: {
        Severity.INFO: "🔵",
        Severity.WARNING: "🟡",
        Severity.ERROR: "🔴",
        Severity.CRITICAL: "🔥",
    },
    Transition.RESOLVE: dict.fromkeys(Severity, "✅"),
}
_COLOURS = {
    Severity.INFO: "Accent",
    Severity.WARNING: "Warning",
    Severity.ERROR: "Attention",
    Severity.CRITICAL: "Attention",
}


def title_of(notification: Notification) -> str:
    """Return the title with a mark of its severity, or of its end."""
    marks = _MARKS.get(notification.transition, _MARKS[Transition.TRIGGER])
    return f"{marks[notification.severity]} {notification.title}"


def slack_request(notification: Notification, secret: str, *, local: bool) -> ProviderRequest:
    """Return a message for a Slack incoming webhook, in Block Kit.

    All texts are `plain_text`, where nothing is a mention or a link, and the three control characters are escaped.
    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    facts = shown_facts(notification)[:SLACK_FIELDS]
    fields = [fitted(f"{name}: {text}", SLACK_FIELD, escape_slack) for name, text in facts]
    body = {
        "text": fitted(title_of(notification), SLACK_TEXT, escape_slack),
        "blocks": [
            {"type": "header", "text": _plain_text(fitted(title_of(notification), SLACK_HEADER, escape_slack))},
            {"type": "section", "fields": [_plain_text(text) for text in fields]},
            *_slack_button(notification),
        ],
    }
    return json_request(read_address(secret, local=local), body)


def _slack_button(notification: Notification) -> list[dict[str, object]]:
    if not notification.address:
        return []
    # A button with `url` opens it, and needs no app: https://docs.slack.dev/reference/block-kit/block-elements/button-element
    button = {"type": "button", "text": _plain_text(LINK_TEXT), "url": notification.address, "action_id": "open-link"}
    return [{"type": "actions", "elements": [button]}]


def escape_slack(text: str) -> str:
    """Escape Slack's control characters, with which mentions and links begin."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain_text(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text, "emoji": False}


def teams_request(notification: Notification, secret: str, *, local: bool) -> ProviderRequest:
    """Return an Adaptive Card for a Microsoft Teams workflow ("When a Teams webhook request is received").

    Texts are runs of a RichTextBlock, in which Markdown is not interpreted, unlike in a TextBlock.
    https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using,
    https://adaptivecards.io/explorer/TextRun.html
    """
    address = read_address(secret, local=local)
    return within_bytes(TEAMS_BYTES, lambda characters: json_request(address, _teams_message(notification, characters)))


def _teams_message(notification: Notification, characters: int) -> dict[str, object]:
    heading = {
        "type": "TextRun",
        "text": fitted(title_of(notification), characters),
        "weight": "Bolder",
        "size": "Medium",
        "color": "Good" if notification.transition is Transition.RESOLVE else _COLOURS[notification.severity],
    }
    rows = [
        [
            {"type": "TextRun", "text": f"{name}: ", "weight": "Bolder"},
            {"type": "TextRun", "text": fitted(text, characters)},
        ]
        for name, text in shown_facts(notification)
    ]
    actions = [{"type": "Action.OpenUrl", "title": LINK_TEXT, "url": notification.address}]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": inlines} for inlines in ([heading], *rows)],
        **({"actions": actions} if notification.address else {}),
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def google_chat_request(notification: Notification, secret: str, *, local: bool) -> ProviderRequest:
    """Return a card for a Google Chat webhook. Messages of one dedup key are one thread.

    A text of a widget is a subset of HTML, so it is escaped. `requestId` makes Google return the first message instead of
    creating a second one, if an attempt is repeated.
    https://developers.google.com/workspace/chat/quickstart/webhooks,
    https://developers.google.com/workspace/chat/api/reference/rest/v1/cards
    """
    address = read_address(secret, local=local)
    query = urlencode(
        {
            "messageReplyOption": "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD",
            "requestId": stable_id(notification.key, notification.id),
        }
    )
    url = f"{address}{'&' if '?' in address else '?'}{query}"
    return within_bytes(
        GOOGLE_CHAT_BYTES, lambda characters: json_request(url, _google_chat_message(notification, characters))
    )


def _google_chat_message(notification: Notification, characters: int) -> dict[str, object]:
    widgets: list[dict[str, object]] = [
        {"decoratedText": {"topLabel": name, "text": fitted(text, characters, escape_chat), "wrapText": True}}
        for name, text in shown_facts(notification)
    ]
    if notification.address:
        open_link = {"openLink": {"url": notification.address}}
        widgets.append({"buttonList": {"buttons": [{"text": LINK_TEXT, "onClick": open_link}]}})
    card = {
        "header": {"title": fitted(title_of(notification), characters), "subtitle": notification.environment},
        "sections": [{"widgets": widgets}],
    }
    return {
        "cardsV2": [{"cardId": stable_id(notification.key, notification.id), "card": card}],
        "thread": {"threadKey": stable_id(notification.key)},
    }


def escape_chat(text: str) -> str:
    """Escape the HTML that texts of a card may contain."""
    return escape_html(text, quote=False)
