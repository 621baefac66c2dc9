"""DynamoDB and its streams: responses are serialized fast.

AWS:

- A response is JSON, whose whitespace and escapes carry no meaning.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
- A page of GetRecords holds at most a megabyte.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html

Stock MiniStack responds the same. But it serializes pages of thousands of items with Python's encoder, and each record
of a stream once more to learn its size. That takes most of the time in which a table or a stream is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.core.responses.json_response": "e6a4da6038be24fa",
    "ministack.services.dynamodb_streams._cap_page_bytes": "38318d6495797467",
    "ministack.services.dynamodb_streams._GET_RECORDS_MAX_BYTES": "no source",
}

_MODULES: Final = ("ministack.services.dynamodb", "ministack.services.dynamodb_streams")

Respond = Callable[..., Any]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    for name in _MODULES:
        module = importlib.import_module(name)
        # Not by `wrap`, which replaces the function in all services: some of them respond what only theirs encodes.
        module.json_response = serializing(module.json_response)  # type: ignore[attr-defined]
    streams = importlib.import_module(_MODULES[1])
    wrap(streams, "_cap_page_bytes", lambda _: lambda page: capped(page, streams._GET_RECORDS_MAX_BYTES))


def serializing(original: Respond) -> Respond:
    """Return a function that responds as the original does, without its insignificant whitespace."""

    def json_response(data: Any, *arguments: Any, **options: Any) -> Any:
        try:
            body = msgspec.json.encode(data)
        except (TypeError, OverflowError, ValueError):
            return original(data, *arguments, **options)
        status, headers, _ = original({}, *arguments, **options)
        return status, headers, body

    return json_response


def capped(page: list[Any], most_bytes: int) -> list[Any]:
    """Return the records of a page up to a number of bytes, and at least one."""
    total = 0
    for count, record in enumerate(page):
        total += len(msgspec.json.encode(record))
        if count and total > most_bytes:
            return page[:count]
    return page
