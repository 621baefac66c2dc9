"""The project: the folder of the settings file. It is found as cargo finds a manifest, in the nearest parent folder.

The state of the local cloud (``.local``) and everything that is built (``build``) belong to the project, so a command
does the same in every folder of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.domain.schema import EnvironmentRefused

NAME = "environments.toml"
VARIABLE = "ORCHESTRATOR_SETTINGS"
"""Names a settings file. `orchestrator --settings` sets it for one command and the processes that it starts."""

TEMPLATE = Path(__file__).with_name("template.toml")
"""The settings that `orchestrator init` starts from: in a clone a link to its own `environments.toml`."""


def settings_file() -> Path:
    """Return the settings file: the one that `VARIABLE` names, or that of the nearest folder that has one.

    Raises:
        EnvironmentRefused: there is none. The error names the folders that were searched.
    """
    if file := named_file():
        if not file.is_file():
            raise EnvironmentRefused("--settings", str(file), f"name an existing file, also in {VARIABLE}")
        return file
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / NAME).is_file():
            return folder / NAME
    remedy = "create it there with `orchestrator init`, or name another file with --settings FILE"
    raise EnvironmentRefused(NAME, f"not in {here} or a folder above it", remedy)


def named_file() -> Path | None:
    """Return the file that `VARIABLE` names; None if it is not set. An empty value is not set."""
    named = os.environ.get(VARIABLE, "").strip()
    return Path(named).resolve() if named else None


def root() -> Path:
    """Return the project's folder.

    Raises:
        EnvironmentRefused: there is no settings file.
    """
    return settings_file().parent


def local_folder() -> Path:
    """Return the folder of the local cloud's state, with the errors of `root`."""
    return root() / ".local"


def build_folder() -> Path:
    """Return the folder of what is built: assets, assemblies and releases, with the errors of `root`."""
    return root() / "build"


@contextmanager
def selected(file: Path | None) -> Iterator[None]:
    """Name a settings file for a while, also for the processes that are started meanwhile; None changes nothing."""
    former = os.environ.get(VARIABLE)
    if file is not None:
        os.environ[VARIABLE] = str(file.resolve())
    try:
        yield
    finally:
        if former is not None:
            os.environ[VARIABLE] = former
        else:
            os.environ.pop(VARIABLE, None)
