"""The glossary: each term has one entry, or one for each of its meanings, and the terms of the runbooks are there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]*\*\*[^|]*) \| (.+) \|$", PAGE, re.MULTILINE)
BOLD = re.compile(r"\*\*([^*]+)\*\*")
OF_THE_RUNBOOKS = {
    "reconciler", "lease", "assignment", "fence", "standby region", "home region", "assembly", "known grant",
    "backup plan", "live state", "managed client", "incident", "cutover", "failback", "drill", "gate", "ledger",
    "composite alarm", "rehearsal", "synthetic client", "synthetic identity",
}  # fmt: skip
"""Terms that an on-call engineer meets before there is time to read the architecture."""


def entries() -> list[str]:
    """Return every term that the page defines, with its subject in brackets if it has several meanings."""
    defined = []
    for term, meaning in ROWS:
        subject = re.search(r"\(([^)]+)\)", BOLD.sub("", term))
        defined += [f"{name} ({subject[1]})" if subject else name for name in BOLD.findall(term)]
        defined += BOLD.findall(meaning)
    return defined


def test_no_term_is_defined_twice():
    assert len(entries()) > 90
    assert [name for name, count in Counter(entries()).items() if count > 1] == []


def test_a_term_with_several_meanings_names_the_subject_of_each():
    alone = {name for name in entries() if "(" not in name}
    assert [name for name in entries() if "(" in name and name.partition(" (")[0] in alone] == []


def test_the_terms_of_the_runbooks_are_defined():
    assert {name for name in OF_THE_RUNBOOKS if name not in {entry.partition(" (")[0] for entry in entries()}} == set()
