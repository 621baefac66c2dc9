"""The order of Python versions (PEP 440), as far as the ranges of advisories need it."""

from __future__ import annotations

import re

_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?"
    r"(?:[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?:[-_.]?dev[-_.]?(?P<dev>\d*))?"
    r"(?:\+[a-z0-9.]+)?",
    re.IGNORECASE,
)
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "preview": 2}
_FINAL, _DEV_OF_FINAL, _NEVER = 3, -1, 1 << 62

Order = tuple[int, tuple[int, ...], int, int, int, int]


def order_of(version: str) -> Order | None:
    """Return a value that orders versions as PEP 440 does; None if the text is no version."""
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    dev = match["dev"]
    pre, post = match["pre"], match["post"]
    stage = _STAGES[pre.lower()] if pre else (_DEV_OF_FINAL if dev is not None and not post else _FINAL)
    return (
        int(match["epoch"] or 0),
        tuple(release),
        stage,
        int(match["pre_number"] or 0) if pre else 0,
        int(match["post_number"] or 0) if post else -1,
        _NEVER if dev is None else int(dev or 0),
    )
