"""The command `init`: a new project, from the template of the settings and the answers to five questions."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from orchestrator import environments
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import Refused
from orchestrator.environments import project
from orchestrator.environments.toml_editor import with_value

WORKFLOW = Path(".github") / "workflows" / "deploy.yml"
WORKFLOW_TEMPLATE = Path(__file__).with_name("deploy_workflow.yml")
OTHER_COPY_REGION = "us-west-2"
"""Region of the copies of production's backups, if the environment itself is in the template's."""

AUDIENCES = ("operators", "security", "owners")
GITHUB_ENVIRONMENTS = {"staging": "staging", "prod": "production"}
"""The environments that a repository deploys to, with the names of the repository's own environments."""


@dataclass(frozen=True)
class Question:
    """A question whose answer differs from one project to the next.

    Attributes:
        name: of the option that answers it.
        text: the question.
        default: the answer to Enter, and with ``--yes``; empty for none.
    """

    name: str
    text: str
    default: str = ""


DEFAULT_REGION = "us-west-1"
QUESTIONS = (
    Question("region", "AWS region", DEFAULT_REGION),
    Question("account", "AWS account of production, 12 digits (Enter: the one of the credentials)"),
    Question("email", "E-mail address for alarms, security findings and budgets (Enter: none)"),
    Question("domain", "Domain of the service in production (Enter: the address of the API)"),
    Question(
        "repository", "GitHub repository that deploys: OWNER/NAME, or OWNER@ID/NAME@ID if it is new (Enter: none)"
    ),
)
HOSTED_ZONE = Question("hosted_zone_id", "Id of the Route 53 hosted zone of the domain, such as Z0123456789ABC")


def init(answers: Mapping[str, str], *, workflow: bool, ask: bool, json: bool) -> None:
    """Create the settings file, and a workflow if it is wanted.

    Args:
        answers: by the names of `QUESTIONS` and `HOSTED_ZONE`; those that were given as options.
        workflow: write the workflow even without a repository.
        ask: ask the questions that have no answer; otherwise take the defaults.
        json: print the paths as one JSON object.

    Raises:
        Refused: a file exists, or the settings would be invalid; nothing was written.
    """
    file = project.named_file() or Path.cwd() / project.NAME
    _refuse_existing(file)
    if ask:
        answers = answered(answers, lambda question: str(typer.prompt(question.text, default=question.default)))
    document = settings_of(answers)
    _refuse_invalid(document)
    written: dict[Path, str] = {file: document}
    if workflow or answers.get("repository"):
        _refuse_existing(file.parent / WORKFLOW)
        written[file.parent / WORKFLOW] = _workflow_of(answers)
    _write_all(written)
    if json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        console().print(f"wrote {path}", markup=False, soft_wrap=True)
    for line in next_steps(answers):
        console().print(line, markup=False, soft_wrap=True)


def _workflow_of(answers: Mapping[str, str]) -> str:
    """Return the workflow that deploys. Its default region is that of the settings."""
    workflow = WORKFLOW_TEMPLATE.read_text(encoding="utf-8")
    return workflow.replace(DEFAULT_REGION, answers.get("region") or DEFAULT_REGION)


def _write_all(written: Mapping[Path, str]) -> None:
    """Write all files, or none."""
    done: list[Path] = []
    try:
        for path, text in written.items():
            _write(path, text)
            done.append(path)
    except Refused:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def answered(answers: Mapping[str, str], prompt: Callable[[Question], str]) -> dict[str, str]:
    """Return the answers to all questions; `prompt` asks those that have none."""
    complete = dict(answers)
    for question in QUESTIONS:
        if question.name not in complete:
            complete[question.name] = prompt(question).strip()
    if complete["domain"] and HOSTED_ZONE.name not in complete:
        complete[HOSTED_ZONE.name] = prompt(HOSTED_ZONE).strip()
    return complete


def settings_of(answers: Mapping[str, str]) -> str:
    """Return the settings of a new project.

    Args:
        answers: by the names of `QUESTIONS` and `HOSTED_ZONE`; an absent or empty answer is the default.

    Raises:
        Refused: there is a domain without its hosted zone, or a hosted zone without its domain.
    """
    document = project.TEMPLATE.read_text(encoding="utf-8")
    if region := answers.get("region"):
        document = with_value(document, "defaults", "region", region)
        if f'copy_region = "{region}"' in document:
            document = with_value(document, "prod.backups", "copy_region", OTHER_COPY_REGION)
    if account := answers.get("account"):
        document = with_value(document, "prod", "account", account)
    if email := answers.get("email"):
        for audience in AUDIENCES:
            document = with_value(document, "defaults.contacts", audience, [email])
    domain, zone_id = answers.get("domain", ""), answers.get(HOSTED_ZONE.name, "")
    if domain or zone_id:
        document = _on_domain(document, domain, zone_id)
    else:
        for name in GITHUB_ENVIRONMENTS:
            document = _on_stage_address(document, name)
    if repository := answers.get("repository"):
        for name, github_environment in GITHUB_ENVIRONMENTS.items():
            document = with_value(document, f"{name}.pipeline", "repository", repository)
            document = with_value(document, f"{name}.pipeline", "github_environment", github_environment)
    return document


def next_steps(answers: Mapping[str, str]) -> list[str]:
    """Return what to do next, as lines."""
    lines = [
        "Try it on the local cloud: orchestrator up --detach, then deploy --watch, drill --watch and down.",
        "Before the first deployment to an account, set in [….service.platforms] where your users log in.",
    ]
    if answers.get("repository"):
        lines.append(
            "The settings let GitHub's jobs deploy to staging and prod. An account has one OIDC provider for GitHub: if "
            "it exists, or both are in one account, give its ARN as `provider` in [….pipeline]."
        )
    return lines


def _on_domain(document: str, domain: str, zone_id: str) -> str:
    if not domain:
        raise Refused("--hosted-zone-id", zone_id, "give --domain as well, whose zone it is")
    if not zone_id:
        raise Refused("--hosted-zone-id", zone_id, f"give the id of the Route 53 hosted zone that contains {domain}")
    _, _, parent = domain.partition(".")
    zone = parent if "." in parent else domain
    for name, host in (("prod", domain), ("staging", f"staging.{domain}")):
        for key, value in (("name", host), ("hosted_zone", zone), ("hosted_zone_id", zone_id)):
            document = with_value(document, f"{name}.api.domain", key, value)
    return document


def _on_stage_address(document: str, name: str) -> str:
    """Replace the environment's domain: its issuer is the address of the API's stage."""
    has_service_table = f"\n[{name}.service]\n" in document
    instead = "" if has_service_table else f'[{name}.service]\nissuer = "stage"\n'
    block = re.compile(rf"^\[{name}\.api\.domain\]\n(?:\w+ = .*\n)+", re.MULTILINE)
    document, replaced = block.subn(instead, document)
    assert replaced == 1, f"the template has no domain of {name}"
    return with_value(document, f"{name}.service", "issuer", "stage") if has_service_table else document


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise Refused("init", str(path), "it exists: edit it, or remove it first")


def _refuse_invalid(document: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / project.NAME
        file.write_text(document, encoding="utf-8")
        for name in environments.names(file):
            environments.load(name, file)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise Refused("init", str(path), f"it cannot be written: {error.strerror}") from error
