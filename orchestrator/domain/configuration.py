"""What an environment is beside the items of its tables: bundles of it, and what is not in one as it is in another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.normal_form import ORDERED, Identities, Part, canonical
from orchestrator.domain.verdict import Json

FORMAT = 1
"""Of a bundle. Another one is refused, never guessed at."""

_IDENTITIES = ("Sid", "Id", "Key", "Name", "IndexName", "AttributeName", "ID")
"""Members by which an element of a list is known, in the order in which they are tried."""


@dataclass(frozen=True)
class Bundle:
    """The configuration of an environment at a moment.

    Attributes:
        why: what it was taken for: the schedule, a deployment, a drill, a person.
        parts: sorted by kind and name.
    """

    environment: str
    account: str
    region: str
    taken_at: datetime
    why: str
    parts: tuple[Part, ...]

    @property
    def digest(self) -> str:
        """Names the configuration, whenever and why ever it was looked at: equal digests, nothing differs."""
        told = [[part.kind, part.name, part.facts] for part in self.parts]
        return f"sha256:{hashlib.sha256(canonical(told)).hexdigest()}"


@dataclass(frozen=True)
class Taken:
    """A bundle that was kept: where it lies and what it comes to.

    Attributes:
        digest: of the configuration.
        key: the object in the environment's evidence bucket.
        sha256: of the object's bytes.
    """

    id: str
    taken_at: datetime
    why: str
    parts: int
    digest: str
    key: str
    sha256: str


@dataclass(frozen=True)
class Difference:
    """One thing that is not what it was.

    Attributes:
        path: where in the part, such as ``Environment.Variables.LOG_LEVEL``; empty for the part itself.
        before, after: canonical JSON; empty where there is nothing.
    """

    kind: str
    name: str
    path: str
    before: str
    after: str


def bundle_of(environment: str, identities: Identities, taken_at: datetime, why: str, parts: Sequence[Part]) -> Bundle:
    """Put parts together, in the one order."""
    ordered = tuple(sorted(parts, key=lambda part: (part.kind, part.name)))
    return Bundle(environment, identities.account, identities.region, taken_at, why, ordered)


def differences(before: Bundle, after: Bundle) -> tuple[Difference, ...]:
    """What is not in `after` as it was in `before`, part by part; nothing where both are the same."""
    old = {(part.kind, part.name): part.facts for part in before.parts}
    new = {(part.kind, part.name): part.facts for part in after.parts}
    found: list[Difference] = []
    for kind, name in sorted(old.keys() | new.keys()):
        was, now = old.get((kind, name)), new.get((kind, name))
        if was is None or now is None:
            found.append(Difference(kind, name, "", "" if was is None else "there", "" if now is None else "there"))
            continue
        found += [Difference(kind, name, *one) for one in _compared(was, now, ())]
    return tuple(found)


def document(bundle: Bundle) -> bytes:
    """Write a bundle as the one file that is kept of it."""
    return canonical(
        {
            "format": FORMAT,
            "environment": bundle.environment,
            "account": bundle.account,
            "region": bundle.region,
            "taken_at": bundle.taken_at.isoformat(),
            "why": bundle.why,
            "digest": bundle.digest,
            "parts": [{"kind": part.kind, "name": part.name, "facts": part.facts} for part in bundle.parts],
        }
    )


def read_document(text: bytes) -> Bundle:
    """Read a bundle from its file.

    Raises:
        Refused: it is not one, it is of another format, or its parts are not those that its digest names.
    """
    try:
        told = json.loads(text)
        if told["format"] != FORMAT:
            raise Refused(
                "bundle.format", told["format"], f"this release reads format {FORMAT}: use the one that took it"
            )
        parts = tuple(Part(one["kind"], one["name"], one["facts"]) for one in told["parts"])
        taken_at = datetime.fromisoformat(told["taken_at"])
        bundle = Bundle(told["environment"], told["account"], told["region"], taken_at, told["why"], parts)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            "bundle", f"{len(text)} bytes", f"name a configuration bundle; this is none: {error!r}"
        ) from error
    if bundle.digest != told["digest"]:
        raise Refused("bundle.digest", told["digest"], "use another bundle: the parts of this one were changed")
    return bundle


def _compared(before: Json, after: Json, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    if canonical(before) == canonical(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            if key in before and key in after:
                yield from _compared(before[key], after[key], (*path, key))
            else:
                yield ".".join((*path, key)), _side(before, key), _side(after, key)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compared_lists(before, after, path)
    else:
        yield ".".join(path), canonical(before).decode(), canonical(after).decode()


def _compared_lists(before: list[Any], after: list[Any], path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    if set(path) & set(ORDERED):
        old, new = dict(enumerate(before)), dict(enumerate(after))
    else:
        identity = _identity(before, after)
        old, new = _by(identity, before), _by(identity, after)
    where = path[:-1]
    last = path[-1] if path else ""
    for key in sorted(old.keys() | new.keys(), key=str):
        step = (*where, f"{last}[{key}]")
        if key in old and key in new:
            yield from _compared(old[key], new[key], step)
        else:
            yield ".".join(step), _side(old, key), _side(new, key)


def _identity(*lists: list[Any]) -> str:
    for name in _IDENTITIES:
        if all(
            all(isinstance(one, Mapping) and isinstance(one.get(name), str) for one in elements)
            and len({one[name] for one in elements}) == len(elements)
            for elements in lists
        ):
            return name
    return ""


def _by(identity: str, elements: list[Any]) -> dict[Any, Any]:
    if identity:
        return {f"{identity}={one[identity]}": one for one in elements}
    # A set: what is in one of them only is told by a short digest, since there is nothing to call it by.
    named: dict[Any, Any] = {}
    for one in elements:
        digest = hashlib.sha256(canonical(one)).hexdigest()[:8]
        again = sum(str(key).startswith(digest) for key in named)
        named[f"{digest} again {again}" if again else digest] = one
    return named


def _side(values: Mapping[Any, Any], key: object) -> str:
    return canonical(values[key]).decode() if key in values else ""
