"""Simulated throttling of services: every request to a throttled service is answered with its throttling error.

Of Lambda only the control plane is throttled, because its quota of 15 requests a second is one for all its operations
but Invoke. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.region_outage import signature_of

Message = Mapping[str, Any]

ERRORS: Final[Mapping[str, str]] = {"lambda": "TooManyRequestsException"}
"""The services that can be throttled, and the error of each."""
_INVOKE: Final = "/invocations"


class Throttles:
    """The services that are throttled."""

    def __init__(self) -> None:
        self._services: frozenset[str] = frozenset()

    def set_services(self, services: Iterable[str]) -> bool:
        """Throttle exactly these services. Return whether all of them can be throttled; otherwise nothing changes."""
        chosen = frozenset(services)
        if not chosen <= ERRORS.keys():
            return False
        self._services = chosen
        return True

    def error_for(self, scope: Message) -> tuple[HTTPStatus, bytes] | None:
        """Return the answer to a request, as an ASGI scope; None if it is not throttled."""
        if not self._services:
            return None
        signature = signature_of(scope)
        if signature is None or signature["service"] not in self._services or scope["path"].endswith(_INVOKE):
            return None
        body = {"Type": "User", "__type": ERRORS[signature["service"]], "message": "Rate exceeded"}
        return HTTPStatus.TOO_MANY_REQUESTS, json.dumps(body).encode()


THROTTLES: Final = Throttles()
"""The throttles of the server process."""
