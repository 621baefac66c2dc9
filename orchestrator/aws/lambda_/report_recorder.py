"""Keep a report in the evidence chain, by the function that may sign its entry."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.aws.clients import BUSY, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened
from orchestrator.domain.untrusted_json import decode_untrusted

MOST_BYTES = 6_000_000
"""Lambda accepts no larger request."""


class ReportRecorder:
    """The function that records reports.

    Args:
        client: botocore's Lambda client.
        function: its name.
    """

    def __init__(self, client: Any, function: str) -> None:
        self._client, self._function = client, function

    def record(self, document: bytes, page: bytes) -> None:
        """Append a report to the evidence chain.

        Raises:
            Refused: the function does not accept it, or the report is too large.
            Throttled, Unreachable: Lambda did not answer.
        """
        payload = json.dumps({"document": document.decode(), "page": page.decode()}, allow_nan=False).encode()
        if len(payload) > MOST_BYTES:
            raise Refused("report", f"{len(payload)} bytes", f"keep one of at most {MOST_BYTES} bytes")
        with translate_errors(**BUSY):
            invocation = self._client.invoke(FunctionName=self._function, Payload=payload)
            answer = invocation["Payload"].read()
        if invocation.get("FunctionError"):
            raise Refused("report", self._function, f"it was not recorded: {_message(answer)}")


def _message(answer: bytes) -> str:
    try:
        decoded = decode_untrusted(answer)
    except ValueError:
        decoded = None
    message = decoded.get("errorMessage") if isinstance(decoded, dict) else None
    return shortened(one_line(str(message or "its log has the reason")))
