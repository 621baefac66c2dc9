"""The words that are not used, in names and in prose. docs/reference/glossary.md defines the words that are."""

import ast
import io
import re
import subprocess
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("orchestrator", "service", "infrastructure", "state_machines", "cdk_app.py", "benchmarks", "tests")

PROSE = {
    # word: what to write
    "told": "reported, recorded, notified",
    "tells": "reports, shows",
    "whoever": "name the actor",
    "somebody": "name the actor",
    "nobody": "name the actor, or use none",
    "anybody": "name the actor",
    "rings": "fires, is in ALARM",
    "rang": "fired",
    "undone": "rolled back",
    "beside": "in addition to, next to",
    "mend": "patch, fix",
    "mended": "patched, fixed",
    "saboteur": "fault injection",
    "sabotage": "fault injection",
    "witnesses": "seeded grants",
    "receipts": "heartbeats",
    "levelling": "table sync",
    "intake": "event handler",
    "sweeper": "cleanup job",
}
"""Words that are not used in docs, docstrings and comments."""

NAMES = {
    **PROSE,
    "manager": "the noun of what it does",
    "helper": "the noun of what it does",
    "helpers": "the noun of what it does",
    "utils": "the noun of what it does",
    "mend": "patch",
    "mends": "patches",
    "intake": "event_handler",
    "witness": "seeded_grant",
    "witnesses": "seeded_grants",
    "sabotage": "fault",
    "saboteur": "fault_injector",
    "receipts": "heartbeats",
    "levelling": "sync",
    "doors": "table_access",
    "claim": "lock",
    "told": "message, description",
    "asked": "request, params",
    "given": "task_input, request, params",
}
"""Words that no name has among its parts, names of parameters, attributes, local variables and tests included."""

ALLOWED_NAMES = {
    "claim": (
        "service",
        "orchestrator/domain/sign_in",
        "tests/unit/oauth",
        "tests/unit/domain/sign_in",
    ),  # a JWT's claim (RFC 7519)
}
"""Where a name's word is the field's own: folders by word."""

ANY_PROSE, ANY_NAME = (re.compile("|".join(words), re.IGNORECASE) for words in (PROSE, NAMES))
"""A module without any of the words is not parsed."""

FIXED_NAMES = {
    "given_name",  # a claim of OpenID Connect
    "GIVEN_UP",  # a cause that the service's tables store
}


def documents() -> list[Path]:
    listed = subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


@cache
def modules() -> dict[str, dict[Path, str]]:
    """The modules of each folder and their text."""
    listed = subprocess.check_output(["git", "ls-files", *CODE], cwd=ROOT, text=True).split()
    found: dict[str, dict[Path, str]] = {}
    for module in (Path(name) for name in listed if name.endswith(".py") and (ROOT / name).is_file()):
        found.setdefault(f"{module.parent}", {})[module] = (ROOT / module).read_text(encoding="utf-8")
    return found


def prose_of(text: str) -> str:
    """The docstrings and comments of a module; text in double backticks or backticks is code."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    parts = [token.string for token in tokens if token.type == tokenize.COMMENT]
    parts.extend(
        node.value.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return "\n".join(parts)


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"(?s)```.*?```", "", text))


def unwanted(text: str) -> set[str]:
    return set(re.findall(rf"\b({'|'.join(PROSE)})\b", without_code(text).lower()))


def names_of(text: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_the_words_of_the_field(document):
    assert {word: PROSE[word] for word in unwanted(document.read_text(encoding="utf-8"))} == {}


@pytest.mark.parametrize("folder", sorted(modules()))
def test_docstrings_and_comments_use_the_words_of_the_field(folder):
    wrong = {
        f"{module.name}: {word}": PROSE[word]
        for module, text in modules()[folder].items()
        if ANY_PROSE.search(text)
        for word in unwanted(prose_of(text))
    }

    assert wrong == {}


@pytest.mark.parametrize("folder", sorted(modules()))
def test_names_use_the_words_of_the_field(folder):
    wrong = {
        f"{module.name}: {name}": NAMES[word]
        for module, text in modules()[folder].items()
        if ANY_NAME.search(text)
        for name in names_of(text) - FIXED_NAMES
        for word in words_of(name) & NAMES.keys()
        if not folder.startswith(ALLOWED_NAMES.get(word, ()))
    }

    assert wrong == {}


def test_the_check_finds_what_it_looks_for():
    assert unwanted("Whoever is told, undoes it: `told` is code") == {"whoever", "told"}
    assert words_of("HTTPServer_toldYou") == {"http", "server", "told", "you"}
    assert unwanted(prose_of('"""Nobody."""\nx = "told"  # it rang')) == {"nobody", "rang"}
    assert names_of("def test_told(asked): self.given = told = lambda nobody: 1") == {
        "test_told",
        "asked",
        "given",
        "told",
        "nobody",
    }
