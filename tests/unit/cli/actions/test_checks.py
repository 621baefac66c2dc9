"""`lint` and `doctor` on the command line: their output, and their exit codes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from botocore.exceptions import NoCredentialsError
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.aws.account_readings import Denied
from orchestrator.cli.actions.checks import doctor as action
from orchestrator.cli.actions.checks.environment_checks import Checks
from orchestrator.cli.actions.checks.examine import examine
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.doctor.result import Level, failed, passed, warned
from orchestrator.domain.errors import AliasConflict, Refused, Throttled, Unreachable
from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity
from tests.aws_operations import called_operations
from tests.fakes.errors import client_error
from tests.unit.domain.incidents.worlds import POLICY, ROTA

RUN = CliRunner()
READINGS = "orchestrator/aws/account_readings.py"
SETTINGS = environments.settings_file().read_text(encoding="utf-8")


@pytest.fixture
def broken(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS.replace('owner = "identity"', "owner = 7").replace("keep_days = 90", "keep_days = 0"))
    return file


def test_lint_prints_each_finding_with_its_place_and_exits_with_2(broken):
    result = RUN.invoke(app, ["lint", str(broken)])
    lines = result.stdout.splitlines()
    owner = next(number for number, line in enumerate(broken.read_text().splitlines(), 1) if line.startswith("owner"))
    assert result.exit_code == 2
    assert lines[0].startswith(f"{broken}:{owner}:1: dev.owner: 7 is refused: give a valid tag value")
    assert "prod.backups.keep_days: 0 is refused: give a whole number from 1 to 3650" in lines[1]
    assert lines[2] == f"{broken}: 2 findings"


def test_lint_prints_one_object_with_json(broken):
    result = RUN.invoke(app, ["lint", str(broken), "--json"])
    printed = json.loads(result.stdout)
    assert result.exit_code == 2
    assert [finding["field"] for finding in printed["findings"]] == ["dev.owner", "prod.backups.keep_days"]
    assert printed["findings"][0].keys() == {"file", "line", "column", "field", "value", "remedy"}


def test_lint_refuses_scheduled_drills_that_cost_more_than_the_cap(tmp_path):
    file = tmp_path / "settings.toml"
    cap = re.compile(r"^(max_monthly_usd) = 160", re.MULTILINE)
    file.write_text(cap.sub(r"\1 = 5", SETTINGS))
    result = RUN.invoke(app, ["lint", str(file)])
    (line,) = [
        number for number, one in enumerate(file.read_text().splitlines(), 1) if one.startswith("max_monthly_usd = 5 ")
    ]
    assert result.exit_code == 2
    found, last = result.stdout.splitlines()
    assert found.startswith(
        f"{file}:{line}:1: prod.recovery.max_monthly_usd: 5 is refused: scheduled drills would cost"
    )
    assert re.search(r"\(pitr [0-9.]+, vault [0-9.]+, copy [0-9.]+\)", found)
    assert last == f"{file}: 1 finding"


def test_lint_counts_the_drills_of_point_in_time_recovery(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS.replace('drill_schedule = "cron(0 5 * * ? *)"', 'drill_schedule = "rate(1 minute)"'))
    result = RUN.invoke(app, ["lint", str(file)])
    assert result.exit_code == 2
    assert [line.split(":")[3].strip() for line in result.stdout.splitlines()[:-1]] == [
        f"{name}.recovery.max_monthly_usd" for name in ("dev", "staging", "prod")
    ]
    assert "(pitr " in result.stdout


@pytest.mark.parametrize("file", [[], [str(environments.settings_file())]])
def test_lint_of_valid_settings_exits_with_0(file):
    result = RUN.invoke(app, ["lint", *file])
    assert (result.exit_code, result.stdout.endswith("environments.toml: no findings\n")) == (0, True)


def test_every_command_names_the_line_of_a_wrong_setting(broken, monkeypatch):
    monkeypatch.setattr(environments, "load", lambda name, file=broken, load=environments.load: load(name, file))
    result = RUN.invoke(app, ["strategies", "--env", "prod", "--json"])
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == 2
    assert error["file"] == str(broken)
    assert error["message"].startswith(f"{broken}:{error['line']}: prod.")


@pytest.mark.parametrize(
    ("raised", "level", "reason", "unreachable"),
    [
        (Denied("sns:X"), Level.SKIPPED, "the caller may not use sns:X", False),
        (
            client_error("AccessDenied", "is not authorized to perform: iam:GetRole on"),
            Level.SKIPPED,
            "iam:GetRole",
            False,
        ),
        (Unreachable("no answer"), Level.SKIPPED, "could not be read: no answer", True),
        (Throttled("busy"), Level.SKIPPED, "could not be read: busy", True),
        (client_error("SomethingElse", "what"), Level.SKIPPED, "could not be read", True),
        (client_error("ResourceNotFoundException", "no table"), Level.FAIL, "not deployed", False),
        (Refused("service.tables", "x", "deploy the service stack first"), Level.FAIL, "service.tables: x", False),
        (AliasConflict("token has no alias"), Level.FAIL, "token has no alias", False),
    ],
)
def test_a_check_that_cannot_be_read_is_no_pass(raised, level, reason, unreachable):
    def judge():
        raise raised

    found = examine("a", judge, "prod").result
    assert (found.level, found.unreachable) == (level, unreachable)
    assert reason in found.reason
    assert found.remedy


def of(monkeypatch, *judges):
    monkeypatch.setattr(Checks, "all", lambda _: iter([(f"check-{n}", judge) for n, judge in enumerate(judges)]))
    identity = {"Arn": "arn:aws:iam::123456789012:role/ops", "Account": "123456789012"}

    class Sts:
        def get_caller_identity(self):
            return identity

    return Context(environments.load("prod"), lambda _service: Sts())


def unanswered():
    raise Unreachable("no answer")


@pytest.mark.parametrize(
    ("judges", "code"),
    [
        ([lambda: passed("fine"), lambda: warned("look", "do x")], 0),
        ([lambda: passed("fine"), lambda: failed("bad", "do x")], 1),
        ([lambda: passed("fine"), unanswered], 3),
        ([lambda: failed("bad", "do x"), unanswered], 1),
    ],
)
def test_doctor_exits_by_its_worst_check(monkeypatch, capsys, judges, code):
    assert action.doctor(of(monkeypatch, *judges), json=False) == code
    assert action.doctor(of(monkeypatch, *judges), json=True) == code


def test_doctor_prints_one_line_a_check_with_its_remedy(monkeypatch, capsys):
    action.doctor(of(monkeypatch, lambda: passed("fine"), lambda: failed("two\nlines", "do x")), json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["PASS", "check-0", "fine"]
    assert lines[1] == r"FAIL     check-1         two\nlines -> do x"
    assert lines[2] == "2 checks: 1 PASS, 1 FAIL"


def test_doctor_prints_one_object_with_json(monkeypatch, capsys):
    action.doctor(of(monkeypatch, lambda: failed("bad", "do x")), json=True)
    assert json.loads(capsys.readouterr().out) == {
        "environment": "prod",
        "checks": [{"check": "check-0", "level": "FAIL", "reason": "bad", "remedy": "do x"}],
    }


def test_doctor_without_credentials_is_unreachable():
    def no_clients(_service):
        raise NoCredentialsError

    with pytest.raises(Unreachable, match="credentials"):
        action.doctor(Context(environments.load("prod"), no_clients), json=False)


def test_every_check_runs_in_every_environment_and_is_a_result():
    """Clients that refuse everything: no check passes, and none escapes."""

    def denied(_service):
        raise client_error("AccessDeniedException", "is not authorized to perform: x:Y")

    for name in ("prod", "dev"):
        checks = Checks(Context(environments.load(name), denied), lambda _region: denied)
        results = {check: examine(check, judge, name).result for check, judge in checks.all()}
        assert len(results) == 21
        settings, others = results.pop("settings"), results
        assert settings.level is Level.FAIL
        of_settings = {name: others.pop(name).level for name in ("on-call", "pagers")}
        assert of_settings == {"on-call": Level.WARN, "pagers": Level.WARN}
        assert {found.level for found in others.values()} == {Level.SKIPPED}


def test_a_pager_of_the_settings_that_takes_no_security_incidents_fails_the_check():
    class Secrets:
        def describe_secret(self, *, SecretId):  # noqa: N803 - botocore's
            return {"ARN": SecretId}

    pager = Destination(
        "pager", DestinationKind.PAGERDUTY, "arn", Severity.ERROR, (Audience.OPERATORS,), (EventKind.INCIDENT,)
    )
    settings = replace(environments.load("prod"), notifications=(pager,), incidents=POLICY)
    checks = Checks(Context(settings, {"secretsmanager": Secrets()}.__getitem__), lambda _region: None)
    result = dict(checks.all())["pagers"]()
    assert result.level is Level.FAIL
    assert "level 2" in result.reason, "its pages go to a destination that is no pager"
    only = replace(POLICY, rota=replace(ROTA, levels=ROTA.levels[:1]))
    checks = replace(checks, context=replace(checks.context, environment=replace(settings, incidents=only)))
    assert "level 1 for security (pager: audiences lacks security)" in dict(checks.all())["pagers"]().reason


def test_on_the_local_cloud_only_what_it_has_is_checked():
    def denied(_service):
        raise client_error("AccessDeniedException", "is not authorized to perform: x:Y")

    checks = Checks(Context(environments.load("local"), denied), lambda _region: denied)
    skipped = {name for name, judge in checks.all() if "the local cloud" in examine(name, judge, "local").result.reason}
    assert skipped == {"settings", "bootstrap", "cost-tags", "subscriptions", "backups", "on-call", "pagers"}


@pytest.mark.parametrize(("name", "level"), [("local", Level.PASS), ("prod", Level.FAIL)])
def test_an_alarm_that_misses_backups_counts_where_there_are_backups(name, level):
    alarm = {"AlarmName": f"ib-oauth-backup-overdue-{name}", "StateValue": "ALARM", "ActionsEnabled": True}

    class CloudWatch:
        def get_paginator(self, _operation):
            return self

        def paginate(self, **_params):
            return [{"MetricAlarms": [alarm]}]

    checks = Checks(Context(environments.load(name), lambda _service: CloudWatch()), lambda _region: None)
    assert dict(checks.all())["alarms"]().level is level


def test_the_guide_lists_every_check_and_every_action_of_its_readings():
    page = (environments.settings_file().parent / "docs" / "guides" / "doctor.md").read_text(encoding="utf-8")
    checks = Checks(Context(environments.load("prod"), lambda _service: None), lambda _region: None)
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, _ in rows] == [name for name, _ in checks.all()]
    own = {operation for operation, modules in called_operations().items() if READINGS in modules}
    prefixes = {"stepfunctions": "states"}
    actions = {f"{prefixes.get(one.service, one.service)}:{one.name}" for one in own}
    assert len(actions) > 8
    assert not {action for action in actions if action not in page}
