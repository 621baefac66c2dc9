"""Freezes a release of the service, so that the next one is tested together with exactly the code that it will run next to.

    python -m tests.compatibility.freeze COMMIT      writes tests/compatibility/releases/{commit}.zip and its SHA-256

Do this when a release becomes stable, and take away the artefact that is older than the one before: a rollback goes no further
back. What is frozen is what runs, sources and pages, without how it is deployed. The same commit always gives the same
contents; nothing in the artefact says when or where it was made.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
RELEASES = Path(__file__).with_name("releases")
_COMMIT_DIGITS = 12
_KINDS = frozenset({".py", ".html", ".css", ".js", ".json"})
_NOT_RUN = ("infrastructure", "stack_policy")  # how it is deployed
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can tell


def sources(commit: str) -> dict[str, bytes]:
    """Return what runs of a commit's service: path to content. Raises CalledProcessError where git has no such commit."""
    archive = _git("archive", "--format=tar", commit, "service")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            path = PurePosixPath(member.name)
            if file is not None and path.suffix in _KINDS and not path.name.startswith(_NOT_RUN):
                found[member.name] = file.read()
    return dict(sorted(found.items()))


def freeze(commit: str, folder: Path = RELEASES) -> Path:
    """Write the artefact of a commit and its digest. Returns the artefact's path."""
    name = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()[:_COMMIT_DIGITS]
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for member, content in sources(name).items():
            archive.writestr(zipfile.ZipInfo(member, _EPOCH), content, zipfile.ZIP_DEFLATED)
    digest_path(path).write_text(f"{digest(path)}  {path.name}\n")
    return path


def latest() -> Path:
    """Return the artefact of the release before this one. Raises LookupError where there is none, or more than one."""
    found = sorted(RELEASES.glob("*.zip"))
    if len(found) != 1:
        raise LookupError(
            f"{RELEASES} must hold one artefact, not {len(found)}: python -m tests.compatibility.freeze COMMIT"
        )
    return found[0]


def digest(path: Path) -> str:
    """Return the SHA-256 of an artefact, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_path(path: Path) -> Path:
    """Return where an artefact's digest stands."""
    return path.with_suffix(".zip.sha256")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility.freeze", description=__doc__)
    parser.add_argument("commit", help="the commit of the release that is stable now")
    path = freeze(parser.parse_args().commit)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes, SHA-256 {digest(path)}\n")


if __name__ == "__main__":
    main()
