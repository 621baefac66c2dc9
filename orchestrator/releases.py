"""Building a release once, and reading one that was built: bundles, bills of materials, and an assembly for each environment.

```
build/releases/0123456789abcdef/      named by the release's digest
    release.json                      what is in it (orchestrator/domain/bundle.py)
    service.zip  orchestrator.zip     the functions' packages, the same bytes wherever they are built
    service.cdx.json  …               their bills of materials
    assemblies/ENVIRONMENT/           what `cdk deploy --app` takes; kept, for it is the way back (docs/runbooks/infrastructure-rollback.md)
    signed/PROFILEVERSION/            the packages that AWS Signer signed under it, where an environment asks for that
    proofs/ENVIRONMENT.json           that it became stable there
```
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

import environments
from orchestrator import packaging
from orchestrator.bill_of_materials import bill_of
from orchestrator.domain.bundle import BUILD_DIGITS, Manifest, Proof, digest_of
from orchestrator.domain.errors import Refused

FOLDER = packaging.BUILD / "releases"
_MANIFEST = "release.json"
_SIGNATURES = "signatures.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold: when a file was written is not part of a release."""

_MODE = 0o644 << 16


def build(names: Sequence[str]) -> Path:
    """Build the release for environments of accounts; building the same sources again gives the same bytes.

    Raises:
        Refused: an environment is not known, or its functions have other content than the rest's.
        PackagingFailed: a dependency could not be installed.
    """
    built = {name: _assets(name) for name in names}
    contents = {name: {part: asset.digest for part, asset in assets.items()} for name, assets in built.items()}
    first = contents[names[0]]
    for name, found in contents.items():
        if found != first:
            raise Refused(
                "environments", name, f"its functions are built otherwise than {names[0]}'s: build it by itself"
            )
    folder = FOLDER / digest_of(first)[:BUILD_DIGITS]
    folder.mkdir(parents=True, exist_ok=True)
    for part, asset in built[names[0]].items():
        _zip(asset.folder, folder / f"{part}.zip")
        lock = packaging.ROOT / "requirements" / f"lambda-{part}.lock"
        (folder / f"{part}.cdx.json").write_text(bill_of(part, asset.digest, [lock]), encoding="utf-8")
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.suffix in {".zip", ".json"}}
    files.pop(_MANIFEST, None)
    manifest = Manifest(digest_of(first), packaging.source_commit(), first, files)
    (folder / _MANIFEST).write_text(f"{json.dumps(asdict(manifest), indent=2, sort_keys=True)}\n", encoding="utf-8")
    return folder


def read(folder: Path) -> Manifest:
    """Read a release, and check that every file is what it says.

    Raises:
        Refused: there is none, or something in it was changed.
    """
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Refused("release", str(folder), "name a folder that `orchestrator release build` made") from error
    if manifest.digest != digest_of(manifest.assets):
        raise Refused(
            f"{folder}/{_MANIFEST}", manifest.digest, "it does not name what is in it: build the release again"
        )
    for name, sha256 in manifest.files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != sha256:
            raise Refused(f"{folder}/{name}", "changed", f"it was {sha256} when it was built: build the release again")
    return manifest


def sign(folder: Path, publisher: str, signed: Callable[[str, bytes], bytes]) -> Path:
    """Have a release's packages signed, once for a publisher; returns the folder with them.

    Args:
        folder: the release.
        publisher: names who signs.
        signed: makes a signed package of a key and a package.

    Raises:
        Refused: the release is not whole, or a package that was signed before was changed since.
    """
    manifest, kept = read(folder), folder / "signed" / publisher
    known = kept / _SIGNATURES
    if not known.is_file():
        kept.mkdir(parents=True, exist_ok=True)
        for part in sorted(manifest.assets):
            package = (folder / f"{part}.zip").read_bytes()
            (kept / f"{part}.zip").write_bytes(signed(f"{manifest.digest}/{part}.zip", package))
        files = {f"{part}.zip": _sha256(kept / f"{part}.zip") for part in sorted(manifest.assets)}
        # Last: a signing that was cut off is done again.
        known.write_text(f"{json.dumps(files, indent=2, sort_keys=True)}\n", encoding="utf-8")
    for name, sha256 in msgspec.json.decode(known.read_bytes(), type=dict[str, str]).items():
        path = kept / name
        if not path.is_file() or _sha256(path) != sha256:
            raise Refused(
                f"{kept}/{name}", "changed", f"it was {sha256} when it was signed: remove {kept}, and sign again"
            )
    return kept


def keep_proof(folder: Path, proof: Proof) -> Path:
    """Keep a proof with its release."""
    kept = folder / "proofs" / f"{proof.environment}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(f"{json.dumps(asdict(proof), indent=2, sort_keys=True)}\n", encoding="utf-8")
    return kept


def proof_of(folder: Path, environment: str) -> Proof | None:
    """Read the proof of an environment; None where there is none.

    Raises:
        Refused: it cannot be read.
    """
    path = folder / "proofs" / f"{environment}.json"
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Proof)
    except msgspec.MsgspecError as error:
        raise Refused(str(path), str(error), "prove it again in that environment") from error


def _assets(name: str) -> dict[str, packaging.Asset]:
    if name not in environments.names():
        raise Refused("environments", name, f"name some of {', '.join(environments.names())}")
    environment = environments.load(name)
    return {
        "service": packaging.service_asset(environment),
        "orchestrator": packaging.orchestrator_asset(environment),
    }


def _zip(folder: Path, target: Path) -> None:
    """Pack a folder so that the same content is the same file: names in order, one time, one mode."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).as_posix()):
            if not path.is_file():
                continue
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            info.external_attr, info.compress_type, info.create_system = _MODE, zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, path.read_bytes())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
