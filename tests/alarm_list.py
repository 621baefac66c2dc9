"""The list of alarms in the runbook, as tests of templates and of the page read it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[1] / "docs/runbooks/alarms.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `([^`]+)` \| \[([a-z0-9-]+)\]\(#([a-z0-9-]+)\) \| SEV([123]) \| ([^|]+) \| (yes|no) \|$", re.MULTILINE
)
ROWS = ROW.findall(PAGE)
"""Name, section, anchor, level, whether it opens an incident, whether it can start a rollback."""
PLACEHOLDERS = {
    "{function}": "(?:authorize|token|public)",
    "{table}": "[a-z]+",
    "{handler}": "[a-z-]+",
    "{kind}": "(?:backup|copy|vault)",
}


def sections_of(name: str) -> set[str]:
    """Return the sections that the list has for an alarm, by its name without prefix and environment."""
    return {
        section
        for listed, section, *_ in ROWS
        if re.fullmatch(re.sub(r"\{\w+\}", lambda match: PLACEHOLDERS[match[0]], listed), name)
    }
