"""What a bundle is made of, as a CycloneDX bill of materials: the packages of a lock file, by version and hashes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?:\s*;[^\\]*)?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pins_of(lock: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Read a lock file: package to its version and the hashes of its files."""
    pins: dict[str, tuple[str, list[str]]] = {}
    name = ""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if pinned := _PIN.match(line):
            name = pinned[1]
            pins[name] = (pinned[2], [])
        elif found := _HASH.search(line):
            pins[name][1].append(found[1])
    return {package: (version, tuple(hashes)) for package, (version, hashes) in pins.items()}


def bill_of(name: str, digest: str, locks: Sequence[Path]) -> str:
    """Write the bill of materials of one bundle; the same bundle has the same one, to the letter.

    Args:
        name: the bundle's.
        digest: hex SHA-256 of its content.
        locks: what pins its dependencies.
    """
    bundle = Component(
        name=name,
        version=digest,
        type=ComponentType.APPLICATION,
        bom_ref=name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    packages = [
        _package(package, version, hashes)
        for lock in locks
        for package, (version, hashes) in sorted(pins_of(lock).items())
    ]
    # No serial number of chance and no time of day: what is in the bundle says which bill it is.
    bill = Bom(components=packages, serial_number=UUID(digest[:32]))
    bill.metadata.component = bundle
    bill.register_dependency(bundle, packages)
    text = make_outputter(bill, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    document = json.loads(text)
    document["metadata"].pop("timestamp", None)
    return f"{json.dumps(document, indent=2, sort_keys=True)}\n"


def _package(name: str, version: str, hashes: Sequence[str]) -> Component:
    url = PackageURL(type="pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=found) for found in hashes],
    )
