"""The three protocols in which CloudWatch is asked, brought to one: CBOR, JSON, and the Query API with XML.

MiniStack's own operations tell them apart one by one. The mends take a request as the API reference writes it and
answer with the same; this module translates.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

Answer = tuple[int, Mapping[str, str], bytes]

_TIMES: Final = ("Timestamp", "Timestamps")
_STEP: Final = re.compile(r"([A-Za-z]+)(?:\.(?:member|entry)\.(\d+))?")


def asked(params: Mapping[str, Any], body: Mapping[str, Any], *, is_cbor: bool, is_json: bool) -> Mapping[str, Any]:
    """Return a request as the API reference writes it. Values of the Query API stay strings."""
    if is_cbor or is_json:
        return body
    whole: dict[str, Any] = {}
    for key, given in params.items():
        _put(
            whole, [(name, index) for name, index in _STEP.findall(key)], given[0] if isinstance(given, list) else given
        )
    found: Mapping[str, Any] = _listed(whole)
    return found


def answer(operation: str, found: Mapping[str, Any], *, is_cbor: bool, is_json: bool) -> Answer:
    """Return the answer of an operation, named as MiniStack names its function. Times are epoch seconds."""
    cloudwatch: Any = importlib.import_module("ministack.services.cloudwatch")
    if is_cbor:
        tagged: Answer = cloudwatch._cbor_ok(_with_times(found, cloudwatch._cbor_timestamp))
        return tagged
    if is_json:
        plain: Answer = cloudwatch._json_ok(found)
        return plain
    name = "".join(part.capitalize() for part in operation.strip("_").split("_"))
    inner = "".join(_xml(key, value) for key, value in _with_times(found, _iso).items())
    spelt: Answer = cloudwatch._xml(200, f"{name}Response", f"<{name}Result>{inner}</{name}Result>")
    return spelt


def refused(code: str, message: str, *, is_cbor: bool, is_json: bool, status: int = 400) -> Answer:
    """Return the answer to a request that is not taken."""
    cloudwatch: Any = importlib.import_module("ministack.services.cloudwatch")
    error: Answer = cloudwatch._error(code, message, status, use_json=is_json, use_cbor=is_cbor)
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


def _listed(value: Any) -> Any:
    """Turn what is numbered into lists."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_listed(value[index]) for index in sorted(value)]
    return {key: _listed(one) for key, one in value.items()}


def _with_times(value: Any, spell: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _with_times(one, spell, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_times(one, spell, key) for one in value]
    return spell(value) if key in _TIMES else value


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _xml(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<{key}>{''.join(_xml(name, one) for name, one in value.items())}</{key}>"
    if isinstance(value, list):
        return f"<{key}>{''.join(_xml('member', one) for one in value)}</{key}>"
    return f"<{key}>{escape(str(value))}</{key}>"
