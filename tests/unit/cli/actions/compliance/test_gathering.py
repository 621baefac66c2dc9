"""How `orchestrator compliance` gathers its results: one for each control, and what cannot be read is no pass."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from orchestrator import environments
from orchestrator.cli.actions.compliance import gathering as module
from orchestrator.cli.actions.compliance import template_sources
from orchestrator.cli.actions.compliance.gathering import TRIAL_UNITS_PER_SECOND, Gathering
from orchestrator.cli.actions.compliance.template_sources import (
    check_rule_packs,
    expectations_of,
    find_templates,
    lint_templates,
)
from orchestrator.cli.context import Context
from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework
from orchestrator.domain.compliance.result import NotApplicable, NotChecked, Status
from orchestrator.domain.errors import Refused
from tests.fakes.errors import client_error
from tests.fakes.oauth_api import ISSUER, SYNTHETIC_KEY, OAuthApi, pace
from tests.samples import deployment
from tests.unit.domain.compliance.sound_templates import sound

STACKS = ("stack", "orchestrator", "security", "monitoring", "backups")


def denied(_service):
    raise client_error("AccessDeniedException", "is not authorized to perform: x:Y")


def gathered(context, frameworks, assembly=None):
    heard = []
    results = Gathering(context, assembly, heard.append).results(frameworks)
    return {result.control: result for result in results}


def write_assembly(folder, env="prod", names=STACKS):
    (template, _) = sound().values()
    for name in names:
        text = json.dumps(template if name == "stack" else {"Resources": {}})
        (folder / f"ib-oauth-{name}-{env}.template.json").write_text(text)
    return folder


@pytest.mark.parametrize("framework", list(Framework))
def test_with_denied_readings_every_control_has_a_result_and_none_passes_by_it(framework, monkeypatch):
    monkeypatch.setattr(template_sources, "require", lambda _extra: None)
    monkeypatch.setattr(module, "check_rule_packs", lambda *_: "")
    context = Context(environments.load("prod"), denied)

    results = gathered(context, [framework])

    assert set(results) == {control.id for control in controls_of([framework])}
    passed = {name for name, result in results.items() if result.status is Status.PASS}
    # They are of the settings file and of the packs, which need no account.
    assert passed <= {"practice-false-alarm-budget", "practice-checklist", "practice-rule-packs"}
    unchecked = [result for result in results.values() if result.status is Status.NOT_CHECKED]
    assert unchecked
    assert all(result.remedy for result in unchecked)


def test_the_templates_of_a_folder_are_checked_without_an_account(tmp_path):
    context = Context(environments.load("prod"), denied)

    results = gathered(context, [Framework.INFRASTRUCTURE], write_assembly(tmp_path))

    assert results["infra-table-encryption"].status is Status.PASS
    assert results["infra-network-ingress"].status is Status.NOT_APPLICABLE
    assert not [result for result in results.values() if result.status is Status.NOT_CHECKED]


def test_a_folder_of_another_environment_is_refused(tmp_path):
    write_assembly(tmp_path, "dev")
    with pytest.raises(Refused, match="--assembly"):
        gathered(Context(environments.load("prod"), denied), [Framework.INFRASTRUCTURE], tmp_path)


def test_a_folder_without_all_stacks_or_with_a_broken_template_checks_nothing(tmp_path):
    context = Context(environments.load("prod"), denied)
    partial = gathered(context, [Framework.INFRASTRUCTURE], write_assembly(tmp_path, names=STACKS[1:]))
    assert {result.status for result in partial.values()} == {Status.NOT_CHECKED}
    assert "ib-oauth-stack-prod" in partial["infra-tagged"].reason

    (tmp_path / "ib-oauth-stack-prod.template.json").write_text("{")
    broken = gathered(context, [Framework.INFRASTRUCTURE], tmp_path)
    assert {result.status for result in broken.values()} == {Status.NOT_CHECKED}


class CloudFormation:
    """Has the sound templates as deployed ones, except those that are missing."""

    def __init__(self, missing=()):
        self.missing = missing

    def get_template(self, *, StackName):  # noqa: N803 - botocore's
        if StackName in self.missing:
            raise client_error("ValidationError", "does not exist")
        (template, _) = sound().values()
        body = template if "-stack-" in StackName else json.dumps({"Resources": {}})
        return {"TemplateBody": body}


def test_without_a_folder_the_deployed_templates_are_read():
    context = Context(environments.load("prod"), lambda _: CloudFormation())
    assert gathered(context, [Framework.INFRASTRUCTURE])["infra-table-encryption"].status is Status.PASS

    incomplete = Context(environments.load("prod"), lambda _: CloudFormation(["ib-oauth-backups-prod"]))
    with pytest.raises(NotChecked, match="ib-oauth-backups-prod"):
        find_templates(incomplete, None)


@pytest.mark.parametrize("name", environments.names())
def test_the_settings_of_every_environment_say_what_is_expected(name):
    environment = environments.load(name)
    expected = expectations_of(environment)
    assert (expected.local, expected.domain) == (environment.local, environment.api.domain is not None)
    assert expected.log_retention_days == environment.log_retention_days


def test_rule_packs_need_a_report_or_the_extra(tmp_path, monkeypatch):
    context = Context(environments.load("prod"), denied)
    with pytest.raises(NotChecked, match=r"has no validation-report\.json"):
        check_rule_packs(context, tmp_path)
    plugins = [{"pluginName": name, "violations": []} for name in ("AwsSolutions", "NIST.800.53.R5")]
    (tmp_path / "validation-report.json").write_text(json.dumps({"pluginReports": plugins}))
    assert check_rule_packs(context, tmp_path) == ""

    def missing(extra):
        raise template_sources.ExtraMissing(extra, "aws_cdk")

    monkeypatch.setattr(template_sources, "require", missing)
    with pytest.raises(NotChecked, match="aws_cdk is not installed"):
        check_rule_packs(context, None)
    with pytest.raises(NotApplicable, match="local cloud"):
        check_rule_packs(Context(environments.load("local"), denied), None)


def test_cfn_lint_names_the_first_finding_and_a_sound_template_has_none(monkeypatch):
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}
    assert lint_templates({"stack": {"Resources": {"Queue": queue}}}, "us-west-1") == ""
    wrong = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"NoSuch": "q"}}}}
    assert lint_templates({"stack": wrong}, "us-west-1").startswith("1 findings, the first: stack.template.json:")

    monkeypatch.setattr(template_sources, "find_spec", lambda _name: None)
    with pytest.raises(NotChecked, match="cfn-lint is not installed") as caught:
        lint_templates({}, "us-west-1")
    assert sys.executable in caught.value.remedy


def test_the_issuer_of_the_newest_deployment_is_checked(monkeypatch):
    api = OAuthApi()
    one = deployment(environment="test")
    one = replace(one, service=replace(one.service, issuer=ISSUER, synthetic_key_id=SYNTHETIC_KEY))
    clients = SimpleNamespace(web=api, macs=api, pace=pace())
    ledger = SimpleNamespace(newest_records=lambda _limit: [one])
    environment = replace(environments.load("prod"), name="test")
    context = Context(environment, denied)
    vars(context)["cloud"] = SimpleNamespace(ledger=ledger, probe_clients=clients)

    results = gathered(context, [Framework.OAUTH])

    assert len(results) == 179
    assert not [result for result in results.values() if result.status in {Status.FAIL, Status.NOT_CHECKED}]

    ledger.newest_records = lambda _limit: []
    without = gathered(context, [Framework.OAUTH])
    assert {result.status for result in without.values()} == {Status.NOT_CHECKED}
    assert without["oauth-tls"].remedy == "orchestrator deploy --env test"


def test_a_caller_who_may_not_use_the_synthetic_key_checks_what_needs_no_login():
    class Kms(OAuthApi):
        mac_calls = 0

        def generate_mac(self, key_id, message):
            self.mac_calls += 1
            raise client_error("AccessDeniedException", "is not authorized to perform: kms:GenerateMac on")

    api, one = Kms(), deployment(environment="test")
    clients = SimpleNamespace(web=api, macs=api, pace=pace())
    context = Context(replace(environments.load("prod"), name="test"), denied)
    ledger = SimpleNamespace(newest_records=lambda _limit: [one])
    vars(context)["cloud"] = SimpleNamespace(ledger=ledger, probe_clients=clients)

    results = gathered(context, [Framework.OAUTH])

    assert not [one for one in results.values() if one.status is Status.FAIL]
    assert results["oauth-redirect-unregistered"].status is Status.PASS
    flow = results["oauth-flow-completes"]
    assert (flow.status, flow.reason) == (Status.NOT_CHECKED, "the caller may not use kms:GenerateMac")
    assert "kms:GenerateMac" in flow.remedy
    assert api.mac_calls == 2


class Dynamo:
    """Tables that are as production's, of a size."""

    def __init__(self, size=0):
        self.size = size

    def describe_time_to_live(self, *, TableName):  # noqa: N803
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED" if "tokens" in TableName else "DISABLED"}}

    def describe_table(self, *, TableName):  # noqa: N803
        return {"Table": {"TableName": TableName, "TableSizeBytes": self.size, "SSEDescription": {"SSEType": "KMS"}}}

    def scan(self, **_):
        return {"Items": []}

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=lambda **params: [getattr(self, operation)(**params)])


class Pages:
    """Log groups and trails."""

    def get_paginator(self, operation):
        assert operation == "describe_log_groups"
        groups = [
            {"logGroupName": "/aws/lambda/ib-oauth-token-prod"},
            {"logGroupName": "/aws/lambda/ib-oauth-token-dev"},
        ]
        return SimpleNamespace(paginate=lambda **_: [{"logGroups": groups}])

    def describe_trails(self):
        return {"trailList": [{"TrailARN": "arn:trail"}]}

    def get_trail_status(self, *, Name):  # noqa: N803
        return {"IsLogging": Name != "arn:trail"}


def account(dynamo):
    clients = {
        "dynamodb": dynamo,
        "logs": Pages(),
        "cloudtrail": Pages(),
        "cloudformation": CloudFormation(),
    }
    return Context(environments.load("prod"), clients.__getitem__)


@pytest.mark.strategy("Compliance Checks: Data protection")
def test_data_protection_is_read_from_the_account_and_what_is_wrong_is_named():
    results = gathered(account(Dynamo()), [Framework.DATA_PROTECTION])

    assert "ib-oauth-state-prod: DISABLED" in results["data-tables-expire-now"].reason
    assert "tokens" not in results["data-tables-expire-now"].reason
    assert results["data-encrypted-now"].status is Status.PASS
    assert results["data-log-retention-now"].reason.endswith("/aws/lambda/ib-oauth-token-prod: for ever")
    assert results["data-erasure-runs"].status is Status.PASS
    assert results["data-access-recorded"].reason == "not logging: arn:trail"


def test_large_tables_are_not_read_for_a_trial():
    results = gathered(account(Dynamo(size=int(4096 * TRIAL_UNITS_PER_SECOND * 1000))), [Framework.DATA_PROTECTION])

    assert results["data-erasure-runs"].status is Status.NOT_CHECKED
    assert "orchestrator erase" in results["data-erasure-runs"].remedy


def test_a_trial_erasure_that_finds_items_of_no_user_fails(monkeypatch):
    monkeypatch.setattr(Dynamo, "scan", lambda *_, **__: {"Items": [{"pk": {"S": "code#1"}}]})
    assert gathered(account(Dynamo()), [Framework.DATA_PROTECTION])["data-erasure-runs"].status is Status.FAIL
