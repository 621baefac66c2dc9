"""Lambda assets: folders that hold a source tree and, where the runtime does not provide them, its dependencies.

A folder's name ends with the digest of what is in it, so the same sources always give the same folder, two builds at
once cannot disturb each other, and nothing is copied twice. Dependencies are wheels for Lambda's own platform, pinned
with hashes in ``requirements/lambda-*.lock`` and cached by the lock's digest: the first packaging of an environment that
bundles them needs the package registry, every other one is offline.

``python -m orchestrator.packaging [ENVIRONMENT …]`` builds the assets and prints their sizes.
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

import environments

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PYTHON_VERSION = "3.13"
PLATFORM = "manylinux2014_aarch64"
BUNDLED = "bundled"

_ORCHESTRATOR_PARTS = ("__init__.py", "domain", "tasks", "intake", "aws", "probes", "prices.py", "prices.toml")
# What wheels carry and no Lambda needs: installed scripts, pip's notes on the installation, compiled caches, tests.
_TRIMMED = ("bin", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "__pycache__", "tests", "py.typed")


# Beside the code, but not part of it: how it is deployed, and what Python leaves behind.
_NOT_CODE = ("infrastructure", "stack_policy", "__pycache__", ".")
_GENERATOR = "openapi"
"""A folder that writes the OpenAPI document; the document itself is served."""


class PackagingFailed(Exception):
    """A dependency could not be installed; says which lock and what pip said."""


@dataclass(frozen=True)
class Asset:
    """A folder to be zipped as a function's code.

    Attributes:
        digest: hex digest of every path and content in it; the same for the same content, wherever it was built.
    """

    folder: Path
    digest: str


def service_asset(environment: environments.Environment, overlay: Path | None = None) -> Asset:
    """Build the OAuth service's asset.

    Args:
        environment: says whether dependencies are bundled.
        overlay: a folder laid over `service/`, file by file: another release of the service.
    """
    layers = [ROOT / "service", *([overlay] if overlay else [])]
    return _build("service", environment, {"service": layers})


def orchestrator_asset(environment: environments.Environment) -> Asset:
    """Build the asset of task and intake functions: what they import, and neither the command line nor local parts."""
    source = ROOT / "orchestrator"
    return _build(
        "orchestrator", environment, {f"orchestrator/{part}": [source / part] for part in _ORCHESTRATOR_PARTS}
    )


def empty_asset() -> Asset:
    """Return an asset with nothing in it, for templates that are only looked at."""
    folder = BUILD / "assets" / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return Asset(folder, _digest(folder))


def source_commit(folder: Path = ROOT / "service") -> str:
    """Return the commit that last changed a folder, with ``+`` where it has changes since; `unknown` outside git.

    Not HEAD: a commit that leaves the service alone makes no new release of it.
    """
    commit = _git("log", "-1", "--format=%H", "--", ".", folder=folder)
    if not commit:
        return "unknown"
    return f"{commit}+" if _git("status", "--porcelain", "--", ".", folder=folder) else commit


def zipped_bytes(asset: Asset) -> int:
    """Return the size of the asset as a zip file, which is what Lambda limits and loads."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, name in _files(asset.folder):
                archive.write(path, name)
        return file.tell()


def _build(name: str, environment: environments.Environment, parts: dict[str, list[Path]]) -> Asset:
    assets = BUILD / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=assets, prefix=".building-") as scratch:
        folder = Path(scratch) / "asset"
        folder.mkdir()
        if environment.dependencies == BUNDLED:
            shutil.copytree(_dependencies(name), folder, dirs_exist_ok=True)
        for target, layers in parts.items():
            for layer in layers:
                _lay(layer, folder / target)
        digest = _digest(folder)
        final = assets / f"{name}-{environment.name}-{digest[:16]}"
        _move(folder, final)
    return Asset(final, digest)


def _lay(source: Path, target: Path) -> None:
    if not source.exists():
        raise PackagingFailed(f"{source} does not exist, so it cannot be packaged")
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    shutil.copytree(source, target, ignore=_left_out, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _left_out(folder: str, names: list[str]) -> set[str]:
    del folder
    return {name for name in names if name == _GENERATOR or name.startswith(_NOT_CODE)}


def _move(folder: Path, final: Path) -> None:
    try:
        folder.rename(final)
    except OSError:
        # Somebody built the same content before, or is quicker: its folder is as good, its name says so.
        if not final.is_dir():
            raise


def _dependencies(name: str) -> Path:
    lock = ROOT / "requirements" / f"lambda-{name}.lock"
    key = hashlib.sha256(lock.read_bytes() + f"{PLATFORM} {PYTHON_VERSION}".encode()).hexdigest()
    cached = BUILD / "dependencies" / f"{name}-{key[:16]}"
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
        raise PackagingFailed(f"pip could not install {lock.relative_to(ROOT)}: {finished.stderr.strip()}")


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
        # Lengths part the fields: no two trees give the same stream.
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
    """Build the assets of the environments named, or of all, and print their sizes."""
    for name in sys.argv[1:] or environments.names():
        environment = environments.load(name)
        for kind, asset in (
            ("service", service_asset(environment)),
            ("orchestrator", orchestrator_asset(environment)),
        ):
            print(f"{kind}-{name}: {zipped_bytes(asset) / 1e6:.2f} MB zipped, {asset.folder.relative_to(ROOT)}")  # noqa: T201


if __name__ == "__main__":
    main()
