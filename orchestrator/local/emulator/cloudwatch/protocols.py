"""Translation of CloudWatch's three protocols (CBOR, JSON, and the Query API with XML) to and from one form.

MiniStack's operations handle each protocol separately. The patches take a request in the form of the API reference and
return a response in the same form; this module translates both.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

Response = tuple[int, Mapping[str, str], bytes]

_TIMES: Final = ("Timestamp", "Timestamps")
_STEP: Final = re.compile(r"([A-Za-z]+)(?:\.(?:member|entry)\.(\d+))?")


def parse_request(
    params: Mapping[str, Any], body: Mapping[str, Any], *, is_cbor: bool, is_json: bool
) -> Mapping[str, Any]:
    """Return a request in the form of the API reference. Values of the Query API stay strings."""
    if is_cbor or is_json:
        return body
    nested: dict[str, Any] = {}
    for key, value in params.items():
        _put(
            nested,
            [(name, index) for name, index in _STEP.findall(key)],
            value[0] if isinstance(value, list) else value,
        )
    request: Mapping[str, Any] = _to_lists(nested)
    return request


def format_response(operation: str, response: Mapping[str, Any], *, is_cbor: bool, is_json: bool) -> Response:
    """Return the response of an operation, named by MiniStack's function. Times are epoch seconds."""
    cloudwatch: Any = importlib.import_module("ministack.services.cloudwatch")
    if is_cbor:
        cbor: Response = cloudwatch._cbor_ok(_with_times(response, cloudwatch._cbor_timestamp))
        return cbor
    if is_json:
        json: Response = cloudwatch._json_ok(response)
        return json
    name = "".join(part.capitalize() for part in operation.strip("_").split("_"))
    inner = "".join(_xml(key, value) for key, value in _with_times(response, _iso).items())
    xml: Response = cloudwatch._xml(200, f"{name}Response", f"<{name}Result>{inner}</{name}Result>")
    return xml


def format_error(code: str, message: str, *, is_cbor: bool, is_json: bool, status: int = 400) -> Response:
    """Return the response to a request that is rejected."""
    cloudwatch: Any = importlib.import_module("ministack.services.cloudwatch")
    error: Response = cloudwatch._error(code, message, status, use_json=is_json, use_cbor=is_cbor)
    return error


def _put(into: dict[Any, Any], steps: list[tuple[str, str]], value: Any) -> None:
    for name, index in steps[:-1]:
        into = into.setdefault(name, {})
        if index:
            into = into.setdefault(int(index), {})
    name, index = steps[-1]
    if index:
        into.setdefault(name, {})[int(index)] = value
    else:
        into[name] = value


def _to_lists(value: Any) -> Any:
    """Convert mappings with numeric keys to lists."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_to_lists(value[index]) for index in sorted(value)]
    return {key: _to_lists(item) for key, item in value.items()}


def _with_times(value: Any, format_time: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _with_times(item, format_time, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_times(item, format_time, key) for item in value]
    return format_time(value) if key in _TIMES else value


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _xml(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<{key}>{''.join(_xml(name, item) for name, item in value.items())}</{key}>"
    if isinstance(value, list):
        return f"<{key}>{''.join(_xml('member', item) for item in value)}</{key}>"
    return f"<{key}>{escape(str(value))}</{key}>"
