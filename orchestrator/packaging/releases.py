"""Builds, reads and signs releases: packages, SBOMs, and a cloud assembly for each environment.

```
build/releases/0123456789abcdef/      named by the release's digest
    release.json                      the manifest (orchestrator/domain/deployment/release.py)
    service.zip  orchestrator.zip     the functions' packages, identical bytes wherever they are built
    service.cdx.json  …               their SBOMs
    assemblies/ENVIRONMENT/           input of `cdk deploy --app`; retained for a rollback of the stacks
                                      (docs/runbooks/infrastructure-rollback.md)
    signed/PROFILEVERSION/            the packages signed by AWS Signer, if an environment requires it
    proofs/ENVIRONMENT.json           the attestation that the release became stable there
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

from orchestrator import environments
from orchestrator.domain.deployment.release import BUILD_DIGITS, PromotionAttestation, ReleaseManifest, manifest_digest
from orchestrator.domain.errors import Refused
from orchestrator.environments.project import build_folder
from orchestrator.packaging import assets

_MANIFEST = "release.json"
_SIGNATURES = "signatures.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can contain, because modification times are not part of a release."""

_MODE = 0o644 << 16


def releases_folder() -> Path:
    """Return the folder of the project's releases."""
    return build_folder() / "releases"


def build(names: Sequence[str]) -> Path:
    """Build the release for environments in AWS accounts; the same sources result in the same bytes.

    Raises:
        Refused: an environment is unknown, or its functions' content differs from the others'.
        PackagingFailed: a dependency could not be installed.
    """
    from orchestrator.packaging.sbom import sbom_of  # noqa: PLC0415 - an extra; only a build needs it

    built = {name: _assets(name) for name in names}
    contents = {name: {part: asset.digest for part, asset in assets.items()} for name, assets in built.items()}
    first = contents[names[0]]
    for name, content in contents.items():
        if content != first:
            raise Refused(
                "environments", name, f"its functions' content differs from {names[0]}'s: build it separately"
            )
    folder = releases_folder() / manifest_digest(first)[:BUILD_DIGITS]
    folder.mkdir(parents=True, exist_ok=True)
    for part, asset in built[names[0]].items():
        _zip(asset.folder, folder / f"{part}.zip")
        (folder / f"{part}.cdx.json").write_text(sbom_of(part, asset.digest, [assets.lock_of(part)]), encoding="utf-8")
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.suffix in {".zip", ".json"}}
    files.pop(_MANIFEST, None)
    manifest = ReleaseManifest(manifest_digest(first), assets.source_commit(), first, files)
    (folder / _MANIFEST).write_text(
        f"{json.dumps(asdict(manifest), indent=2, sort_keys=True, allow_nan=False)}\n", encoding="utf-8"
    )
    return folder


def read(folder: Path) -> ReleaseManifest:
    """Read a release's manifest, and verify the digest of every file.

    Raises:
        Refused: the folder has no release, or a file was changed.
    """
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=ReleaseManifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Refused("release", str(folder), "name a folder that `orchestrator release build` created") from error
    if manifest.digest != manifest_digest(manifest.assets):
        raise Refused(f"{folder}/{_MANIFEST}", manifest.digest, "it does not match the assets: build the release again")
    for name, sha256 in manifest.files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != sha256:
            raise Refused(f"{folder}/{name}", "changed", f"it was {sha256} when it was built: build the release again")
    return manifest


def sign(folder: Path, publisher: str, sign_package: Callable[[str, bytes], bytes]) -> Path:
    """Sign a release's packages, once for each publisher; return the folder with the signed packages.

    Args:
        folder: the release.
        publisher: the signing profile version.
        sign_package: returns the signed package for a key and a package.

    Raises:
        Refused: the release is incomplete, or a signed package was changed.
    """
    manifest, signed_folder = read(folder), folder / "signed" / publisher
    signatures = signed_folder / _SIGNATURES
    if not signatures.is_file():
        signed_folder.mkdir(parents=True, exist_ok=True)
        for part in sorted(manifest.assets):
            package = (folder / f"{part}.zip").read_bytes()
            (signed_folder / f"{part}.zip").write_bytes(sign_package(f"{manifest.digest}/{part}.zip", package))
        files = {f"{part}.zip": _sha256(signed_folder / f"{part}.zip") for part in sorted(manifest.assets)}
        # Written last, so that an interrupted signing is repeated.
        signatures.write_text(f"{json.dumps(files, indent=2, sort_keys=True, allow_nan=False)}\n", encoding="utf-8")
    for name, sha256 in msgspec.json.decode(signatures.read_bytes(), type=dict[str, str]).items():
        path = signed_folder / name
        if not path.is_file() or _sha256(path) != sha256:
            raise Refused(
                f"{signed_folder}/{name}",
                "changed",
                f"it was {sha256} when it was signed: remove {signed_folder}, and sign again",
            )
    return signed_folder


def save_attestation(folder: Path, attestation: PromotionAttestation) -> Path:
    """Store a promotion attestation with its release; return its file."""
    file = folder / "proofs" / f"{attestation.environment}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{json.dumps(asdict(attestation), indent=2, sort_keys=True, allow_nan=False)}\n", encoding="utf-8")
    return file


def read_attestation(folder: Path, environment: str) -> PromotionAttestation | None:
    """Read the promotion attestation of an environment; return None if there is none.

    Raises:
        Refused: the file cannot be read.
    """
    path = folder / "proofs" / f"{environment}.json"
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=PromotionAttestation)
    except msgspec.MsgspecError as error:
        raise Refused(str(path), str(error), "promote the release in that environment again") from error


def _assets(name: str) -> dict[str, assets.Asset]:
    if name not in environments.names():
        raise Refused("environments", name, f"name some of {', '.join(environments.names())}")
    environment = environments.load(name)
    return {
        "service": assets.service_asset(environment),
        "orchestrator": assets.orchestrator_asset(environment),
    }


def _zip(folder: Path, target: Path) -> None:
    """Zip a folder reproducibly: sorted names, a fixed time and a fixed mode."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            if not path.is_file():
                continue
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            info.external_attr, info.compress_type, info.create_system = _MODE, zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, path.read_bytes())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
