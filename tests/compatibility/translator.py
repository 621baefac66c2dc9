"""Translates things to items and back with whichever release's `service` is on PYTHONPATH, in a process of its own.

    python translator.py < [{"move": "write", "thing": "code", "fields": {…}}, {"move": "read", "thing": "code", "item": {…}, …}]

Answers, one JSON value for each move: an item, or a thing's fields. Octets are {"hex": …}; enumerations are their values. Fields
that the release does not know are left out of what it writes, as they are when it has never heard of them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from enum import Enum

from service.oauth.codes import Code
from service.oauth.families import Cause, Family
from service.oauth.logins import Login, Phase

try:
    from service.storage import item_codec
except ImportError:  # a release without sub-packages
    from service import items as item_codec

ENCODE, DECODE = ("encode", "decode") if hasattr(item_codec, "encode_login") else ("of", "to")  # renamed since 1.0

THINGS = {"login": Login, "code": Code, "family": Family}
ENUMERATIONS = {("login", "phase"): Phase, ("family", "revoked_because"): Cause}


def write(thing, fields):
    kind = THINGS[thing]
    known = {field.name for field in dataclasses.fields(kind)}
    values = {name: _value(thing, name, value) for name, value in fields.items() if name in known}
    return getattr(item_codec, f"{ENCODE}_{thing}")(kind(**values))


def read(thing, key, item, *, synthetic):
    found = getattr(item_codec, f"{DECODE}_{thing}")(key, item, synthetic=synthetic)
    return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}


def _value(thing, name, value):
    if value is not None and (thing, name) in ENUMERATIONS:
        return ENUMERATIONS[thing, name](value)
    return tuple(value) if isinstance(value, list) else value


def octets_of(value):
    return bytes.fromhex(value["hex"]) if value.keys() == {"hex"} else value


def plain(value):
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{value!r} has no form in JSON")


if __name__ == "__main__":
    moves = json.load(sys.stdin, object_hook=octets_of)
    answers = [
        write(move["thing"], move["fields"])
        if move["move"] == "write"
        else read(move["thing"], move["key"], move["item"], synthetic=move["synthetic"])
        for move in moves
    ]
    json.dump(answers, sys.stdout, default=plain)
