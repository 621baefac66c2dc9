"""Findings in a settings file have the line of their setting, in `lint` and in the errors of every command."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from orchestrator import environments
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.environments.lint import findings
from orchestrator.environments.settings_document import SettingsFile
from tests.unit.environments.corruptions import DATE, Corruption, corruptions, rule_of

ALL = corruptions()
ONE_OF_EACH = list({corruption.path: corruption for corruption in reversed(ALL)}.values())
SETTINGS = environments.settings_file().read_text(encoding="utf-8")
TABLES = tomllib.loads(SETTINGS)


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        file = tmp_path / "settings.toml"
        file.write_text(text, encoding="utf-8", newline="")
        return file

    return write


def with_change(old: str, new: str) -> str:
    assert SETTINGS.count(old) == 1, old
    return SETTINGS.replace(old, new)


def test_the_settings_of_this_project_have_no_finding():
    assert findings(environments.settings_file()) == []


def test_every_setting_of_the_file_is_corrupted():
    """A list of tables and a strategy's steps have settings in them; all others have a rule."""
    paths = SettingsFile.read(environments.settings_file()).positions.spans
    without = {path for path in paths if rule_of(path) is None}
    assert len({corruption.path for corruption in ALL}) > 250
    assert all(re.search(r"\[\d+\]$|\.clients$|\.steps$", path) for path in without), without


@pytest.mark.parametrize("corruption", ONE_OF_EACH, ids=lambda corruption: corruption.path)
def test_a_wrong_value_is_reported_at_the_line_of_its_key(corruption: Corruption, written):
    file = written(corruption.text)
    found = findings(file)
    assert [error.line for error in found] == [corruption.line], [str(error) for error in found]
    assert found[0].field.partition(".")[2] == corruption.path.partition(".")[2]


def test_values_that_json_cannot_state_are_findings_as_any_other(written):
    """A policy is written as JSON after it was read, and its size is checked whatever was found in it."""
    values = [
        one
        for one in ALL
        if one.value in {"inf", "nan", DATE} and re.search(r"\.(delivery|strategies|recovery)\.", one.path)
    ]
    assert Counter(one.value for one in values).keys() == {"inf", "nan", DATE}
    assert len(values) > 200
    for corruption in values:
        found = findings(written(corruption.text))
        assert [error.line for error in found] == [corruption.line], corruption.path


def is_in_force(path: str) -> bool:
    """Whether an environment has a setting of the file: a default is in force unless each of them replaces it."""
    top, _, rest = path.partition(".")
    if top != "defaults":
        return True
    return not all(has(TABLES[name], rest.split(".")) for name in environments.names())


def has(table: object, keys: list[str]) -> bool:
    if not keys:
        return True
    return isinstance(table, dict) and keys[0] in table and has(table[keys[0]], keys[1:])


IN_FORCE = [one for one in ONE_OF_EACH if is_in_force(one.path)]


@pytest.mark.parametrize("corruption", IN_FORCE[::7], ids=lambda corruption: corruption.path)
def test_every_command_reports_the_same_line(corruption: Corruption, written):
    file = written(corruption.text)
    refusals = [refusal for name in environments.names() if (refusal := refusal_of(name, file))]
    assert refusals
    assert all(refusal.startswith(f"{file}:{corruption.line}: ") for refusal in refusals), refusals


def refusal_of(name: str, file: Path) -> str:
    try:
        environments.load(name, file)
    except EnvironmentRefused as error:
        return str(error)
    return ""


def test_all_wrong_values_of_a_file_are_reported_at_once_and_in_order(written):
    text = with_change('region = "us-west-1"', "region = 4")
    for old, new in {
        "memory_mb = 1024\nreserved_concurrency = 200": "memory_mb = true\nreserved_concurrency = 200",
        "[prod.backups]\nkeep_days = 90": "[prod.backups]\nkeep_dayz = 90",
        "max_bake_seconds = 3600 ": 'max_bake_seconds = "x" ',
        'title = "Demo platform"': 'titel = "Demo platform"',
        "rto_minutes = 120 ": "rto_minutes = inf ",
        "stored_gb = 0.1": "stored_gb = -1",
        "alert_percents = [50, 80, 100]": "alert_percents = [50, 40]",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    found = findings(written(text))
    assert [error.field for error in found] == [
        "dev.region",
        "dev.budget.alert_percents",
        "prod.backups.keep_dayz",
        "prod.service.functions.token.memory_mb",
        "local.service.platforms.demo.title",
        "local.service.platforms.demo.titel",
        "dev.usage.stored_gb",
        "dev.delivery.max_bake_seconds",
        "dev.recovery.rto_minutes",
    ]
    assert [error.line for error in found] == sorted(error.line for error in found)
    assert all(error.remedy for error in found)


def test_an_inherited_value_is_reported_once_and_two_environments_values_twice(written):
    assert [error.field for error in findings(written(with_change('owner = "identity"', "owner = 1")))] == ["dev.owner"]
    text = with_change("log_retention_days = 14\n", "log_retention_days = 15\n").replace(
        "[staging]\nlog_retention_days = 30\n", "[staging]\nlog_retention_days = 31\n"
    )
    assert [error.field for error in findings(written(text))] == [
        "dev.log_retention_days",
        "staging.log_retention_days",
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "at"),
    [
        ('keep_days = 30\nlock = "none"', 'keep_days = 29\nlock = "none"', "dev.evidence.lock_days", "lock_days = 30"),
        ("metric_delay_seconds = 90 ", "metric_delay_seconds = 59 ", "dev.service.alarms.metric_delay_seconds", "metric_delay_seconds = 59"),
        ('client_id = "demo-server"', 'client_id = "demo-client"', "local.service.clients", "[[local.service.clients]]"),
        ("evaluation_seconds = 60", "evaluation_seconds = 1", "dev.strategies.all-at-once", "[defaults.strategies.all-at-once]"),
        ('issuer = "stage" ', '# issuer = "stage" ', "dev.service.issuer", "[dev.service]"),
        ("evaluation_seconds = 20", "evaluation = 20", "local.delivery.evaluation", "evaluation = 20"),
        ("custom_checks = 0.05 ", "custom_checks = 0.9 ", "dev.delivery.thresholds.false_alarm_shares", "[defaults.delivery.thresholds.false_alarm_shares]"),
        ("[defaults.delivery]", "[defaults.delivery]\nstrategies = {}", "dev.delivery.strategies", "strategies = {}"),
    ],
)  # fmt: skip
def test_a_contradiction_is_reported_where_it_is_stated(written, old, new, field, at):
    text = with_change(old, new)
    found = findings(written(text))
    line = next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(at))
    assert (found[0].field, found[0].line) == (field, line)


def test_a_contradiction_of_a_section_whose_values_are_wrong_is_not_reported(written):
    """The wrong value was replaced, and the contradiction may be one of the replacement."""
    text = with_change('keep_days = 30\nlock = "none"', 'keep_days = "30"\nlock = "none"')
    assert [error.field for error in findings(written(text))] == ["dev.evidence.keep_days"]


@pytest.mark.parametrize("audience", ["operators", "clients", "security", "owners"])
def test_an_address_that_an_audience_has_twice_is_reported_where_it_is_stated(written, audience):
    """A topic subscribes an address once, and a budget's notification has each subscriber once."""
    twice = f'{audience} = ["a@example.com", "b@example.com", "a@example.com"]'
    text = f"{SETTINGS}\n[prod.contacts]\n{twice}\n"
    (found,) = findings(written(text))
    line = next(number for number, line in enumerate(text.splitlines(), 1) if line == twice)
    assert (found.field, found.value, found.line) == (f"prod.contacts.{audience}", "a@example.com", line)
    assert found.remedy == "give each address of an audience once"
    elsewhere = '[prod.contacts]\noperators = ["a@example.com"]\nowners = ["a@example.com"]'
    assert findings(written(f"{SETTINGS}\n{elsewhere}\n")) == []


FAILOVER = """
[prod.failover]
region = "us-east-2"
lease_seconds = 900
oldest_copy_hours = 26

[prod.failover.approval]
approvers = ["arn:aws:iam::123456789012:role/Oncall"]
quorum = 1
deadline_seconds = 3600
"""


def test_a_standby_region_that_has_replicas_is_refused_because_its_tables_have_their_names(written):
    with_replicas = with_change("[prod.stores]\n", '[prod.stores]\nreplicas = ["eu-west-1", "us-east-2"]\n')
    refused = f"{with_replicas}{FAILOVER}"
    (found,) = findings(written(refused))
    line = next(number for number, line in enumerate(refused.splitlines(), 1) if line == 'region = "us-east-2"')
    assert (found.field, found.value, found.line) == ("prod.failover.region", "us-east-2", line)
    assert found.remedy == "name a region that is not in stores.replicas: its tables would have the replicas' names"
    assert findings(written(refused.replace(', "us-east-2"]', "]"))) == []
    after_the_failover = refused.replace("[prod]\n", '[prod]\nregion = "us-east-2"\nlost_region = "us-west-1"\n')
    assert findings(written(after_the_failover)) == []


def test_a_section_that_is_no_table_is_one_finding(written):
    for section in ("api", "evidence", "delivery", "strategies", "recovery", "usage", "stores"):
        text = f"{SETTINGS}\n[qa]\n{section} = 3\nservice.issuer = 'stage'\nservice.platforms.p.url = 'https://p.example.com'\n"
        found = findings(written(f"{text}service.platforms.p.title = 'P'\n"))
        assert [error.field for error in found] == [f"qa.{section}"]
        assert found[0].line == len(SETTINGS.splitlines()) + 3


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("[dev\n", 1, "correct the TOML syntax: "),
        ("[dev]\nregion = \n", 2, "correct the TOML syntax: "),
        ("[dev]\nx = [1,\n2\n", 4, "correct the TOML syntax: "),
        ('[dev]\nx = """\n', 3, "correct the TOML syntax: "),
        ("[dev]\nx = 1\nx = 2\n", 3, "correct the TOML syntax: Cannot overwrite a value"),
        ("[dev]\r\nx = 1\r\ny\r\n", 3, "correct the TOML syntax: "),
        ("[dev]\nx = 1\n[Prod]\n", 3, "give a table whose name is a short lower-case word"),
        ("# no environment\n", 1, "give a table with the name of an environment"),
    ],
)
def test_what_is_no_settings_file_is_reported_with_its_line(written, text, line, remedy):
    (found,) = findings(written(text))
    assert (found.line, found.remedy[: len(remedy)]) == (line, remedy)


def test_a_file_that_is_not_utf_8_is_reported_with_its_line(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_bytes(b'[dev]\n# a comment\nowner = "\xff"\n')
    (found,) = findings(file)
    assert (found.line, found.column, found.remedy) == (3, 10, "encode it in UTF-8: invalid start byte")


def test_a_file_that_is_missing_is_refused_by_its_name(tmp_path):
    (found,) = findings(tmp_path / "none.toml")
    assert (found.field, found.remedy) == ("environments", "name an existing file")


def test_a_file_within_the_current_folder_is_named_as_it_is_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.toml").write_text("[dev\n", encoding="utf-8")
    (found,) = findings(tmp_path / "settings.toml")
    assert found.place == "settings.toml:1"


def test_an_unknown_environment_is_refused_without_a_line():
    with pytest.raises(EnvironmentRefused, match=r"^environment: 'qa' is refused"):
        environments.load("qa")
