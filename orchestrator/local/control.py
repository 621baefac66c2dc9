"""The server's own endpoint, beside AWS's: what a test or the launcher may switch while the cloud runs.

``POST /_local/policies`` with ``{"enforce": true}`` holds Lambda roles to their policies from then on. MiniStack itself
offers that only from its start, when the CDK command line could not publish its assets yet.
``POST /_local/regions`` with ``{"lost": ["us-west-1"]}`` loses these regions, and no other, from then on: see `outage`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from orchestrator.local.outage import Outage

POLICIES_PATH = "/_local/policies"
REGIONS_PATH = "/_local/regions"
KEY_HEADER = "x-local-control-key"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Controls:
    """What can be switched while the cloud runs.

    Attributes:
        enforce_policies: switches the policies' enforcement.
        outage: the regions that are lost.
    """

    enforce_policies: Callable[[bool], None]
    outage: Outage

    def switch(self, path: str, asked: object) -> bool:
        """Do what a request to a path asks for; returns whether it made sense."""
        match (path, asked):
            case ("/_local/policies", {"enforce": bool(enforced)}):
                self.enforce_policies(enforced)
            case ("/_local/regions", {"lost": list(regions)}) if all(isinstance(region, str) for region in regions):
                self.outage.switch(regions)
            case _:
                return False
        return True


def with_control(application: Application, *, key: str, controls: Controls, ready: Callable[[], None]) -> Application:
    """Put the control endpoint in front of an ASGI application, and take away what a lost region would answer.

    Args:
        application: MiniStack.
        key: what a caller must send in the header `KEY_HEADER`; the state file has it.
        controls: what can be switched.
        ready: called once, when the application has started.
    """

    async def controlled(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in {POLICIES_PATH, REGIONS_PATH}:
            await _answer(send, await _switch(scope, receive, key, controls))
        elif scope["type"] == "http" and controls.outage.stops(scope):
            await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            await application(scope, receive, _telling(send, ready) if scope["type"] == "lifespan" else send)

    return controlled


def _telling(send: Send, ready: Callable[[], None]) -> Send:
    async def sending(message: Message) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            ready()

    return sending


async def _switch(scope: Message, receive: Receive, key: str, controls: Controls) -> HTTPStatus:
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
        asked = json.loads(body)
    except ValueError:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.NO_CONTENT if controls.switch(scope["path"], asked) else HTTPStatus.BAD_REQUEST


async def _answer(send: Send, status: HTTPStatus) -> None:
    await send({"type": "http.response.start", "status": status.value, "headers": []})
    await send({"type": "http.response.body", "body": b""})
