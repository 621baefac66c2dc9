"""The server's own endpoint, in addition to AWS's: tests and the launcher change the running cloud with it.

``POST /_local/policies`` with ``{"enforce": true}`` enforces IAM policies from then on. MiniStack itself can enforce
them only from its start, when the CDK command line could not publish its assets yet. ``POST /_local/regions`` with
``{"lost": ["us-west-1"]}`` makes exactly these regions unavailable: see `region_outage`. ``POST /_local/creations`` with
``{"fail": ["AWS::KMS::Key", "TokensTable*"]}`` lets CloudFormation fail to create exactly the resources whose type or
logical id matches: see `failed_creations`. ``POST /_local/throttles`` with ``{"throttle": ["lambda"]}`` throttles exactly
these services: see `throttled_services`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the launcher imports the paths, where the emulator may not be installed
    from orchestrator.local.emulator.cloudformation.failed_creations import CreationFaults
    from orchestrator.local.emulator.region_outage import Outage
    from orchestrator.local.emulator.throttled_services import Throttles

CREATIONS_PATH = "/_local/creations"
POLICIES_PATH = "/_local/policies"
REGIONS_PATH = "/_local/regions"
THROTTLES_PATH = "/_local/throttles"
KEY_HEADER = "x-local-control-key"

_PATHS = frozenset({CREATIONS_PATH, POLICIES_PATH, REGIONS_PATH, THROTTLES_PATH})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Controls:
    """The settings that can be changed while the cloud runs.

    Attributes:
        enforce_policies: turns the enforcement of policies on or off.
        outage: the unavailable regions.
        creation_faults: the resources that CloudFormation fails to create.
        throttles: the throttled services.
    """

    enforce_policies: Callable[[bool], None]
    outage: Outage
    creation_faults: CreationFaults
    throttles: Throttles

    def apply(self, path: str, command: object) -> bool:
        """Apply the command of a request to a path. Return whether it was valid."""
        match (path, command):
            case ("/_local/policies", {"enforce": bool(enforced)}):
                self.enforce_policies(enforced)
            case ("/_local/regions", {"lost": list(regions)}) if all(isinstance(region, str) for region in regions):
                self.outage.set_lost_regions(regions)
            case ("/_local/creations", {"fail": list(patterns)}) if all(isinstance(one, str) for one in patterns):
                self.creation_faults.set_patterns(patterns)
            case ("/_local/throttles", {"throttle": list(services)}) if all(isinstance(one, str) for one in services):
                return self.throttles.set_services(services)
            case _:
                return False
        return True


def with_control_api(
    application: Application, *, key: str, controls: Controls, ready: Callable[[], None]
) -> Application:
    """Put the control endpoint in front of an ASGI application, and answer requests to what is unavailable or throttled.

    Args:
        application: MiniStack.
        key: the value that a caller must send in the header `KEY_HEADER`; the PID file has it.
        controls: the settings that can be changed.
        ready: called once, when the application has started.
    """

    async def controlled(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in _PATHS:
            await _send_status(send, await _handle_control_request(scope, receive, key, controls))
        elif scope["type"] == "http" and controls.outage.affects(scope):
            await _send_status(send, HTTPStatus.SERVICE_UNAVAILABLE)
        elif scope["type"] == "http" and (throttled := controls.throttles.error_for(scope)):
            await _send_status(send, *throttled)
        else:
            await application(scope, receive, _notifying_ready(send, ready) if scope["type"] == "lifespan" else send)

    return controlled


def _notifying_ready(send: Send, ready: Callable[[], None]) -> Send:
    async def send_and_notify(message: Message) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            ready()

    return send_and_notify


async def _handle_control_request(scope: Message, receive: Receive, key: str, controls: Controls) -> HTTPStatus:
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
        command = json.loads(body)
    except ValueError:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.NO_CONTENT if controls.apply(scope["path"], command) else HTTPStatus.BAD_REQUEST


async def _send_status(send: Send, status: HTTPStatus, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status.value, "headers": []})
    await send({"type": "http.response.body", "body": body})
