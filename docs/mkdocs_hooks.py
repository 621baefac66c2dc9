"""Hooks of MkDocs: files outside `docs/` that pages link to are parts of the site, too.

https://www.mkdocs.org/user-guide/configuration/#hooks
"""

# ruff: noqa: INP001 - MkDocs loads this file by its path
from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "project"
"""The folder of the site that has the files of the project."""

_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)(#[^)\s]*)?(\))")
_TOP_LINK = re.compile(r"(?<=\])\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
"""A link of a page at the top of the project."""


def outside(page: str, target: str) -> str:
    """Return the path of a link in the project, if it leads out of `docs/`; otherwise nothing.

    Args:
        page: of the page below `docs/`.
        target: of the link, without its anchor.
    """
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return "" if path.startswith(("docs/", "../")) or path == "docs" else path


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside `docs/`, and the program that draws the diagrams."""
    todo = {
        path
        for file in files.documentation_pages()
        for _, target, _, _ in _LINK.findall(file.content_string)
        if (path := outside(file.src_uri, target))
    }
    done: set[str] = set()
    while todo - done:
        path = min(todo - done)
        done.add(path)
        source = ROOT / path
        if not source.is_file():
            continue
        content = source.read_text(encoding="utf-8")
        if source.suffix == ".md":
            todo |= {link for link in _TOP_LINK.findall(content) if not link.startswith("docs/")}
            content = _TOP_LINK.sub(_inward, content)
        files.append(File.generated(config, f"{PREFIX}/{path}", content=content))
    mermaid = ROOT / ".venv-docs" / "mermaid.min.js"
    files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(mermaid)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links out of `docs/` to their place in the site."""
    here = posixpath.dirname(page.file.src_uri)

    def replaced(match: re.Match[str]) -> str:
        path = outside(page.file.src_uri, match[2])
        if not path:
            return match[0]
        if not (ROOT / path).is_file():  # a folder has no page: its name stays
            return match[0].replace(f"({match[2]}", f"({posixpath.relpath('README.md', here or '.')}")
        return f"{match[1]}{posixpath.relpath(f'{PREFIX}/{path}', here or '.')}{match[3] or ''}{match[4]}"

    return _LINK.sub(replaced, markdown)


def _inward(match: re.Match[str]) -> str:
    """Lead a link of a page at the top of the project to `docs/`, which is one folder above its copy."""
    path = match[1]
    if path.startswith("docs/"):
        return match[0].replace(f"({path}", f"(../{path.removeprefix('docs/')}", 1)
    return match[0] if (ROOT / path).is_file() else match[0].replace(f"({path}", "(README.md", 1)
