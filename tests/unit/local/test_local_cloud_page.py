"""docs/reference/local-cloud.md names every patch that is installed, in order, and no other."""

import re
from pathlib import Path

from orchestrator.local.emulator import PATCHES

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/local-cloud.md"


def test_the_page_lists_the_patches_that_are_installed():
    section = PAGE.read_text().split("## Patches")[1].split("\n## ")[0]
    assert tuple(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)) == PATCHES
