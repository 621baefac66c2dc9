"""The function's log: JSON lines on standard output.

There are two kinds of lines: one for each request, which is also its metrics (see request_metrics.py), and one for each
failure. Neither quotes a request: no code, token, verifier, session or personal name reaches a log line.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from service.oauth.tokens import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.settings import Settings

_FRAMES = 5


def write(record: Mapping[str, Any]) -> None:
    """Write one record."""
    write_line(to_json(record))


def write_line(record: str) -> None:
    """Write one record that is already JSON text."""
    sys.stdout.write(f"{record}\n")
    sys.stdout.flush()


def failure_record(
    settings: Settings, error: Exception, *, request_id: str, reason: str | None, level: str = "ERROR"
) -> dict[str, Any]:
    """Return the record of a failure: its class and location, without the message, which may quote a request.

    reason: text that quotes nothing, such as AWS's error code.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return {
        "level": level,
        "message": "request failed",
        "environment": settings.environment,
        "function": settings.function,
        "function_name": settings.function_name,
        "version": settings.version,
        "request_id": request_id,
        "error": type(error).__name__,
        "reason": reason,
        "where": [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }
