"""The settings of incidents and of the rota: read, refused, and passed to functions as they were read."""

from __future__ import annotations

import json
from datetime import date, time

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.policy import (
    DEFAULT_SEVERITIES,
    IncidentPolicy,
    decode_policy,
    encode_policy,
    read_policy,
)
from orchestrator.domain.incidents.rota import Level
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.schema import SettingsReader
from tests.unit.domain.incidents.worlds import POLICY

ON_CALL = {
    "time_zone": "Europe/Berlin",
    "handover_day": "Mon",
    "handover_time": "09:00",
    "starts": "2026-01-05",
    "escalate_minutes": 15,
    "levels": [{"people": ["ann", "bob"]}, {"people": ["dan"], "destinations": ["pager-2"]}],
}
INCIDENTS = {"reopen_minutes": 30, "page_from": "SEV1", "severities": {"rollback": "SEV3", "service-degraded": "none"}}


def read(**tables):
    return read_policy(SettingsReader("prod", tables))


def test_without_tables_the_defaults_apply():
    assert read() == IncidentPolicy(DEFAULT_SEVERITIES, 60, IncidentSeverity.SEV2, None)
    assert read(incidents={}) == read()
    assert encode_policy(read()) == "{}"


def test_the_tables_are_read():
    policy = read(incidents=INCIDENTS, on_call=ON_CALL)
    assert (policy.reopen_minutes, policy.page_from) == (30, IncidentSeverity.SEV1)
    assert policy.severities["rollback"] is IncidentSeverity.SEV3
    assert policy.severities["service-degraded"] is None
    assert policy.severities["root-account-used"] is IncidentSeverity.SEV1
    rota = policy.rota
    assert (rota.time_zone, rota.handover_day, rota.handover_time) == ("Europe/Berlin", "Mon", time(9))
    assert (rota.starts, rota.escalate_minutes) == (date(2026, 1, 5), 15)
    assert rota.levels == (Level(("ann", "bob")), Level(("dan",), ("pager-2",)))


@pytest.mark.parametrize("policy", [POLICY, read(incidents=INCIDENTS, on_call=ON_CALL), read()])
def test_a_function_reads_what_was_encoded(policy):
    assert decode_policy(encode_policy(policy)) == policy
    assert json.loads(encode_policy(policy)).keys() <= {"incidents", "on_call"}


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("incidents", {"reopen_minutes": 0}, "prod.incidents.reopen_minutes: 0 is refused: give a whole number from 1 to 1440"),
        ("incidents", {"page_from": "SEV4"}, "prod.incidents.page_from: 'SEV4' is refused: give one of SEV1, SEV2, SEV3"),
        ("incidents", {"severities": {"rollback": "low"}}, "prod.incidents.severities.rollback: 'low' is refused: give one of SEV1, SEV2, SEV3, none"),
        ("incidents", {"severities": {"weather": "SEV1"}}, "prod.incidents.severities.weather: 'SEV1' is refused: remove it; known keys are rollback, "),
        ("incidents", {"pager": 1}, "prod.incidents.pager: 1 is refused: remove it"),
        ("on_call", {"time_zone": "Berlin"}, "prod.on_call.time_zone: 'Berlin' is refused: give the name of a time zone"),
        ("on_call", {"handover_day": "monday"}, "prod.on_call.handover_day: 'monday' is refused: give one of Mon, Tue"),
        ("on_call", {"handover_time": "9:00"}, "prod.on_call.handover_time: '9:00' is refused: give a time as a text"),
        ("on_call", {"starts": "2026-02-30"}, "prod.on_call.starts: '2026-02-30' is refused: give a date as a text"),
        ("on_call", {"starts": "2026-01-06"}, "prod.on_call.starts: '2026-01-06' is refused: give the date of a handover day (Mon)"),
        ("on_call", {"escalate_minutes": 241}, "prod.on_call.escalate_minutes: 241 is refused: give a whole number from 1 to 240"),
        ("on_call", {"levels": []}, "prod.on_call.levels: '0 levels' is refused: give 1 to 5"),
        ("on_call", {"levels": [{"people": ["a"]}] * 6}, "prod.on_call.levels: '6 levels' is refused: give 1 to 5"),
        ("on_call", {"levels": [{"people": []}]}, "prod.on_call.levels[0].people: [] is refused: "),
        ("on_call", {"levels": [{"people": ["a"] * 21}]}, "is refused: give 1 to 20 names, in the order of their turns"),
        ("on_call", {"levels": [{"people": ["a\nb"]}]}, "is refused: give 1 to 20 names"),
        ("on_call", {"levels": [{"people": ["a"], "phone": "1"}]}, "prod.on_call.levels[0].phone: '1' is refused: remove it"),
        ("on_call", {"holidays": []}, "prod.on_call.holidays: [] is refused: remove it"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_field_value_and_remedy(table, changes, message):
    tables = {"incidents": {}, "on_call": ON_CALL}
    tables[table] = {**tables[table], **changes}
    with pytest.raises(Refused) as error:
        read(**tables)
    assert message in str(error.value)


def test_a_reader_that_goes_on_after_a_wrong_time_has_no_crash():
    from orchestrator.domain.schema import Findings

    findings = Findings()
    read_policy(SettingsReader("prod", {"on_call": {**ON_CALL, "handover_time": "noon"}}, observer=findings))
    assert [error.field for error in findings.errors] == ["prod.on_call.handover_time"]
