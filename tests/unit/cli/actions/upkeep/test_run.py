"""`orchestrator upkeep`: every seeded fault is found and named, kept in the evidence chain, and overdue in time."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.main import app
from orchestrator.domain.errors import Unreachable
from tests.fakes.errors import client_error
from tests.fakes.upkeep_account import DAY, DOMAIN, ROLE, SeededAccount
from tests.samples import NOW

RUN = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", "ORCHESTRATOR_REQUESTED_BY": "ann"})


@pytest.fixture
def there(monkeypatch):
    found = SeededAccount()
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: found.context)
    return found


@pytest.fixture
def advisories(tmp_path):
    """pip-audit's report with a vulnerability of a package that the service's functions contain."""
    file = tmp_path / "service.json"
    vulnerability = {"id": "PYSEC-2026-9", "fix_versions": ["99"], "aliases": []}
    pins = {"dependencies": [{"name": "cryptography", "version": _locked("cryptography"), "vulns": [vulnerability]}]}
    file.write_text(json.dumps(pins))
    os.utime(file, (NOW.timestamp() - 7200,) * 2)
    return file


def _locked(package):
    lock = environments.settings_file().parent / "orchestrator/packaging/lambda-service.lock"
    return next(
        line.split("==")[1].split()[0] for line in lock.read_text().splitlines() if line.startswith(f"{package}==")
    )


def run(*words, command="upkeep"):
    answer = RUN.invoke(app, [command, *map(str, words)])
    return SimpleNamespace(code=answer.exit_code, text=answer.output)


def findings(*words):
    content = json.loads(run("--json", *words).text)
    return {one["id"]: one for one in content["findings"]}


@pytest.mark.parametrize(
    ("identifier", "figure", "severity", "remedy"),
    [
        ("vulnerabilities:orchestrator/packaging/lambda-service.lock cryptography {version}", ("fixed_in", "99"), "high",
         "make lock"),
        ("memory:token", ("most_used_mb", 90), "low", "memory_mb = 128"),
        (f"permissions:{ROLE}", ("services", 1), "medium", "iam"),
        (f"certificates:{DOMAIN}", ("days_left", 9), "high", "aws acm describe-certificate"),
        ("drill:environment", None, "high", "orchestrator drill --env prod"),
        ("alarms:ib-oauth-noisy-prod", ("fired_per_week", 12), "medium", "describe-alarm-history"),
        ("dead-letters:ib-oauth-dead-letters-prod", ("messages", 4), "high", "receive-message"),
        ("performance:token", ("p99_ms", 150.0), "high", "orchestrator history --env prod"),
        ("cost:week", ("this_week_usd", 14.0), "medium", "orchestrator cost --env prod"),
        ("log-retention:/aws/lambda/ib-oauth-token-prod", ("stored_gb", 5.0), "medium", "put-retention-policy"),
    ],
)  # fmt: skip
def test_every_seeded_fault_is_found_and_named(there, advisories, identifier, figure, severity, remedy):
    found = findings("--advisories", advisories)[identifier.format(version=_locked("cryptography"))]
    assert found["severity"] == severity
    assert remedy in found["remedy"]
    assert figure is None or found["evidence"][figure[0]] == figure[1]


def test_a_recommendation_has_its_saving_and_its_setting(there):
    found = findings()["memory:token"]
    assert found["setting"] == "[prod.service.functions.token] memory_mb = 128"
    # 90,000 a week are 391,071 a month, of 30 ms: 11,732 s with 896 MB less, at 0.0000133334 USD a GB s.
    assert found["saving_usd_per_month"] == pytest.approx(11_732 * 896 / 1024 * 0.0000133334, abs=0.005)


def test_every_reading_of_the_account_is_made_and_every_check_has_its_result(there):
    content = json.loads(run("--json").text)
    by_status = {}
    for check in content["checks"]:
        by_status.setdefault(check["status"], set()).add(check["check"])
    assert by_status["not checked"] == {"vulnerabilities"}
    assert "not applicable" not in by_status
    assert {"runtimes", "keys", "backups", "point-in-time", "quotas", "headroom", "previous-report"} <= by_status[
        "clear"
    ]
    assert len(content["checks"]) == 21


def test_the_page_has_the_most_severe_first_with_its_remedy(there):
    result = run()
    lines = result.text.splitlines()
    heads = [line for line in lines if line.startswith(("high:", "medium:", "low:"))]
    assert result.code == 1
    assert heads == sorted(heads, key=lambda line: ("high", "medium", "low").index(line.split(":")[0]))
    assert any(line.startswith("    remedy   orchestrator drill --env prod --watch") for line in lines)
    assert any(line.startswith("    saves    ") for line in lines)
    assert any(line.startswith("FAILED: ") for line in lines)


def test_without_advisories_the_locks_are_not_checked_and_the_remedy_is_named(there):
    text = run().text
    assert "no advisories were given -> make advisories" in text


def test_advisories_that_cannot_be_read_are_refused(there, tmp_path):
    result = run("--advisories", tmp_path / "absent.json", "--json")
    assert result.code == 2
    assert json.loads(result.text)["error"]["field"] == "--advisories"


def test_a_kept_report_is_in_the_evidence_chain_and_is_shown(there, tmp_path):
    page = tmp_path / "build" / "upkeep.html"
    result = run("--record", "--output", page)
    (entry,) = there.context.cloud.evidence.read_entries()
    assert (entry.kind, entry.outcome) == ("upkeep", "FAILED")
    assert f"orchestrator evidence show {entry.recovery}" in result.text
    assert there.context.cloud.evidence.verify_chain() == ()
    assert b"Upkeep of prod" in page.read_bytes()
    (event,) = there.events
    assert (event.id, event.source, event.name) == (entry.recovery, "person", "upkeep by ann")
    shown = run("show", entry.recovery, command="evidence")
    assert shown.text.startswith(f"FAILED  {event.why}")
    assert "drill:environment" in shown.text
    with_json = json.loads(run("--record", "--json").text)
    assert with_json["entry"]["number"] == 2


def test_a_report_whose_page_cannot_be_written_is_not_kept(there):
    result = run("--record", "--output", "/dev/full", "--json")
    assert result.code == 2
    assert json.loads(result.text)["error"]["field"] == "--output"
    assert there.context.cloud.evidence.read_entries() == []
    assert there.events == []


def test_a_finding_is_overdue_after_the_days_of_its_severity(there):
    run("--record")
    there.at = NOW + 8 * DAY
    found = findings("--record")
    drill = found["drill:environment"]
    assert (drill["since"], drill["overdue"]) == (NOW.isoformat(), True)
    assert not found[f"permissions:{ROLE}"]["overdue"]
    there.at = NOW + 31 * DAY
    assert findings()[f"permissions:{ROLE}"]["overdue"]
    assert "high, OVERDUE: drill:environment" in run().text


@pytest.mark.parametrize(
    ("service", "operation", "error", "check", "reason", "unreachable"),
    [
        ("ce", "get_cost_and_usage", client_error("AccessDeniedException", "not authorized to perform: ce:GetCostAndUsage"),
         "cost", "the caller may not use ce:GetCostAndUsage", False),
        ("acm", "list_certificates", Unreachable("no answer"), "certificates", "could not be read: no answer", True),
    ],
)  # fmt: skip
def test_what_may_not_be_read_is_not_checked(there, service, operation, error, check, reason, unreachable):
    there.answers[service].responses[operation] = error
    checks = {one["check"]: one for one in json.loads(run("--json").text)["checks"]}
    assert (checks[check]["status"], checks[check]["reason"]) == ("not checked", reason)
    assert checks[check]["remedy"]


def test_a_region_without_prices_has_no_recommendation_and_no_pass(there):
    environment = replace(there.context.environment, region="eu-north-9")
    object.__setattr__(there.context, "environment", environment)
    checks = {one["check"]: one for one in json.loads(run("--json").text)["checks"]}
    assert {checks[name]["status"] for name in ("memory", "concurrency", "table-capacity", "log-retention")} == {
        "not checked"
    }
    assert "add its table" in checks["memory"]["remedy"]


def healthy(there):
    """Remove every fault but those that only time shows."""
    answers = there.answers
    answers["sqs"].responses["get_queue_attributes"] = {"Attributes": {"ApproximateNumberOfMessages": "0"}}
    answers["acm"].responses["list_certificates"] = {
        "CertificateSummaryList": [{"CertificateArn": "a", "DomainName": DOMAIN, "NotAfter": NOW + 300 * DAY}]
    }
    answers["cloudwatch"].responses["get_metric_data"] = lambda params: (
        {"MetricDataResults": []}
        | {
            "MetricDataResults": [
                {
                    "Id": one["Id"],
                    "StatusCode": "Complete",
                    "Timestamps": [params["StartTime"]],
                    "Values": [1000.0 / 1000],
                }
                for one in params["MetricDataQueries"]
            ]
        }
    )
    there.context.cloud.drills.find_newest = lambda _wanted: SimpleNamespace(ended_at=NOW - DAY)


def test_findings_that_are_neither_urgent_nor_overdue_exit_with_0(there):
    healthy(there)
    result = run()
    assert result.code == 0, result.text
    assert "INCOMPLETE: " in result.text


def test_a_check_that_aws_did_not_answer_exits_with_3(there):
    healthy(there)
    there.answers["ce"].responses["get_cost_and_usage"] = Unreachable("no answer")
    assert run().code == 3


def test_on_the_local_cloud_what_it_does_not_have_is_said(there):
    local = replace(environments.load("local"), name="prod")
    object.__setattr__(there.context, "environment", local)
    there.answers["logs"].responses["describe_log_groups"] = {"logGroups": []}
    checks = {one["check"]: one for one in json.loads(run("--json").text)["checks"]}
    assert checks["permissions"]["status"] == "not applicable"
    assert checks["permissions"]["reason"] == "the local cloud has no access advisor"
    assert checks["backups"]["reason"] == "the local cloud is seldom old enough for a daily backup"
    assert checks["cost"]["status"] == "not applicable"
