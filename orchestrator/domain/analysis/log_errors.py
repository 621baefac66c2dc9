"""The errors in the log, and their kinds.

The kind of an error is the class of its exception and its message, without the parts that differ between occurrences.
`log_kinds.py` tests whether canary has kinds of its own. The number of errors is judged with the request metrics, which
count the same failures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.analysis.observations import LogLine
from orchestrator.domain.printable import one_line
from orchestrator.domain.untrusted_json import decode_untrusted, text_of

LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL"})
ERROR_LIMIT_CHARACTERS, MESSAGE_LIMIT_CHARACTERS = 80, 160

_VERSION_IN_STREAM = re.compile(r"\[(\$LATEST|[0-9]+)\]")
_PLAIN_ERROR = re.compile(r"\[ERROR\]\s+(?P<error>[\w.]+):?\s*(?P<message>[^\n]*)")
_TIMED_OUT = re.compile(r"Task timed out after")
_WHAT_DIFFERS = re.compile(
    r"""[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}    # request ids
    |   0x[0-9a-fA-F]+                     # addresses
    |   (?:'[^']*' | "[^"]*")              # quoted values
    |   \b[A-Za-z0-9_-]{20,}\b             # tokens, digests, keys
    |   [0-9]+(?:\.[0-9]+)?                # numbers""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class LoggedError:
    """An error in the log: the time, the version and the kind."""

    at: datetime
    version: str
    kind: str


def parse_log_error(line: LogLine) -> LoggedError | None:
    """Return the error of a log line; None if it is not an error.

    It reads the service's JSON lines and the lines that Lambda itself writes when a function fails.
    """
    version = _VERSION_IN_STREAM.search(line.stream)
    stream_version = version.group(1) if version else ""
    if line.message.startswith("{"):
        return _parse_json_line(line, stream_version)
    plain = _PLAIN_ERROR.search(line.message)
    if plain:
        return LoggedError(line.at, stream_version, _error_kind(plain["error"], plain["message"]))
    return LoggedError(line.at, stream_version, "Task timed out") if _TIMED_OUT.search(line.message) else None


def count_by_kind(errors: Iterable[LoggedError], version: str) -> Mapping[str, int]:
    """Return one version's errors by kind, in the order of their first occurrence."""
    return Counter(error.kind for error in errors if error.version == version)


def _parse_json_line(line: LogLine, version: str) -> LoggedError | None:
    try:
        entry = decode_untrusted(line.message)
    except ValueError:
        return None
    assert isinstance(entry, Mapping), "JSON that begins with { is an object"
    level = entry.get("level")
    if not isinstance(level, str) or level not in LEVELS:
        return None
    error = entry.get("error") or entry.get("errorType") or entry.get("exception_name") or level
    message_text = text_of(entry.get("message") or entry.get("errorMessage") or "")
    cause = f" from {text_of(entry['cause'])}" if entry.get("cause") else ""
    stated_version = text_of(entry.get("version") or version)
    return LoggedError(line.at, stated_version, _error_kind(f"{text_of(error)}{cause}", message_text))


def _error_kind(error: str, message: str) -> str:
    """Return the kind of an error. It is escaped, because the deployment's record cannot store lone surrogates."""
    template = one_line(_WHAT_DIFFERS.sub("*", message.strip()))[:MESSAGE_LIMIT_CHARACTERS]
    name = one_line(error)[:ERROR_LIMIT_CHARACTERS]
    return f"{name}: {template}" if template else name
