"""JSON that another system wrote: hooks, the sources of checks, log lines, answers of the service's versions."""

from __future__ import annotations

import json

from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened

TOO_DEEP = "a value that is nested too deeply"


def decode_untrusted(content: str | bytes) -> object:
    """Decode JSON.

    Raises:
        ValueError: it is no JSON, or is nested deeper than Python decodes. Text of 100 KB is enough for the latter.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def text_of(value: object) -> str:
    """Return a decoded value as text. What could just be decoded can be nested too deeply to be written."""
    try:
        return str(value)
    except RecursionError:
        return TOO_DEEP


def problem_of(error: Exception) -> str:
    """Return what is wrong with a document, by the error that its decoding or the reading of its fields raised."""
    match error:
        case KeyError(args=(field,)):
            return f"it has no field {quoted(field)}"
        case json.JSONDecodeError():
            return f"it is no JSON ({one_line(str(error))})"
        case UnicodeDecodeError():
            return "it is no JSON, because it is not UTF-8"
        case KeyError() | TypeError() | AttributeError():
            return "a field is missing, is unknown, or has a value of another type"
        case RecursionError():
            return TOO_DEEP
    return shortened(one_line(str(error)))


def quoted(value: object) -> str:
    """Return a value as a message quotes it: escaped, and shortened."""
    try:
        return shortened(one_line(repr(value)))
    except RecursionError:
        return TOO_DEEP
