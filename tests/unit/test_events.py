"""The events that the code announces are those that docs/reference/events/schemas.json describes."""

import ast
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.outcome import EVENT_TYPES
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.findings.register import EVENT as FINDING_EVENT
from orchestrator.domain.incidents.announcements import EVENT_TYPES as INCIDENT_EVENTS
from orchestrator.domain.maintenance.announcements import EVENT_TYPES as MAINTENANCE_EVENTS
from tests.json_schema import EVENT_SCHEMAS, validate_event

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"environment", "deployment", "recovery", "at"}
TO_US = {"ReleaseReady", "NotificationTest"}


@cache
def announcements() -> list[tuple[str, str, set[str]]]:
    """(where, detail-type, names of the details) of every call of `announce` and `announce_recovery` in the product."""
    found = []
    for path in sorted((ROOT / "orchestrator").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS:
                names = {keyword.arg for keyword in node.keywords}
                found += [(path.name, kind, names) for kind in KINDS[node.func.attr](node.args[0])]
    return found


def of_deployments(first: ast.expr) -> list[str]:
    return [first.value] if isinstance(first, ast.Constant) else sorted(EVENT_TYPES.values())


def of_recoveries(first: ast.expr) -> list[str]:
    return [f"{kind}{ast.literal_eval(first)}" for kind in ("Drill", "Restore")]


KINDS = {"announce": of_deployments, "announce_recovery": of_recoveries}
"""The detail-types that a call announces, from its first argument."""


def test_every_announced_event_is_described():
    found = announcements()
    assert found
    wrong = [
        f"{where}: {kind} with {', '.join(sorted(names))}"
        for where, kind, names in found
        if not set(EVENT_SCHEMAS[kind]["required"]) - COMMON <= names <= set(EVENT_SCHEMAS[kind]["properties"])
    ]
    assert wrong == []


def test_every_described_event_is_announced_somewhere():
    # test_announcements.py in tests/unit/domain/incidents and .../maintenance, and .../findings validate the others.
    others = {*INCIDENT_EVENTS.values(), *MAINTENANCE_EVENTS.values(), FINDING_EVENT}
    assert {kind for _, kind, _ in announcements()} == set(EVENT_SCHEMAS) - TO_US - others


class _EventsClient:
    def __init__(self):
        self.entries = []

    def put_events(self, Entries):  # noqa: N803 - botocore's name
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}


def test_an_event_as_put_on_the_bus_fits_its_schema():
    events = _EventsClient()
    cloud = Cloud(
        {"ENVIRONMENT": "dev", "EVENT_BUS": "ib-oauth-dev"},
        clients=lambda _service: events,
        now=lambda: datetime(2026, 11, 23, 3, 0, tzinfo=UTC),
    )
    cloud.announce("TrafficShifted", "d-1", step=0, weight_percent=10)
    cloud.announce_recovery("Refused", Kind.RESTORE, "dr-1", reason="cost 7: raise max_cost_usd")
    assert [entry["DetailType"] for entry in events.entries] == ["TrafficShifted", "RestoreRefused"]
    for entry in events.entries:
        assert entry["Source"] == "ib-oauth.orchestrator"
        assert entry["EventBusName"] == "ib-oauth-dev"
        validate_event(entry["DetailType"], json.loads(entry["Detail"]))
