"""The documents lead somewhere: every link to a file, and every path that is named in backticks, exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for path in (
        ROOT / name for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split()
    )
    if path.name != "CHANGELOG.md"
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)")
NAMED = re.compile(r"`((?:orchestrator|service|state_machines|tests|docs|benchmarks|examples)/[\w./-]+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.strategy("Pre-deployment Checklist: Documentation updated", "Backup Strategy: Documentation copies")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_points_at_is_there(document):
    text = document.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if "://" not in link]
    gone = [link for link in links if not (document.parent / link).exists()]
    gone += [path for path in NAMED.findall(text) if not (ROOT / path).exists()]
    assert gone == []


def anchors_of(document: Path) -> set[str]:
    """Return the anchors that GitHub and the site give the headings of a page."""
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", document.read_text(encoding="utf-8"))
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#")) for line in re.findall(r"(?m)^#+ .+$", prose)]
    return {re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_anchor_that_a_document_links_is_a_heading(document):
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", document.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(((?!\w+:)[^)#\s]*)#([^)\s]+)\)", prose)
    pages = {link: document.parent / link if link else document for link, _ in links}
    assert [
        f"{link}#{anchor}"
        for link, anchor in links
        if pages[link].suffix == ".md" and pages[link].is_file() and anchor not in anchors_of(pages[link])
    ] == []


@pytest.mark.strategy("Scaling: Architecture evolution")
def test_every_decision_is_in_the_list_of_decisions():
    listed = set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in (ROOT / "docs/adr").glob("0*.md")}


@pytest.mark.strategy("Documentation: Security guidelines")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_leans_on_is_there(document):
    named = TEST.findall(document.read_text(encoding="utf-8"))
    assert [f"{path}::{name}" for path, name in named if not _defines(ROOT / path, name)] == []


def _defines(path, name):
    return path.is_file() and re.search(rf"^def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


RUNBOOKS = [
    document
    for document in DOCUMENTS
    if document.parent == ROOT / "docs/runbooks" and document.name not in {"alarms.md", "incident.md"}
]
"""Those of one situation: the list of alarms has both for each alarm, and the page of incidents defines them."""


@pytest.mark.parametrize("document", RUNBOOKS, ids=lambda path: path.name)
def test_a_runbook_says_how_severe_it_is_and_whom_to_call(document):
    text = document.read_text(encoding="utf-8")
    assert "**Severity:**" in text
    assert re.search(r"(?m)^## Escalation$", text)


def test_every_runbook_is_in_the_list_of_pages():
    listed = set(re.findall(r"\(runbooks/([\w-]+\.md)\)", (ROOT / "docs/README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in (ROOT / "docs/runbooks").glob("*.md")}


WIDTH = 100
GENERATED = {
    f"docs/reference/{name}.md"
    for name in (
        "access",
        "aws-errors",
        "cli",
        "controls",
        "parity",
        "permissions",
        "rehearsals",
        "strategy",
        "verdict",
    )
} | {"docs/reference/events/README.md"}
"""Pages that a program writes, or that hold its output."""
WRAPPED = [
    document
    for document in DOCUMENTS
    if (name := str(document.relative_to(ROOT))) == "README.md" or name.startswith("docs/")
    if name not in GENERATED and not name.startswith("docs/adr/")
]


@pytest.mark.parametrize("document", WRAPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_wrapped(document):
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", document.read_text(encoding="utf-8"))
    rows = ("|", "#", "<!--", "![", "[![")
    assert [line for line in prose.splitlines() if len(line) > WIDTH and not line.lstrip().startswith(rows)] == []
