"""Changes to the script that MiniStack's Lambda workers run; its text is pinned by the mends that change it."""

from __future__ import annotations


def replaced_once(script: str, old: str, new: str) -> str:
    """Replace a passage of a script that must occur exactly once."""
    found = script.count(old)
    if found != 1:
        raise ValueError(f"the worker script has {found} of: {old}")
    return script.replace(old, new)
