"""The server's own endpoint, beside AWS's: what a test or the launcher may switch while the cloud runs.

``POST /_local/policies`` with ``{"enforce": true}`` holds Lambda roles to their policies from then on. MiniStack itself
offers that only from its start, when the CDK command line could not publish its assets yet.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

POLICIES_PATH = "/_local/policies"
KEY_HEADER = "x-local-control-key"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def with_control(
    application: Application, *, key: str, enforce_policies: Callable[[bool], None], ready: Callable[[], None]
) -> Application:
    """Put the control endpoint in front of an ASGI application.

    Args:
        application: MiniStack.
        key: what a caller must send in the header `KEY_HEADER`; the state file has it.
        enforce_policies: switches the policies' enforcement.
        ready: called once, when the application has started.
    """

    async def controlled(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == POLICIES_PATH:
            await _answer(send, await _switch(scope, receive, key, enforce_policies))
            return
        await application(scope, receive, _telling(send, ready) if scope["type"] == "lifespan" else send)

    return controlled


def _telling(send: Send, ready: Callable[[], None]) -> Send:
    async def sending(message: Message) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            ready()

    return sending


async def _switch(scope: Message, receive: Receive, key: str, enforce_policies: Callable[[bool], None]) -> HTTPStatus:
    headers = dict(scope["headers"])
    if not hmac.compare_digest(headers.get(KEY_HEADER.encode(), b""), key.encode()):
        return HTTPStatus.FORBIDDEN
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        asked = json.loads(body)["enforce"]
    except (ValueError, KeyError, TypeError):
        return HTTPStatus.BAD_REQUEST
    if not isinstance(asked, bool):
        return HTTPStatus.BAD_REQUEST
    enforce_policies(asked)
    return HTTPStatus.NO_CONTENT


async def _answer(send: Send, status: HTTPStatus) -> None:
    await send({"type": "http.response.start", "status": status.value, "headers": []})
    await send({"type": "http.response.body", "body": b""})
