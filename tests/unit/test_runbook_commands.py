"""The commands that the pages print: `orchestrator` has them, with these options, and every shell can run them."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator import environments
from orchestrator.cli.main import app
from orchestrator.domain.deployment.policy import DeliveryPolicy

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"docs/reference/cli.md"}
"""Pages that are written from the command line itself."""
PAGES = sorted(
    name
    for name in subprocess.check_output(["git", "ls-files", "README.md", "docs/*.md"], cwd=ROOT, text=True).split()
    if name not in GENERATED and not name.startswith("docs/adr/")
)
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(orchestrator [a-z][^`]*)`")
NOT_PORTABLE = {
    r"\bdate\b[^|;)\n]*\s(?:-d|--date|-v)\b": "shell arithmetic on $(date +%s)",
    r"\bsed\s+-i": "sed to another file, then mv",
    r"\bgrep\s+-[A-Za-z]*P": "grep -E",
    r"\bxargs\b[^|\n]*\s(?:-r|--no-run-if-empty)\b": "a for loop",
    r"\breadlink\s+-f|\brealpath\b": "cd and pwd",
    r"\bbase64\s+(?:-w|--wrap)": "base64 | tr -d '\\n'",
    r"\bstat\s+(?:-c|-f|--format)": "ls or wc",
    r"\bsort\s+-V": "sort -n on a field",
    r"\b(?:tac|timeout|nproc|seq)\s": "a POSIX utility",
}
"""What only GNU's tools or only BSD's have, to what every shell has."""


def blocks_of(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in BLOCK.findall(text)]


def commands_of(page: str) -> list[str]:
    """Return the `orchestrator` commands of a page, in blocks and in the text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [line.strip() for block in blocks_of(page) for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
    found += [re.sub(r"\s+", " ", command) for command in INLINE.findall(FENCED.sub("", text))]
    alone = [re.split(r"\s#\s|\s(?:\|\||&&|[|;])\s", command)[0] for command in found]
    return [command for command in alone if command.startswith("orchestrator ")]


def mistakes(command: str) -> Iterator[str]:
    """Yield what `orchestrator` does not have of a command."""
    lexer = shlex.shlex(command, posix=True)
    lexer.whitespace_split = True
    _, *words = list(lexer)
    node, takes_value = get_command(app), False
    for word in words:
        if takes_value:
            takes_value = False
        elif word.startswith("--"):
            name, _, value = word.partition("=")
            options = {
                option: parameter
                for parameter in node.params
                for option in (*parameter.opts, *parameter.secondary_opts)
            }
            if name not in options:
                yield f"{command}: no option {name}"
            else:
                takes_value = not value and not getattr(options[name], "is_flag", False)
        elif subcommands := getattr(node, "commands", {}):
            # `list|show` names several commands.
            missing = [name for name in word.split("|") if name not in subcommands]
            if not missing:
                node = subcommands[word.split("|")[0]]
            elif not getattr(node, "invoke_without_command", False) or word.islower():
                yield f"{command}: no command {', '.join(missing)}"
                return


@pytest.mark.parametrize("page", PAGES)
def test_the_command_line_has_every_command_that_a_page_prints(page):
    assert [mistake for command in commands_of(page) for mistake in mistakes(command)] == []


BARE_CDK = re.compile(r"(?<!npx )\bcdk (?:bootstrap|deploy|destroy|diff|import|list|ls|synth)\b")
"""The CDK's command line is in node_modules, which no shell has on its PATH."""
WRITTEN_BY_PROGRAMS = {f"docs/reference/{name}.md" for name in ("controls", "rehearsals", "strategy")}


def without_titles(text: str) -> str:
    """Return a page without its headings and the texts of its links, which name what no reader types."""
    text = re.sub(r"\s+", " ", re.sub(r"(?m)^#+ .*$", "", text))
    return re.sub(r"\[[^\]]*\]\(", "(", text)


@pytest.mark.parametrize("page", sorted({*PAGES, "CONTRIBUTING.md"} - WRITTEN_BY_PROGRAMS))
def test_a_page_runs_the_cdk_by_npx(page):
    assert BARE_CDK.findall(without_titles((ROOT / page).read_text(encoding="utf-8"))) == []


def literals_of(source: Path) -> Iterator[str]:
    """Yield the string literals of a module apart from docstrings, which are printed nowhere."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_text_of_the_orchestrator_runs_the_cdk_without_npx():
    """A remedy is copied into a shell, whichever command or check prints it."""
    sources = sorted((ROOT / "orchestrator").rglob("*.py"))
    bare = {
        f"{source.relative_to(ROOT)}: {text}"
        for source in sources
        for text in literals_of(source)
        if BARE_CDK.search(text)
    }

    assert len(sources) > 100
    assert bare == set()


def deployments_of(page: str) -> list[str]:
    """Return the commands of a page that deploy to production."""
    return [
        command
        for command in commands_of(page)
        if command.startswith("orchestrator deploy ") and "--env prod" in command
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_deployment_to_production_brings_the_checklist(page):
    """Production refuses one without: nothing would be deployed."""
    assert [command for command in deployments_of(page) if "--checklist" not in command] == []


@pytest.mark.parametrize("page", [page for page in PAGES if deployments_of(page) and "runbooks" in page])
def test_a_runbook_that_deploys_leads_to_what_the_checklist_is(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "before-you-run-orchestrator-deploy" in text or "## Before you run `orchestrator deploy`" in text


@pytest.mark.parametrize("page", [page for page in PAGES if "/runbooks/" in page])
def test_a_rollback_of_a_runbook_names_its_deployment_or_its_versions(page):
    """Without either it is of the newest deployment that shifted traffic, which may be the healthy one of last week.

    Versions are named of all functions: one that is not named stays, perhaps with another release.
    """
    found = [
        command for command in commands_of(page) if command.startswith("orchestrator rollback ") and "--env" in command
    ]
    named = re.compile(
        r"orchestrator rollback (?:(?:ID|\$DEPLOYMENT) (?!.*--to )|--to (?=\S*token=)(?=\S*public=)\S*authorize=)"
    )
    assert [command for command in found if not named.match(command)] == []


def test_the_complete_deployment_has_every_item_of_production_s_checklist():
    (complete,) = [command for command in deployments_of("docs/runbooks/alarms.md") if "--strategy" not in command]
    required = DeliveryPolicy.parse(environments.load("prod").delivery).checklist
    assert required
    assert re.findall(r"--checklist (\w+)=", complete) == list(required)


def test_the_console_s_page_names_commands_that_exist():
    text = (ROOT / "docs/guides/console.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\|.*command.*\|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    named = [
        name for table in tables for row in table.splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[3])
    ]
    assert len(named) > 15
    commands = [name if name.startswith("orchestrator ") else f"orchestrator {name}" for name in named]
    assert [mistake for command in commands for mistake in mistakes(command)] == []


def test_the_remedies_in_the_code_name_commands_that_exist():
    sources = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "orchestrator").rglob("*.py")))
    named = {found.strip() for found in re.findall(r"[\"`](orchestrator(?: [a-z][a-z-]+)+)\b", sources)}
    assert len(named) > 50
    assert [mistake for command in sorted(named) for mistake in mistakes(command)] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_block_of_commands_runs_in_every_shell(page):
    for block in blocks_of(page):
        found = {pattern: remedy for pattern, remedy in NOT_PORTABLE.items() if re.search(pattern, block)}
        assert found == {}, block
        parsed = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
        assert parsed.returncode == 0, f"{parsed.stderr}\n{block}"


def test_the_checks_find_what_they_look_for():
    assert list(mistakes("orchestrator keys list --env prod"))
    assert list(mistakes("orchestrator status --environment prod"))
    assert list(mistakes("orchestrator failover plan|fly")) == ["orchestrator failover plan|fly: no command fly"]
    assert list(mistakes("orchestrator failover plan --env prod")) == []
    assert re.search(next(iter(NOT_PORTABLE)), "echo $(date -d '1 hour ago' +%s)")
    assert not re.search(next(iter(NOT_PORTABLE)), "date +%s; cut -d: -f1")
