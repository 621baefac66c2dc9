"""The templates before three other judges: cdk-nag, cfn-lint, and a machine that has nothing."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.orchestrator.local_overrides import UNSUPPORTED_TYPES
from infrastructure.security.nag_suppressions import SUPPRESSIONS, applies_to
from orchestrator import environments
from orchestrator.local.cdk_deploy import NODE
from tests.infrastructure.rule_packs import add_packs, violations
from tests.infrastructure.templates import synthesise

ROOT = environments.settings_file().parent

NOT_LINTED = {
    "W3005": "CDK writes DependsOn beside a GetAtt that says the same",
}


ACCOUNTS = [
    pytest.param(name, marks=pytest.mark.repeated) if name == "staging" else name
    for name in environments.names()
    if not environments.load(name).local
]
"""Staging's templates are prod's with other numbers. The local ones are dev's without what the local cloud refuses, which a
test below counts."""

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"


@pytest.mark.strategy("Pre-deployment Checklist: Security review completed")
@pytest.mark.parametrize("name", ACCOUNTS)
def test_packs_of_rules_find_nothing_that_is_not_explained(synthesised, name):
    one = synthesised(name)

    assert violations(one.folder) == []


def test_both_packs_would_find_something(tmp_path):
    from aws_cdk import aws_dynamodb as dynamodb

    def add_a_table_that_is_not_recoverable(app):
        key = dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING)
        dynamodb.Table(app.node.find_child("ib-oauth-monitoring-dev"), "Careless", partition_key=key)
        add_packs(app)

    with pytest.raises(Exception, match="validation"):
        synthesise(tmp_path, environments.load("dev"), prepare=add_a_table_that_is_not_recoverable)

    found = {rule for rule, path in violations(tmp_path / "assembly") if "Careless" in path}
    assert found >= {"AwsSolutions-DDB3", "NIST.800.53.R5-DynamoDBPITREnabled"}


def checkov(*files: Path) -> dict[str, list[tuple[str, str]]]:
    """Check and resource of what checkov finds and of what it is configured to skip; it sends no request."""
    assert CHECKOV.exists(), "install it with `make scanner`"
    command = [str(CHECKOV), "--framework", "cloudformation", "--skip-download", "--compact", "-o", "json"]
    file_options = [part for file in files for part in ("-f", str(file))]
    finished = subprocess.run([*command, *file_options], capture_output=True, text=True, check=False)
    (report,) = [json.loads(finished.stdout)]
    assert report["summary"]["parsing_errors"] == 0
    results = report["results"]
    return {
        kind: [(one["check_id"], one["resource"]) for one in results[f"{kind}_checks"]]
        for kind in ("passed", "failed", "skipped")
    }


CARELESS = {
    "Resources": {
        "Careless": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "careless"}},
        "Explained": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {"TableName": "explained"},
            "Metadata": {"checkov": {"skip": [{"id": "CKV_AWS_28", "comment": "a reason"}]}},
        },
    }
}


def test_checkov_finds_nothing_that_is_not_explained_and_would_find_something(prod, tmp_path):
    careless = tmp_path / "careless.template.json"
    careless.write_text(json.dumps(CARELESS))

    found = checkov(*prod.files, careless)

    assert len(found["passed"]) > 500
    assert {(check, one) for check, one in found["failed"] if not one.endswith((".Careless", ".Explained"))} == set()
    assert ("CKV_AWS_28", "AWS::DynamoDB::Table.Careless") in found["failed"]
    assert ("CKV_AWS_28", "AWS::DynamoDB::Table.Explained") in found["skipped"]
    assert {check for check, _ in found["skipped"]} == {check for row in SUPPRESSIONS for check in row.checkov} | {
        "CKV_AWS_28"
    }


def placed(node: dict) -> Iterator[tuple[str, str]]:
    """Type and path of every resource in the tree that CDK leaves next to the templates."""
    kind = node.get("attributes", {}).get("aws:cdk:cloudformation:type")
    if kind:
        yield kind, node["path"]
    for child in node.get("children", {}).values():
        yield from placed(child)


def test_every_accepted_finding_has_a_reason_and_something_that_it_is_accepted_for(synthesised):
    found = {
        name: list(placed(json.loads((synthesised(name).folder / "tree.json").read_bytes())["tree"]))
        for name in ("dev", "prod")
    }

    assert all(len(resources) > 300 for resources in found.values())
    for row in SUPPRESSIONS:
        assert len(row.reason) > 20
        assert row.nist or row.checkov
        assert any(
            row.when(environments.load(name)) and applies_to(row, kind, path, name)
            for name, resources in found.items()
            for kind, path in resources
        ), row


def test_what_is_accepted_for_a_setting_is_not_accepted_without_it():
    by_rule = {rule: row.when for row in SUPPRESSIONS for rule in row.nist}
    settings = {
        name: [
            by_rule[rule](environments.load(name)) for rule in ("CloudWatchLogGroupEncrypted", "S3DefaultEncryptionKMS")
        ]
        for name in environments.names()
    }
    assert settings == {"dev": [True, True], "staging": [False, False], "prod": [False, False], "local": [False, False]}


@pytest.mark.parametrize("name", [pytest.param("local", marks=pytest.mark.repeated), "prod"])
def test_cfn_lint_finds_nothing(synthesised, name):
    one = synthesised(name)
    command = [
        *(Path(sys.executable).with_name("cfn-lint"), "--regions", "us-west-1", "--ignore-checks", *NOT_LINTED, "--"),
        *one.files,
    ]

    finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)

    assert (finished.stdout, finished.returncode) == ("", 0)


def listed_as_left_out() -> dict[str, int]:
    """What docs/reference/local-cloud.md says is left out of the local stacks, by type."""
    page = (ROOT / "docs" / "reference" / "local-cloud.md").read_text()
    (section,) = [part for part in page.split("\n## ") if part.startswith("Left out of the local stacks")]
    return {kind: int(count) for kind, count in re.findall(r"^\| `(AWS::\S+)` \| (\d+) \|", section, re.MULTILINE)}


def test_the_local_cloud_gets_everything_but_what_it_refuses(local, synthesised):
    def kinds(one) -> Counter:
        return Counter(resource["Type"] for stack in one.all for resource in stack["Resources"].values())

    left_out = kinds(synthesised("dev")) - kinds(local)

    assert left_out == listed_as_left_out()
    assert all(kind.startswith(UNSUPPORTED_TYPES) for kind in left_out)
    # The local environment has customer managed keys, as prod has, and dev has none.
    assert set(kinds(local) - kinds(synthesised("dev"))) == {"AWS::KMS::Alias", "AWS::KMS::Key"}


def test_nothing_refused_is_in_a_local_template(local):
    for template in local.all:
        assert not [
            kind
            for kind in (one["Type"] for one in template["Resources"].values())
            if kind.startswith(UNSUPPORTED_TYPES)
        ]


@pytest.mark.strategy("Development Environment: Stack Name: ib-oauth-stack-dev")
def test_synthesis_needs_no_credentials_no_docker_and_no_network(tmp_path):
    nothing = {
        "PATH": "",
        "HOME": str(tmp_path),
        "JSII_NODE": str(NODE),
        "CDK_OUTDIR": str(tmp_path / "assembly"),
        "CDK_CONTEXT_JSON": json.dumps({"environment": "local"}),
        # Every connection attempt fails, at once.
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
