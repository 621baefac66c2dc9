"""The glossary: short, and readable from top to bottom. Every other term is defined on the page of its subject."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
GLOSSARY = DOCS / "reference/glossary.md"
RUNBOOKS = sorted((DOCS / "runbooks").glob("*.md"))

BOLD = re.compile(r"\*\*([^*]+)\*\*")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SUBJECT = re.compile(r" \([^)]+\)$")

OF_NEWCOMERS = {"blue/green", "canary", "canary analysis", "fencing token"}
"""Terms that a newcomer looks for first."""

OF_THE_RUNBOOKS = {
    "reconciler", "lease", "assignment", "fence", "standby region", "home region", "assembly", "known grant",
    "backup plan", "live state", "managed client", "incident", "cutover", "failback", "drill", "gate", "ledger",
    "composite alarm", "rehearsal", "synthetic client", "synthetic identity",
    "access block", "attestation", "chain entry", "check result", "cleanup job", "closing", "configuration snapshot",
    "configured client", "cross-region backup", "disposition", "evidence chain", "key ring", "late write",
    "recovery point", "refresh token family", "revocation epoch", "rollback window", "seeded grant", "standing grant",
    "table sync", "upstream identity provider", "way back",
}  # fmt: skip
"""Terms that an on-call engineer meets before there is time to read the architecture."""

EXCUSED: set[tuple[str, str]] = set()
"""Pairs of a row and a term of a row below it that the row may use, each with its reason. There are none."""


class Row(NamedTuple):
    """A row of the glossary: the terms that it defines and their meaning."""

    terms: tuple[str, ...]
    meaning: str


def rows_of(page: str) -> list[Row]:
    found = re.findall(r"^\| ([^|]*\*\*[^|]*) \| (.+) \|$", page, re.MULTILINE)
    return [Row(tuple(BOLD.findall(term)), meaning) for term, meaning in found]


def elsewhere(page: str) -> dict[str, list[Path]]:
    """Return the terms of the table of subjects, each with the pages that are to define it."""
    found: dict[str, list[Path]] = {}
    for pages, terms in re.findall(r"^\| (\[[^|]+) \| ([^|]+) \|$", page, re.MULTILINE):
        linked = [(GLOSSARY.parent / link).resolve() for link in LINK.findall(pages)]
        found |= {term.strip(): linked for term in terms.split(",")}
    return found


def prose(markdown: str) -> str:
    """Return a text without code, without the targets of links, and without names of steps and actions, such as FENCE."""
    text = re.sub(r"(?s)```.*?```|\b[A-Z]{2}[A-Z_]+\b", "", markdown)
    return " ".join(re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "", text)).split())


def uses(markdown: str, term: str) -> bool:
    """Whether a text has a term, in the singular or the plural."""
    stem, ending = (term[:-1], "(?:y|ies)") if term.endswith("y") else (term, "(?:s|es)?")
    return re.search(rf"(?<![\w-]){re.escape(stem)}{ending}(?![\w-])", prose(markdown), re.IGNORECASE) is not None


@cache
def definitions(page: Path) -> str:
    """Return what a page has in bold or in the first cell of a table's row, its header excepted; one a line."""
    text = page.read_text(encoding="utf-8")
    bold = [" ".join(words.split()) for words in BOLD.findall(re.sub(r"(?s)```.*?```", "", text))]
    cells = re.findall(r"^\| ([^|`]+?) \|.*$(?!\n\|-)", text, re.MULTILINE)
    return "\n".join(words.strip("*.") for words in [*bold, *cells])


def defines(page: Path, term: str) -> bool:
    """Whether a bold text or a first cell of a page is a term, with at most one word before it."""
    stem, ending = (term[:-1], "(?:y|ies)") if term.endswith("y") else (term, "s?")
    return re.search(rf"(?im)^(?:\w+ )?{re.escape(stem)}{ending}$", definitions(page)) is not None


def linked_from(page: Path) -> list[Path]:
    """Return the pages of ours that a page links to."""
    links = [(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))]
    return [link for link in links if link.suffix == ".md" and link.is_file() and link != GLOSSARY]


def used_too_early(rows: list[Row]) -> set[tuple[str, str]]:
    """Return the pairs of a row and a term that it uses although it is defined further below, or by the row itself."""
    return {
        (row.terms[0], term)
        for number, row in enumerate(rows)
        for later in rows[number:]
        for term in later.terms
        if uses(row.meaning, term)
    }


PAGE = GLOSSARY.read_text(encoding="utf-8")
ROWS = rows_of(PAGE)
TERMS = [term for row in ROWS for term in row.terms]
ELSEWHERE = elsewhere(PAGE)


def test_the_page_is_short_enough_to_be_read():
    assert 30 <= len(ROWS) <= 40
    assert len(TERMS) <= 45


def test_no_term_is_defined_twice():
    assert [term for term, count in Counter([*TERMS, *ELSEWHERE]).items() if count > 1] == []


def test_a_term_with_several_meanings_names_the_subject_of_each():
    assert [term for term in ELSEWHERE if SUBJECT.sub("", term) != term and SUBJECT.sub("", term) in TERMS] == []


def test_a_meaning_defines_no_further_terms():
    assert {term for row in ROWS for term in BOLD.findall(row.meaning)} - set(TERMS) == set()


def test_a_row_uses_only_terms_of_the_rows_above_it():
    assert used_too_early(ROWS) - EXCUSED == set()
    assert EXCUSED - used_too_early(ROWS) == set()


def test_a_term_that_is_used_too_early_is_found():
    early = "| **alias** | Points at `versions` or [versions](versions.md). |\n| **version** | Code. |\n"
    family = "| **login** | Begins families. |\n| **family** | Tokens. |\n"
    itself = "| **bake** | To bake. |\n"
    right = "| **version** | Published code. |\n| **alias** | Points at a version, not a [`x`](alias.md). |\n"

    assert used_too_early(rows_of(early)) == {("alias", "version")}
    assert used_too_early(rows_of(family)) == {("login", "family")}
    assert used_too_early(rows_of(itself)) == {("bake", "bake")}
    assert used_too_early(rows_of(right)) == set()


def test_what_a_newcomer_looks_for_is_there():
    assert OF_NEWCOMERS - set(TERMS) == set()


@pytest.mark.parametrize("term", sorted(ELSEWHERE))
def test_the_page_of_its_subject_defines_a_term(term):
    assert [page.name for page in ELSEWHERE[term] if defines(page, SUBJECT.sub("", term))] != []


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.name)
def test_the_terms_of_a_runbook_are_in_the_glossary_or_defined_where_it_links_to(runbook):
    text = runbook.read_text(encoding="utf-8")
    used = {term for term in OF_THE_RUNBOOKS - set(TERMS) if uses(text, term)}
    pages = [runbook, *linked_from(runbook)]

    assert {term for term in used if not any(defines(page, term) for page in pages)} == set()


def test_every_term_of_the_runbooks_is_defined_somewhere():
    everywhere = [page for page in DOCS.rglob("*.md") if page.is_file()]
    assert {
        term for term in OF_THE_RUNBOOKS - set(TERMS) if not any(defines(page, term) for page in everywhere)
    } == set()
