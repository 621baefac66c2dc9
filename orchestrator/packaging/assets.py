"""Lambda assets: folders with the sources and, if the runtime does not provide them, the dependencies.

A folder's name ends with the digest of its content. So the same sources always result in the same folder, and
concurrent builds do not disturb each other. Dependencies are wheels for Lambda's platform, pinned with hashes in
``lambda-*.lock`` in this folder and cached by the lock file's digest. Only the first build with bundled dependencies
needs the package registry; later builds work offline.

``python -m orchestrator.packaging.assets [ENVIRONMENT …]`` builds the assets and prints their sizes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator import environments
from orchestrator.environments.project import build_folder

SOURCES = Path(__file__).resolve().parents[2]
"""The folder of our packages: a clone, or the installation's folder of packages."""

PYTHON_VERSION = "3.13"
PLATFORM = "manylinux2014_aarch64"
BUNDLED = "bundled"

_ORCHESTRATOR_PARTS = ("__init__.py", "application", "aws", "domain", "event_handlers", "probes", "tasks")
# Content of wheels that Lambda does not need: scripts, pip's installation records, bytecode caches, tests.
_TRIMMED = ("bin", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "__pycache__", "tests", "py.typed")

# Files of Python and of editors.
_NOT_CODE = ("__pycache__", ".")
_GENERATOR = "openapi"
"""The folder of the code that generates the OpenAPI document; the service needs only the document."""


class PackagingFailed(Exception):
    """The sources or dependencies could not be packaged; the message has pip's output."""


@dataclass(frozen=True)
class Asset:
    """A folder that is zipped as a function's code.

    Attributes:
        digest: hex SHA-256 of all paths and contents in the folder, independent of where it was built.
    """

    folder: Path
    digest: str


def service_asset(environment: environments.Environment, overlay: Path | None = None) -> Asset:
    """Build the OAuth service's asset.

    Args:
        environment: determines whether dependencies are bundled.
        overlay: a folder whose files replace those of `service/`, which results in another release.
    """
    layers = [SOURCES / "service", *([overlay] if overlay else [])]
    return _build("service", environment, {"service": layers})


def orchestrator_asset(environment: environments.Environment) -> Asset:
    """Build the asset of the task and event handler functions, without the command line and the local cloud."""
    source = SOURCES / "orchestrator"
    return _build(
        "orchestrator", environment, {f"orchestrator/{part}": [source / part] for part in _ORCHESTRATOR_PARTS}
    )


def empty_asset() -> Asset:
    """Return an empty asset, for templates that are synthesised without code."""
    folder = build_folder() / "assets" / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return Asset(folder, _digest(folder))


def source_commit(folder: Path = SOURCES / "service") -> str:
    """Return the commit that last changed a folder, with ``+`` if it has uncommitted changes; `unknown` outside git.

    Not HEAD, because a commit that does not change the folder does not make a new release.
    """
    commit = _git("log", "-1", "--format=%H", "--", ".", folder=folder)
    if not commit:
        return "unknown"
    return f"{commit}+" if _git("status", "--porcelain", "--", ".", folder=folder) else commit


def zipped_bytes(asset: Asset) -> int:
    """Return the size of the asset as a zip file in bytes; Lambda's limit applies to it."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, name in _files(asset.folder):
                archive.write(path, name)
        return file.tell()


def _build(name: str, environment: environments.Environment, parts: dict[str, list[Path]]) -> Asset:
    assets = build_folder() / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=assets, prefix=".building-") as scratch:
        folder = Path(scratch) / "asset"
        folder.mkdir()
        if environment.dependencies == BUNDLED:
            shutil.copytree(_dependencies(name), folder, dirs_exist_ok=True)
        for target, layers in parts.items():
            for layer in layers:
                _copy(layer, folder / target)
        digest = _digest(folder)
        final = assets / f"{name}-{environment.name}-{digest[:16]}"
        _move(folder, final)
    return Asset(final, digest)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise PackagingFailed(f"{source} does not exist, so it cannot be packaged")
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    shutil.copytree(source, target, ignore=_ignored_names, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _ignored_names(folder: str, names: list[str]) -> set[str]:
    del folder
    return {name for name in names if name == _GENERATOR or name.startswith(_NOT_CODE)}


def _move(folder: Path, final: Path) -> None:
    try:
        folder.rename(final)
    except OSError:
        # Another build created the folder first; its name guarantees the same content.
        if not final.is_dir():
            raise


def lock_of(name: str) -> Path:
    """Return the file with the pinned dependencies of `service` or `orchestrator`."""
    return Path(__file__).with_name(f"lambda-{name}.lock")


def _dependencies(name: str) -> Path:
    lock = lock_of(name)
    key = hashlib.sha256(lock.read_bytes() + f"{PLATFORM} {PYTHON_VERSION}".encode()).hexdigest()
    cached = build_folder() / "dependencies" / f"{name}-{key[:16]}"
    if cached.is_dir():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".installing-") as scratch:
        folder = Path(scratch) / "installed"
        _install(lock, folder)
        _trim(folder)
        _move(folder, cached)
    return cached


def _install(lock: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--platform={PLATFORM}"]
    command += [f"--python-version={PYTHON_VERSION}", f"--target={folder}", f"--requirement={lock}"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if finished.returncode:
        raise PackagingFailed(f"pip could not install {lock.name}: {finished.stderr.strip()}")


def _trim(folder: Path) -> None:
    for name in _TRIMMED:
        for path in list(folder.rglob(name)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.relative_to(folder).as_posix()


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path, name in _files(folder):
        content = path.read_bytes()
        # The lengths separate the fields, so that different trees cannot result in the same stream.
        digest.update(f"{len(name)} {len(content)} {name}".encode())
        digest.update(content)
    return digest.hexdigest()


def _git(*arguments: str, folder: Path) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    finished = subprocess.run([git, *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return finished.stdout.strip() if finished.returncode == 0 else ""


def main() -> None:
    """Build the assets of the named environments, or of all, and print their sizes."""
    for name in sys.argv[1:] or environments.names():
        environment = environments.load(name)
        for kind, asset in (
            ("service", service_asset(environment)),
            ("orchestrator", orchestrator_asset(environment)),
        ):
            print(f"{kind}-{name}: {zipped_bytes(asset) / 1e6:.2f} MB zipped, {asset.folder}")  # noqa: T201


if __name__ == "__main__":
    main()
