"""The settings of incidents: ``[….incidents]`` and ``[….on_call]``.

Both are optional. Without ``incidents`` the defaults here apply; without ``on_call`` a page goes to all pagers, names no
person, and is not escalated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time

from orchestrator.domain.deployment.calendar import DAYS, read_date, read_time_zone
from orchestrator.domain.deployment.custom_checks import NAME
from orchestrator.domain.incidents.rota import Level, Rota
from orchestrator.domain.incidents.severity import OF_NOTIFICATION, IncidentSeverity
from orchestrator.domain.notifications.alarms import COMPOSITES, SECURITY, SEVERITIES
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.setting_rules import Choice, Text

ROLLBACK, ROLLBACK_FAILED = "rollback", "rollback-failed"
DRILL_FAILED, RESTORE_FAILED, REGION_LOST = "recovery-drill-failed", "restore-failed", "region-lost"
NO_INCIDENT = "none"
"""The severity of what opens no incident."""

_SEV1, _SEV2, _SEV3 = IncidentSeverity
_QUIET = frozenset({"access-denied", "waf-blocked-requests"})
"""Security alarms whose runbook says SEV3, and that a scanner sets off: they are read, and open no incident."""

DEFAULT_SEVERITIES: Mapping[str, IncidentSeverity | None] = {
    ROLLBACK: _SEV2,
    ROLLBACK_FAILED: _SEV1,
    DRILL_FAILED: _SEV3,
    RESTORE_FAILED: _SEV2,
    REGION_LOST: _SEV1,
    **{
        section: None if section in _QUIET else OF_NOTIFICATION[SEVERITIES[section]]
        for section in (*COMPOSITES, *sorted(SECURITY))
    },
}
"""What can open an incident, to its severity: events of the orchestrator, and sections of the alarm runbook."""

DEFAULT_REOPEN_MINUTES, REOPEN_MINUTES, ESCALATE_MINUTES = 60, (1, 1440), (1, 240)
MAX_LEVELS, MAX_PEOPLE = 5, 20
LARGEST_POLICY_BYTES = 1120
"""In a JSON text, where quotes are escaped. Lambda allows 4 KB for all variables of a function, and the reconcile handler
needs 2.9 KB for the others in an environment with a short name. `cdk synth` checks each environment.
"""

CHOICES = (*IncidentSeverity, NO_INCIDENT)
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
PERSON = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True)
class IncidentPolicy:
    """The settings of incidents.

    Attributes:
        severities: what opens an incident, to its severity; None if it opens none.
        reopen_minutes: the time after a resolution in which the same cause reopens the incident.
        page_from: the least severity that is paged.
        rota: who is on call; None if a page names no person and is not escalated.
    """

    severities: Mapping[str, IncidentSeverity | None] = field(default_factory=lambda: dict(DEFAULT_SEVERITIES))
    reopen_minutes: int = DEFAULT_REOPEN_MINUTES
    page_from: IncidentSeverity = _SEV2
    rota: Rota | None = None


def read_policy(settings: SettingsReader) -> IncidentPolicy:
    """Read the tables ``incidents`` and ``on_call`` of an environment's table.

    Raises:
        Refused: a setting is wrong. The error names the field, the value and the remedy.
    """
    severities, reopen_minutes, page_from = dict(DEFAULT_SEVERITIES), DEFAULT_REOPEN_MINUTES, _SEV2
    if "incidents" in settings:
        table = settings.table("incidents")
        if "reopen_minutes" in table:
            reopen_minutes = table.whole_number("reopen_minutes", *REOPEN_MINUTES)
        if "page_from" in table:
            page_from = IncidentSeverity(table.choice("page_from", tuple(IncidentSeverity)))
        if "severities" in table:
            severities |= _read_severities(table.table("severities"))
        table.refuse_unknown_keys()
    rota = _read_rota(settings.table("on_call")) if "on_call" in settings else None
    return IncidentPolicy(severities, reopen_minutes, page_from, rota)


def _read_severities(table: SettingsReader) -> dict[str, IncidentSeverity | None]:
    found: dict[str, IncidentSeverity | None] = {}
    rule = Choice(CHOICES)
    for opener in DEFAULT_SEVERITIES:
        # `take`, so that every opener is a known key of the table and of its schema.
        choice = table.take(opener, described_by=(rule,))
        if choice is None:
            continue
        if not rule.accepts(choice):
            raise table.refused(opener, choice, rule.remedy)
        found[opener] = None if choice == NO_INCIDENT else IncidentSeverity(str(choice))
    table.refuse_unknown_keys()
    return found


def _read_rota(table: SettingsReader) -> Rota:
    day = table.choice("handover_day", DAYS)
    rota = Rota(
        time_zone=read_time_zone(table),
        handover_day=day,
        handover_time=_read_time(table, "handover_time"),
        starts=read_date(table, "starts"),
        escalate_minutes=table.whole_number("escalate_minutes", *ESCALATE_MINUTES),
        levels=_read_levels(table),
    )
    table.refuse_unknown_keys()
    if rota.starts.weekday() != DAYS.index(day):
        remedy = f"give the date of a handover day ({day}): the first of each level's people begins on it"
        raise table.refused("starts", rota.starts.isoformat(), remedy)
    return rota


def _read_time(table: SettingsReader, key: str) -> time:
    text = table.text(key, matching=_TIME, remedy='give a time as a text, such as "09:00"')
    return time.fromisoformat(text) if _TIME.fullmatch(text) else time()


def _read_levels(table: SettingsReader) -> tuple[Level, ...]:
    tables = table.tables("levels")
    if not 1 <= len(tables) <= MAX_LEVELS:
        raise table.refused("levels", f"{len(tables)} levels", f"give 1 to {MAX_LEVELS}: [[….on_call.levels]]")
    return tuple(_read_level(entry) for entry in tables)


def _read_level(entry: SettingsReader) -> Level:
    people = entry.texts("people", at_least=1, described_by=Text(matching=PERSON))
    if not 1 <= len(people) <= MAX_PEOPLE or not all(PERSON.fullmatch(person) for person in people):
        remedy = f"give 1 to {MAX_PEOPLE} names, in the order of their turns"
        raise entry.refused("people", list(people), remedy)
    level = Level(people, entry.texts("destinations", described_by=Text(matching=NAME)))
    entry.refuse_unknown_keys()
    return level


def encode_policy(policy: IncidentPolicy) -> str:
    """Return the settings as the text of an environment variable: what differs from the defaults."""
    incidents: dict[str, object] = {}
    changed = {
        opener: severity or NO_INCIDENT
        for opener, severity in policy.severities.items()
        if severity != DEFAULT_SEVERITIES[opener]
    }
    if changed:
        incidents["severities"] = changed
    if policy.reopen_minutes != DEFAULT_REOPEN_MINUTES:
        incidents["reopen_minutes"] = policy.reopen_minutes
    if policy.page_from is not _SEV2:
        incidents["page_from"] = policy.page_from
    tables: dict[str, object] = {"incidents": incidents} if incidents else {}
    if policy.rota is not None:
        tables["on_call"] = {
            "time_zone": policy.rota.time_zone,
            "handover_day": policy.rota.handover_day,
            "handover_time": f"{policy.rota.handover_time:%H:%M}",
            "starts": policy.rota.starts.isoformat(),
            "escalate_minutes": policy.rota.escalate_minutes,
            "levels": [_encode_level(level) for level in policy.rota.levels],
        }
    return json.dumps(tables, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _encode_level(level: Level) -> Mapping[str, Sequence[str]]:
    destinations = {"destinations": level.destinations} if level.destinations else {}
    return {"people": level.people, **destinations}


def decode_policy(text: str) -> IncidentPolicy:
    """Return the settings that `encode_policy` encoded."""
    return read_policy(SettingsReader("", json.loads(text)))
