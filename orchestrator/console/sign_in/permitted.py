"""Who is permitted on the console, as the settings file says now: a person who is removed is signed out at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator import environments
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.domain.sign_in.settings import SignInSettings

Permitted = Callable[[], SignInSettings]
"""Returns the settings with the persons who are permitted now."""


class PermittedPersons:
    """The console's settings with the persons whom the settings file lists now.

    The file is read again when it has changed. Without the console's table no person is permitted. While the file cannot be
    read, for instance because it is being edited, the persons whom it listed last are. The client, its address and the
    length of a session stay those of the start.

    Args:
        file: the settings file.
        environment: its name in the file.
        settings: as they were read at the start.
    """

    def __init__(self, file: Path, environment: str, settings: SignInSettings) -> None:
        self._file, self._environment, self._settings = file, environment, settings
        self._seen: tuple[int, int, int] | None = None

    def __call__(self) -> SignInSettings:
        """Return the settings with the persons who are permitted now."""
        try:
            status = self._file.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                found = environments.load(self._environment, self._file).console
                viewers, operators = (found.viewers, found.operators) if found else ((), ())
                self._settings, self._seen = replace(self._settings, viewers=viewers, operators=operators), seen
        except (OSError, EnvironmentRefused):
            pass
        return self._settings
