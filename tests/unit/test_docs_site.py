"""The site of the documentation. `make docs` fails at a link or an anchor that leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_a_link_that_leads_nowhere_fails_the_build():
    assert re.search(r"^strict: true$", SETTINGS, re.MULTILINE)
    assert re.findall(r"^    (\w+): warn$", SETTINGS, re.MULTILINE) == [
        "not_found",
        "anchors",
        "absolute_links",
        "unrecognized_links",
    ]


def test_no_third_party_host_serves_a_part_of_the_site():
    assert "http" not in SETTINGS.partition("\ntheme:")[2]
    assert re.search(r"^  font: false", SETTINGS, re.MULTILINE)
    assert "extra_javascript: [assets/mermaid.min.js]" in SETTINGS


def test_the_program_of_the_diagrams_is_verified_by_its_hash():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^MERMAID_SHA256 := [0-9a-f]{64}$", makefile, re.MULTILINE)
    assert "sha256sum --check" in makefile
