"""docs/local-cloud.md names every mend that is installed, in order, and no other."""

import re
from pathlib import Path

from orchestrator.local.fidelity import MENDS

PAGE = Path(__file__).resolve().parents[3] / "docs/local-cloud.md"


def test_the_page_lists_the_mends_that_are_installed():
    section = PAGE.read_text().split("## Mends")[1].split("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == MENDS
