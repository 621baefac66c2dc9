"""Snapshots of an environment's configuration (everything but the items of its tables), and their differences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.configuration.normalization import ORDERED_LISTS, Identities, Part, canonical_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.untrusted_json import problem_of
from orchestrator.domain.verdict import Json

FORMAT = 1
"""Version of the snapshot format. Any other version is refused."""

_IDENTITY_MEMBERS = ("Sid", "Id", "Key", "Name", "IndexName", "AttributeName", "ID")
"""Members that identify an element of a list, in order of preference."""


@dataclass(frozen=True)
class ConfigurationSnapshot:
    """The configuration of an environment at one time.

    Attributes:
        why: what it was taken for: the schedule, a deployment, a drill or an operator.
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
        """The digest of all parts. Snapshots with equal digests have no differences."""
        content = [[part.kind, part.name, part.facts] for part in self.parts]
        return f"sha256:{hashlib.sha256(canonical_json(content)).hexdigest()}"


@dataclass(frozen=True)
class SnapshotRecord:
    """A stored snapshot.

    Attributes:
        digest: digest of the configuration.
        key: the object in the environment's evidence bucket.
        sha256: hash of the object's bytes.
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
    """One difference between two snapshots.

    Attributes:
        path: place in the part, such as ``Environment.Variables.LOG_LEVEL``; empty for the part itself.
        before, after: canonical JSON; empty if absent.
    """

    kind: str
    name: str
    path: str
    before: str
    after: str


def snapshot_of(
    environment: str, identities: Identities, taken_at: datetime, why: str, parts: Sequence[Part]
) -> ConfigurationSnapshot:
    """Return a snapshot of these parts, sorted."""
    ordered = tuple(sorted(parts, key=lambda part: (part.kind, part.name)))
    return ConfigurationSnapshot(environment, identities.account, identities.region, taken_at, why, ordered)


def snapshot_differences(before: ConfigurationSnapshot, after: ConfigurationSnapshot) -> tuple[Difference, ...]:
    """Return the differences between two snapshots, part by part; empty if they are equal."""
    old = {(part.kind, part.name): part.facts for part in before.parts}
    new = {(part.kind, part.name): part.facts for part in after.parts}
    differences: list[Difference] = []
    for kind, name in sorted(old.keys() | new.keys()):
        old_facts, new_facts = old.get((kind, name)), new.get((kind, name))
        if old_facts is None or new_facts is None:
            differences.append(
                Difference(
                    kind, name, "", "" if old_facts is None else "present", "" if new_facts is None else "present"
                )
            )
            continue
        differences += [
            Difference(kind, name, *difference) for difference in _differences_between(old_facts, new_facts, ())
        ]
    return tuple(differences)


def snapshot_document(snapshot: ConfigurationSnapshot) -> bytes:
    """Serialize a snapshot as the file that is stored."""
    return canonical_json(
        {
            "format": FORMAT,
            "environment": snapshot.environment,
            "account": snapshot.account,
            "region": snapshot.region,
            "taken_at": snapshot.taken_at.isoformat(),
            "why": snapshot.why,
            "digest": snapshot.digest,
            "parts": [{"kind": part.kind, "name": part.name, "facts": part.facts} for part in snapshot.parts],
        }
    )


def read_snapshot(text: bytes) -> ConfigurationSnapshot:
    """Read a snapshot from its file.

    Raises:
        Refused: it is not a snapshot, has another format, or does not match its digest.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            remedy = f"this release reads format {FORMAT}: use the release that wrote it"
            raise Refused("snapshot.format", document["format"], remedy)
        parts = tuple(Part(part["kind"], part["name"], part["facts"]) for part in document["parts"])
        taken_at = datetime.fromisoformat(document["taken_at"])
        snapshot = ConfigurationSnapshot(
            document["environment"], document["account"], document["region"], taken_at, document["why"], parts
        )
        digest = snapshot.digest
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = f"name a configuration snapshot; this file is not one: {problem_of(error)}"
        raise Refused("snapshot", f"{len(text)} bytes", remedy) from error
    if document.get("digest") != digest:
        raise Refused(
            "snapshot.digest", document.get("digest"), "use another snapshot: the parts of this one were changed"
        )
    return snapshot


def _differences_between(before: Json, after: Json, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    if canonical_json(before) == canonical_json(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            if key in before and key in after:
                yield from _differences_between(before[key], after[key], (*path, key))
            else:
                yield ".".join((*path, key)), _json_of(before, key), _json_of(after, key)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_differences(before, after, path)
    else:
        yield ".".join(path), canonical_json(before).decode(), canonical_json(after).decode()


def _list_differences(before: list[Any], after: list[Any], path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    if set(path) & set(ORDERED_LISTS):
        old, new = dict(enumerate(before)), dict(enumerate(after))
    else:
        identity = _identity_member(before, after)
        old, new = _elements_by(identity, before), _elements_by(identity, after)
    where = path[:-1]
    last = path[-1] if path else ""
    for key in sorted(old.keys() | new.keys(), key=str):
        element_path = (*where, f"{last}[{key}]")
        if key in old and key in new:
            yield from _differences_between(old[key], new[key], element_path)
        else:
            yield ".".join(element_path), _json_of(old, key), _json_of(new, key)


def _identity_member(*lists: list[Any]) -> str:
    for name in _IDENTITY_MEMBERS:
        if all(
            all(isinstance(element, Mapping) and isinstance(element.get(name), str) for element in elements)
            and len({element[name] for element in elements}) == len(elements)
            for elements in lists
        ):
            return name
    return ""


def _elements_by(identity: str, elements: list[Any]) -> dict[Any, Any]:
    if identity:
        return {f"{identity}={element[identity]}": element for element in elements}
    # A set: elements without an identity are named by a short digest.
    named: dict[Any, Any] = {}
    for element in elements:
        digest = hashlib.sha256(canonical_json(element)).hexdigest()[:8]
        repeats = sum(str(key).startswith(digest) for key in named)
        named[f"{digest} again {repeats}" if repeats else digest] = element
    return named


def _json_of(values: Mapping[Any, Any], key: object) -> str:
    return canonical_json(values[key]).decode() if key in values else ""
