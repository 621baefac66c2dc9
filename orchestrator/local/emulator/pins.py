"""Pins: the internals of MiniStack that the patches rely on, with the digests of their sources.

A patch lists in ``PINNED`` each internal that it replaces or depends on, with its digest. Start-up verifies all pins
before it installs anything. An upgrade of MiniStack therefore cannot disable a patch unnoticed.

``python -m orchestrator.local.emulator NAME …`` prints the digests of the installed sources for a patch under review.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

MINISTACK_VERSION = "1.5.33"
DIGITS = 16
"""Hexadecimal digits of a digest."""


class PinMismatch(Exception):
    """MiniStack or one of its functions differs from what the patches were written for. Nothing was installed."""


def verify_version(expected: str = MINISTACK_VERSION, installed: Callable[[str], str] = version) -> None:
    """Verify that the installed MiniStack has the pinned version.

    Raises:
        PinMismatch: it has another version, or is not installed.
    """
    try:
        installed_version = installed("ministack")
    except PackageNotFoundError:
        installed_version = "none"
    if installed_version != expected:
        raise PinMismatch(
            f"ministack: expected version {expected}, found {installed_version}. "
            f"Install the locked dependencies (make install), or review every patch in "
            f"orchestrator/local/emulator against the new version and update the pin."
        )


def verify(pins_by_patch: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    """Verify the digest of every pinned internal.

    Args:
        pins_by_patch: pairs of a patch's name and its ``PINNED`` (dotted name of an internal -> digest of its source).

    Raises:
        PinMismatch: lists every difference.
    """
    broken = [
        f"{name} (used by the patch {patch}): expected {expected}, found {actual}"
        for patch, pins in pins_by_patch
        for name, expected in pins.items()
        if (actual := digest_or_reason(name)) != expected
    ]
    if broken:
        raise PinMismatch(
            "MiniStack's internals differ from what the patches were written for:\n  "
            + "\n  ".join(broken)
            + "\nInstall the locked dependencies (make install), or review the named patches against the new source "
            "and copy the new digests from `python -m orchestrator.local.emulator NAME …`."
        )


def digest(internal: object) -> str:
    """Return the first 64 bits of the SHA-256 (hex) of the source of a function or class, or of a string constant.

    They find a changed source, which is no attacker's. The rest would be 10 kB of the wheel.
    """
    source = internal if isinstance(internal, str) else inspect.getsource(internal)  # type: ignore[arg-type]
    return hashlib.sha256(source.encode()).hexdigest()[:DIGITS]


def resolve(name: str) -> Any:
    """Return the internal with a dotted name: the longest importable module, then attributes.

    Raises:
        LookupError: there is no such internal.
    """
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            internal: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(internal, attribute):
                raise LookupError(f"{name}: no {attribute}")
            internal = getattr(internal, attribute)
        return internal
    raise LookupError(f"{name}: no such module")


def digest_or_reason(name: str) -> str:
    """Return the digest of the internal with this name, or the reason why it has none."""
    try:
        return digest(resolve(name))
    except LookupError:
        return "nothing of that name"
    except (TypeError, OSError):
        return "no source"
