"""Read the project's lock files, when they changed, and files of advisories."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.untrusted_json import decode_untrusted, quoted
from orchestrator.domain.upkeep.advisories import AdvisoryData, read_advisories
from orchestrator.domain.upkeep.dependencies import Lock, read_pins

DEPLOYED, TOOLS = "orchestrator/packaging", "requirements"
MOST_BYTES = 2_000_000_000
"""OSV's archive of PyPI has a few hundred megabytes; a larger one is none of it."""
_GIT_SECONDS = 10


def read_locks(sources: Path) -> tuple[tuple[Lock, ...], str]:
    """Return the lock files, and why the time of a change is unknown; empty if all are known.

    Args:
        sources: the folder of the packages. An installed wheel has the deployed locks only.
    """
    why_unknown = _why_unknown(sources)
    locks = tuple(
        Lock(
            path.relative_to(sources).as_posix(),
            folder == DEPLOYED,
            read_pins(path.read_text(encoding="utf-8")),
            None if why_unknown else _committed_at(path, sources),
        )
        for folder in (DEPLOYED, TOOLS)
        for path in sorted((sources / folder).glob("*.lock"))
    )
    return locks, why_unknown or "it is not committed"


def _why_unknown(sources: Path) -> str:
    if not (sources / ".git").exists():
        return "this is no clone"
    # A checkout sets the times of files, and a shallow clone has one commit for all of them.
    return "" if _git(sources, "rev-parse", "--is-shallow-repository") == "false" else "git does not have the history"


def _committed_at(path: Path, sources: Path) -> datetime | None:
    seconds = _git(sources, "log", "-1", "--format=%ct", "--", str(path))
    return datetime.fromtimestamp(int(seconds), UTC) if seconds else None


def _git(sources: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(sources), *arguments]
    # The arguments are ours.
    done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    return done.stdout.strip()


def read_advisory_files(files: Sequence[Path]) -> tuple[AdvisoryData, ...]:
    """Read files of advisories: JSON, or the zip archive of all entries that OSV publishes for PyPI.

    The data are as old as the file.

    Raises:
        Refused: a file cannot be read, or has no advisories in one of the forms.
    """
    return tuple(_read(file) for file in files)


def _read(file: Path) -> AdvisoryData:
    try:
        as_of = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        archive = zipfile.is_zipfile(file)
        content = list(_archived(file)) if archive else decode_untrusted(file.read_bytes())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Refused(
            "--advisories", str(file), f"give a readable JSON file or zip archive: {quoted(error)}"
        ) from error
    return read_advisories(content, file.name, as_of, whole_database=archive)


def _archived(file: Path) -> Iterator[Any]:
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".json")]
        if sum(member.file_size for member in members) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
        for member in members:
            yield decode_untrusted(archive.read(member))
