"""The workflows are what GitHub takes, call commands that exist, and keep no keys. GitHub itself does not run them here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from infrastructure.orchestrator.pipeline_roles import MAX_SESSION_HOURS
from orchestrator.cli.actions.project.init import WORKFLOW_TEMPLATE
from orchestrator.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), WORKFLOW_TEMPLATE]
ACTION = ROOT / "action.yml"
FORMS = [ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature", "aws_difference")]
ATTESTS = "actions/attest-build-provenance@"


def jobs(file):
    return yaml.safe_load(file.read_text())["jobs"]


def steps(file):
    if file == ACTION:
        return yaml.safe_load(file.read_text())["runs"]["steps"]
    return [step for job in jobs(file).values() for step in job.get("steps", [])]


def calls(file):
    """Each call of the command line in a workflow: the words of the command, and the options that it is given."""
    found = []
    for step in steps(file):
        script = step.get("run", "").replace("\\\n", " ")
        for line in script.splitlines():
            match = re.search(r"(?:^|[\s/(])orchestrator ((?:[a-z][a-z-]* )*[a-z][a-z-]*)", line)
            if match:
                found.append((match[1].split(), re.findall(r"(?<![\w-])(--[a-z-]+)", line)))
    return found


def test_there_are_workflows():
    assert [file.name for file in FILES] == [
        "check.yml",
        "compliance.yml",
        "release.yml",
        "ship.yml",
        "upkeep.yml",
        "deploy_workflow.yml",
    ]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", FILES),
        ("github-actions", [ACTION]),
        ("github-issue-forms", FORMS),
        ("github-issue-config", [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_github_s_schema_takes_all_files_of_a_kind(schema, files):
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", f"vendor.{schema}"]
    finished = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    assert files
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("file", [*FILES, ACTION], ids=lambda file: file.name)
def test_the_cdk_is_run_by_npx_because_node_modules_is_not_on_the_path(file):
    scripts = "\n".join(step.get("run", "") for step in steps(file))
    assert re.findall(r"(?<!npx )\bcdk [a-z]+\b.*", scripts) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_job_has_a_limit_of_time_and_no_more_rights_than_it_says(file):
    document = yaml.safe_load(file.read_text())
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 300
        assert set((job.get("permissions") or {}).values()) <= {"read", "write"}
        writes = [key for key, value in (job.get("permissions") or {}).items() if value == "write"]
        attests = any(step.get("uses", "").startswith(ATTESTS) for step in job.get("steps", []))
        opens_pull_requests = any("gh pr create" in step.get("run", "") for step in job.get("steps", []))
        allowed = [["contents", "pull-requests"]] if opens_pull_requests else [[], ["id-token"]]
        assert writes in ([["id-token", "attestations"]] if attests else allowed)


@pytest.mark.parametrize("file", [*FILES, ACTION], ids=lambda file: file.name)
def test_no_key_is_stored_and_no_input_is_put_into_a_script(file):
    text = file.read_text()
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    for step in steps(file):
        assert "${{" not in step.get("run", ""), "an expression in a script is a way in: hand it over by env"
        assert step.get("with", {}).get("persist-credentials", False) is False


def pinned():
    """Every use of an action: its name, its commit, and the version that the comment names."""
    line = re.compile(
        r"^\s*(?:- )?uses: (?P<action>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)$",
        re.MULTILINE,
    )
    return {file: [match.groups() for match in line.finditer(file.read_text())] for file in [*FILES, ACTION]}


def test_every_action_is_pinned_to_a_commit_whose_version_is_named():
    for file, found in pinned().items():
        used = [step["uses"] for step in steps(file) if "uses" in step]
        assert used == [f"{action}@{commit}" for action, commit, _ in found]


def test_an_action_is_the_same_commit_wherever_it_is_used():
    found = [pin for pins in pinned().values() for pin in pins]
    assert len({action for action, _, _ in found}) == len(set(found)) == 6


@pytest.mark.parametrize("file", [*FILES, ACTION], ids=lambda file: file.name)
def test_every_command_it_calls_is_there_with_its_options(file):
    for words, options in calls(file):
        command = get_command(app)
        for word in words:
            if word not in getattr(command, "commands", {}):
                break
            command = command.commands[word]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert command.name in words
        assert set(options) <= known, (words, options)


def test_the_action_refuses_another_command_before_it_runs_any():
    script = steps(ACTION)[-1]["run"]
    variables = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": "/nowhere", "COMMAND": "delete", "ENVIRONMENT": "dev"}
    github = {"GITHUB_ACTOR": "a", "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"}
    ended = subprocess.run(["bash", "-ec", script], env=variables | github, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "command: 'delete' is refused: give announce or deploy\n")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"COMMAND": "announce", "RELEASE": "build/releases/a b", "AFTER": "staging", "CHECKLIST_FILE": "c d.json"},
            ["release", "promote", "build/releases/a b", "--after", "staging", "--env", "prod", "--requested-by", "me",
             "--watch", "--idempotency-key", "run-7-1-prod", "--checklist-file", "c d.json"],
        ),
        (
            {"COMMAND": "deploy", "STRATEGY": "linear-10"},
            ["deploy", "--env", "prod", "--requested-by", "me", "--watch", "--idempotency-key", "run-7-1-prod",
             "--strategy", "linear-10"],
        ),
    ],
    ids=["announce", "deploy"],
)  # fmt: skip
def test_the_action_passes_its_inputs_on_as_one_word_each(tmp_path, variables, expected):
    command = tmp_path / "orchestrator" / "bin" / "orchestrator"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\nexit 1\n')
    command.chmod(0o755)
    github = {"GITHUB_ACTOR": "me", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1", "RUNNER_TEMP": str(tmp_path)}
    environ = {"PATH": "/usr/bin:/bin", "ENVIRONMENT": "prod", **github, **variables}
    ended = subprocess.run(
        ["bash", "-ec", steps(ACTION)[-1]["run"]], env=environ, capture_output=True, text=True, check=False
    )
    assert (ended.stdout.splitlines(), ended.returncode) == (expected, 1)


@pytest.mark.strategy("Deployment Steps: npm run cdk:deploy:prod", "Deployment Steps: npm run verify:prod")
def test_production_comes_after_staging_and_waits_for_people():
    found = jobs(ROOT / ".github/workflows/release.yml")
    assert found["staging"]["needs"] == "build"
    assert found["production"]["needs"] == "staging"
    assert found["production"]["with"]["after"] == "staging"
    assert found["production"]["with"]["approval"] == "production"
    called = [words for words, _ in calls(ROOT / ".github/workflows/ship.yml")]
    assert [" ".join(words) for words in called] == [
        "checklist",
        "check-quotas",
        "release sign",
        "release promote",
        "verify",
    ]


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"BEFORE": "42"}, ["--before", "build/before/r1/"]),
        ({"BEFORE": "", "ROLLBACK_PLAN": "remove the stacks"}, ["--rollback-plan", "remove the stacks"]),
        ({"BEFORE": ""}, []),
    ],
    ids=["a-later-release", "the-first-release", "the-first-release-of-staging"],
)
def test_the_first_release_ships_without_one_before_it(tmp_path, variables, options):
    inputs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())[True]["workflow_dispatch"]["inputs"]
    assert {name for name, one in inputs.items() if one["required"]} == {"security_review", "documentation"}
    steps_of_ship = steps(ROOT / ".github/workflows/ship.yml")
    (download,) = [step for step in steps_of_ship if step.get("with", {}).get("path") == "build/before/"]
    assert download["if"] == "inputs.before != ''"
    for folder in ("bin", ".venv/bin", "build/releases/r2", *(["build/before/r1"] if variables["BEFORE"] else [])):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    for name in ("orchestrator", "npx", "aws"):
        command = tmp_path / "bin" / name
        command.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
        command.chmod(0o755)
    (script,) = [step["run"] for step in steps_of_ship if step.get("name") == "Ship"]
    environ = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "ENVIRONMENT": "prod", "RUN": "run", "AFTER": "staging"}
    github = {"GITHUB_ACTOR": "me", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1"}
    ended = subprocess.run(
        ["bash", "-ec", script],
        env=environ | github | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    words = ended.stdout.split("check-quotas")[0].splitlines()
    assert words[words.index("evidence/oauth.json") + 1 :] == options


def test_both_wheels_are_built_attested_and_published_with_their_bill_of_materials():
    steps_of_wheel = jobs(ROOT / ".github/workflows/release.yml")["wheel"]["steps"]
    runs = [step.get("run", step.get("uses", "")).partition("@")[0] for step in steps_of_wheel]
    assert runs.index("make sbom && cp build/sbom.cdx.json dist/") < runs.index("actions/upload-artifact")
    (built,) = (run for run in runs if "make wheels" in run)
    attestation = runs.index("actions/attest-build-provenance")
    assert runs.index(built) < attestation < runs.index("actions/upload-artifact")
    assert steps_of_wheel[attestation]["with"]["subject-path"] == "dist/*.whl"
    assert steps_of_wheel[-1]["with"]["path"] == "dist/"


@pytest.mark.strategy("Regular Updates: Dependency updates")
def test_upkeep_reads_advisories_of_every_lock_keeps_its_report_and_opens_the_pull_request_for_locks():
    found = jobs(ROOT / ".github/workflows/upkeep.yml")
    assert yaml.safe_load((ROOT / ".github/workflows/upkeep.yml").read_text())[True]["schedule"] == [
        {"cron": "17 5 * * 1"}
    ]
    report = [step.get("run", "") for step in found["report"]["steps"]]
    assert report.index("make advisories") < next(n for n, run in enumerate(report) if "orchestrator upkeep" in run)
    assert next((words[0], options) for words, options in calls(ROOT / ".github/workflows/upkeep.yml")) == (
        "upkeep",
        ["--env", "--advisories", "--record", "--output", "--json"],
    )
    locks = "".join(step.get("run", "") for step in found["locks"]["steps"])
    assert "make lock UPGRADE=--upgrade" in locks
    assert "gh pr create" in locks


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_credentials_last_as_long_as_the_job_and_no_longer_than_the_role_allows(file):
    """Without a duration the action asks for an hour, and AWS refuses more than the role's maximum."""
    for job in jobs(file).values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
                seconds = step["with"]["role-duration-seconds"]
                assert job["timeout-minutes"] * 60 <= seconds <= MAX_SESSION_HOURS * 3600


def test_a_workflow_assumes_a_role():
    used = [step["uses"] for file in FILES for step in steps(file) if "uses" in step]
    assert any(action.startswith("aws-actions/configure-aws-credentials@") for action in used)


def test_compliance_is_checked_every_month_and_a_failing_control_fails_the_job():
    file = ROOT / ".github/workflows/compliance.yml"
    document = yaml.safe_load(file.read_text())
    (cron,) = document[True]["schedule"]  # YAML 1.1 reads `on` as true
    assert re.fullmatch(r"\d+ \d+ 1 \* \*", cron["cron"])
    (check,) = [step for step in steps(file) if "orchestrator compliance" in step.get("run", "")]
    assert "--record --trend" in check["run"]
    assert not check.get("continue-on-error")
    assert "||" not in check["run"]
    assert document["jobs"]["compliance"]["strategy"]["fail-fast"] is False
