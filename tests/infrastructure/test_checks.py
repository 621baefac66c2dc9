"""The templates before three other judges: cdk-nag, cfn-lint, and a machine that has nothing."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

import environments
from orchestrator.local.refused_types import REFUSED
from orchestrator.local.stacks import NODE
from tests.infrastructure.templates import synthesise

ROOT = environments.FILE.parent

NOT_LINTED = {
    "W3005": "CDK writes DependsOn beside a GetAtt that says the same",
}


def violations(folder: Path) -> list[tuple[str, str]]:
    report = json.loads((folder / "validation-report.json").read_bytes())
    (nag,) = [found for found in report["pluginReports"] if found["pluginName"] == "AwsSolutions"]
    return [
        (found["ruleName"], construct["constructPath"])
        for found in nag["violations"]
        for construct in found["violatingConstructs"]
    ]


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_aws_solutions_finds_nothing_that_is_not_explained(tmp_path, name):
    one = synthesise(
        tmp_path, environments.load(name), prepare=lambda app: Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    )

    assert violations(one.folder) == []


def test_aws_solutions_would_find_something(tmp_path):
    from aws_cdk import aws_sqs as sqs

    def add_a_queue_without_a_dead_letter_queue(app):
        sqs.Queue(app.node.find_child("ib-oauth-orchestrator-dev"), "Careless")
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))

    with pytest.raises(Exception, match="validation"):
        synthesise(tmp_path, environments.load("dev"), prepare=add_a_queue_without_a_dead_letter_queue)

    assert {rule for rule, path in violations(tmp_path / "assembly") if "Careless" in path} >= {"AwsSolutions-SQS4"}


@pytest.mark.parametrize("name", ["local", "prod"])
def test_cfn_lint_finds_nothing(synthesised, name):
    one = synthesised(name)
    command = [
        *(Path(sys.executable).with_name("cfn-lint"), "--regions", "us-west-1", "--ignore-checks", *NOT_LINTED, "--"),
        *one.files,
    ]

    finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)

    assert (finished.stdout, finished.returncode) == ("", 0)


def listed_as_left_out() -> dict[str, int]:
    """What docs/local-cloud.md says is left out of the local stacks, by type."""
    page = (ROOT / "docs" / "local-cloud.md").read_text()
    (section,) = [part for part in page.split("\n## ") if part.startswith("Left out of the local stacks")]
    return {kind: int(count) for kind, count in re.findall(r"^\| `(AWS::\S+)` \| (\d+) \|", section, re.MULTILINE)}


def test_the_local_cloud_is_given_everything_but_what_it_refuses(local, synthesised):
    def kinds(one) -> Counter:
        return Counter(resource["Type"] for stack in one.all for resource in stack["Resources"].values())

    left_out = kinds(synthesised("dev")) - kinds(local)

    assert left_out == listed_as_left_out()
    assert all(kind.startswith(REFUSED) for kind in left_out)
    assert not kinds(local) - kinds(synthesised("dev"))


def test_nothing_refused_is_in_a_local_template(local):
    for template in local.all:
        assert not [
            kind for kind in (one["Type"] for one in template["Resources"].values()) if kind.startswith(REFUSED)
        ]


def test_synthesis_needs_no_credentials_no_docker_and_no_network(tmp_path):
    nothing = {
        "PATH": "",
        "HOME": str(tmp_path),
        "JSII_NODE": str(NODE),
        "CDK_OUTDIR": str(tmp_path / "assembly"),
        "CDK_CONTEXT_JSON": json.dumps({"environment": "local"}),
        # Whoever tries to reach something fails, at once.
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    }
    assert not [key for key in nothing if key.startswith("AWS")]

    finished = subprocess.run(
        [sys.executable, str(ROOT / "cdk_app.py")], env=nothing, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stderr
    assert sorted(file.name for file in (tmp_path / "assembly").glob("*.template.json")) == [
        "ib-oauth-backups-local.template.json",
        "ib-oauth-monitoring-local.template.json",
        "ib-oauth-orchestrator-local.template.json",
        "ib-oauth-security-local.template.json",
        "ib-oauth-stack-local.template.json",
    ]


def test_an_unknown_environment_is_refused_by_name(tmp_path):
    environ = {
        **os.environ,
        "JSII_NODE": str(NODE),
        "CDK_OUTDIR": str(tmp_path),
        "CDK_CONTEXT_JSON": '{"environment": "moon"}',
    }

    finished = subprocess.run(
        [sys.executable, str(ROOT / "cdk_app.py")], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert finished.returncode != 0
    assert "environment: 'moon' is refused: name one of dev, staging, prod, local" in finished.stderr
