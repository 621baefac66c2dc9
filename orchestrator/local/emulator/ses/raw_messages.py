"""SES v2: a raw message is sent as it is, with all of its headers.

AWS:

- ``Content.Raw.Data`` of SendEmail is the whole message (RFC 5322), and SES sends it with the headers that it has,
  such as List-Unsubscribe.
  https://docs.aws.amazon.com/ses/latest/dg/send-email-raw.html

Stock MiniStack keeps the subject and the text, and drops the rest. This patch keeps the message, in base64, as ``Raw`` of
the messages that ``GET /_ministack/ses/messages`` lists, so that a person and a test can read what a mailbox would get.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.ses_v2.handle_request": "cab4023919ec58ca",
    "ministack.services.ses._sent_emails_list": "72df70a8c9cc1ff6",
    "ministack.app._handle_ses_messages_request": "b76364875fb910be",
}

Response = tuple[int, dict[str, str], bytes]
_RAW_BY_MESSAGE: dict[str, str] = {}


def install(_options: Options) -> None:
    """Install the patch in this process."""
    wrap(importlib.import_module("ministack.services.ses_v2"), "handle_request", _keeping)
    wrap(importlib.import_module("ministack.app"), "_handle_ses_messages_request", _listing)


def _keeping(original: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    async def handle_request(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> Response:
        status, answered, content = await original(method, path, headers, body, query_params)
        if method == "POST" and path.rstrip("/").endswith("/outbound-emails") and status == HTTPStatus.OK:
            raw = json.loads(body).get("Content", {}).get("Raw", {}).get("Data")
            if raw:
                _RAW_BY_MESSAGE[json.loads(content)["MessageId"]] = raw
        return status, answered, content

    return handle_request


def _listing(original: Callable[..., Awaitable[Response | None]]) -> Callable[..., Awaitable[Response | None]]:
    async def messages(
        method: str, path: str, headers: Mapping[str, str], query_params: Mapping[str, Any]
    ) -> Response | None:
        answer = await original(method, path, headers, query_params)
        if answer is None or answer[0] != HTTPStatus.OK:
            return answer
        status, answered, content = answer
        document = json.loads(content)
        for listed in document["messages"].values():
            for message in listed:
                message["Raw"] = _RAW_BY_MESSAGE.get(message["MessageId"], "")
        return status, answered, json.dumps(document).encode()

    return messages
