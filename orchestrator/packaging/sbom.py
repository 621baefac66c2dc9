"""Software bills of materials (SBOM) in CycloneDX: the packages of lock files with versions and hashes."""

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


def read_pins(lock: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Read a lock file; return the version and the SHA-256 hashes of each package."""
    pins: dict[str, tuple[str, list[str]]] = {}
    name = ""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if pinned := _PIN.match(line):
            name = pinned[1]
            pins[name] = (pinned[2], [])
        elif file_hash := _HASH.search(line):
            pins[name][1].append(file_hash[1])
    return {package: (version, tuple(hashes)) for package, (version, hashes) in pins.items()}


def sbom_of(name: str, digest: str, locks: Sequence[Path]) -> str:
    """Return the SBOM of one package as JSON; the same package always has the same text.

    Args:
        name: the package's name.
        digest: hex SHA-256 of its content.
        locks: the lock files of its dependencies.
    """
    application = Component(
        name=name,
        version=digest,
        type=ComponentType.APPLICATION,
        bom_ref=name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    packages = [
        _package(package, version, hashes)
        for lock in locks
        for package, (version, hashes) in sorted(read_pins(lock).items())
    ]
    # No random serial number and no time: the content identifies the SBOM.
    bom = Bom(components=packages, serial_number=UUID(digest[:32]))
    bom.metadata.component = application
    bom.register_dependency(application, packages)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    document = json.loads(text)
    document["metadata"].pop("timestamp", None)
    return f"{json.dumps(document, indent=2, sort_keys=True, allow_nan=False)}\n"


def _package(name: str, version: str, hashes: Sequence[str]) -> Component:
    url = PackageURL(type="pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file_hash) for file_hash in hashes],
    )
