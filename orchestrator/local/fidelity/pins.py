"""Pins: which of MiniStack's internals the mends rely on, and what they looked like when the mends were written.

A mend names each internal that it replaces or depends on, with the digest of its source, in its ``PINNED``. Start-up
verifies all pins before it installs anything, so an upgrade cannot quietly take a mend out of service.

``python -m orchestrator.local.fidelity NAME …`` prints the digests of what is installed, for a mend under review.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

MINISTACK_VERSION = "1.5.33"


class PinBroken(Exception):
    """MiniStack, or one of its functions, is not what the mends were written for. Nothing was installed."""


def verify_version(expected: str = MINISTACK_VERSION, installed: Callable[[str], str] = version) -> None:
    """Hold the installed MiniStack to the pinned version; raises PinBroken."""
    try:
        found = installed("ministack")
    except PackageNotFoundError:
        found = "none"
    if found != expected:
        raise PinBroken(
            f"ministack: expected version {expected}, found {found}. "
            f"Install the locked dependencies again (make install), or review every mend in "
            f"orchestrator/local/fidelity against the new version and move the pin."
        )


def verify(pins_by_mend: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    """Hold every pinned internal to its digest.

    Args:
        pins_by_mend: pairs of a mend's name and its ``PINNED``: dotted name of an internal -> digest of its source.

    Raises PinBroken, which lists every difference, not only the first one.
    """
    broken = [
        f"{name} (used by the mend {mend}): expected {expected}, found {found}"
        for mend, pins in pins_by_mend
        for name, expected in pins.items()
        if (found := digest_or_reason(name)) != expected
    ]
    if broken:
        raise PinBroken(
            "MiniStack's internals are not what the mends were written for:\n  "
            + "\n  ".join(broken)
            + "\nInstall the locked dependencies again (make install), or review the named mends against the new source "
            "and take the new digests from `python -m orchestrator.local.fidelity NAME …`."
        )


def digest(internal: object) -> str:
    """Return the SHA-256 (hex) of a function's or class's source, or of a string constant itself."""
    source = internal if isinstance(internal, str) else inspect.getsource(internal)  # type: ignore[arg-type]
    return hashlib.sha256(source.encode()).hexdigest()


def resolve(name: str) -> Any:
    """Return the internal that a dotted name means: the longest importable module, then attributes.

    Raises LookupError where there is none.
    """
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                raise LookupError(f"{name}: no {attribute}")
            found = getattr(found, attribute)
        return found
    raise LookupError(f"{name}: no such module")


def digest_or_reason(name: str) -> str:
    """Return the digest of the internal of that name, or in words why it has none."""
    try:
        return digest(resolve(name))
    except LookupError:
        return "nothing of that name"
    except (TypeError, OSError):
        return "no source"
