"""Files and folders that a command writes: they are tested before the command begins, and refused by their option."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from orchestrator.cli.usage import name_of
from orchestrator.domain.errors import Refused

FILE, FOLDER = "file", "folder"


def output_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Return the value of a parameter: a file to write. Its folder is created when the file is written.

    Raises:
        Refused: it cannot be written.
    """
    if path is not None:
        refuse_unwritable(name_of(parameter), path, FILE)
    return path


def output_folder(parameter: typer.CallbackParam, path: Path) -> Path:
    """Return the value of a parameter: a folder to write into, which is created if it is missing.

    Raises:
        Refused: it cannot be written.
    """
    refuse_unwritable(name_of(parameter), path, FOLDER)
    return path


def refuse_unwritable(option: str, path: Path, what: str) -> None:
    """Refuse a file or a folder that cannot be written or created. Writes nothing.

    Args:
        option: that names it.
        path: as it was given.
        what: `FILE` or `FOLDER`.

    Raises:
        Refused: it cannot be written.
    """
    with written(option, path, what):
        existing = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
        is_whole = existing == path.absolute()
        if existing.is_dir():
            if is_whole and what == FILE:
                raise _error(errno.EISDIR)
        elif not is_whole or what == FOLDER:
            raise _error(errno.ENOTDIR)
        if not os.access(existing, os.W_OK | (os.X_OK if existing.is_dir() else 0)):
            raise _error(errno.EACCES)


@contextmanager
def written(option: str, path: Path, what: str = FILE) -> Iterator[None]:
    """Refuse a file or a folder that cannot be written, as far as the system finds out while it is.

    Args:
        option: that names it.
        path: as it was given.
        what: `FILE` or `FOLDER`.

    Raises:
        Refused: in place of an error of the system.
    """
    try:
        yield
    except OSError as error:
        raise Refused(option, str(path), f"name a {what} that can be written ({error.strerror})") from error


def write(option: str, path: Path, content: bytes) -> None:
    """Write a file, and create its folder if it is missing.

    Raises:
        Refused: it cannot be written.
    """
    with written(option, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
