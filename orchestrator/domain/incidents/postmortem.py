"""What a post-mortem asks and counts: the impact in numbers, and the questions that people answer.

Numbers that were not measured are said to be missing, and are never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.incidents.incident import Incident
from orchestrator.domain.incidents.timeline import LedgerFacts
from orchestrator.domain.texts import NOT_MEASURED, measured_seconds

QUESTIONS = (
    ("What broke, and why?", "The change or the fault, and why the system allowed it. Ask “why” until the answer is a property of the system."),
    ("What detected it?", "Which alarm, probe or person, and how long after the first failed request. What would have detected it earlier?"),
    ("What limited the damage?", "What worked, and where luck helped."),
    ("What made it worse, or longer?", "Missing knowledge, wrong alarms, steps that a person had to look up."),
    ("Where else can this happen?", "Other functions, environments and clients with the same fault."),
)  # fmt: skip
"""The causes that are asked for: a heading, and what belongs there."""


@dataclass(frozen=True)
class TrafficCounts:
    """Requests of clients in the incident's time, as API Gateway counts them; None for what was not measured.

    Attributes:
        requests: all of them.
        failed: those that were answered with a status of 500 or more.
        clients: that had at least one request.
    """

    requests: int | None = None
    failed: int | None = None
    clients: int | None = None


@dataclass(frozen=True)
class Impact:
    """The impact in numbers; None for what was not measured or did not happen.

    Attributes:
        lasted: all episodes together, from the opening to the resolution or to now.
        to_acknowledge: from the current episode's begin to its acknowledgement.
        exposure: how long a canary that was rolled back got traffic, over all rollbacks.
        pages: of the current episode.
    """

    lasted: timedelta
    to_acknowledge: timedelta | None
    exposure: timedelta | None
    rollbacks: int
    pages: int
    traffic: TrafficCounts


def impact_of(incident: Incident, facts: LedgerFacts, traffic: TrafficCounts, now: datetime) -> Impact:
    """Return the impact of an incident.

    Args:
        incident: the incident.
        facts: what the ledger recorded meanwhile.
        traffic: counted requests.
        now: the current time, the end of an open incident.
    """
    rolled_back = [one for one in facts.deployments if one.rollback is not None]
    exposures = [
        one.rollback.reverted_at - one.first_shift_at
        for one in rolled_back
        if one.rollback is not None and one.rollback.reverted_at is not None and one.first_shift_at is not None
    ]
    acknowledged = incident.acknowledged_at
    return Impact(
        lasted=(incident.resolved_at or now) - incident.opened_at,
        to_acknowledge=acknowledged - incident.episode_at if acknowledged else None,
        exposure=sum(exposures, timedelta()) if exposures else None,
        rollbacks=len(rolled_back),
        pages=len(incident.pages),
        traffic=traffic,
    )


def impact_rows(impact: Impact) -> list[tuple[str, str]]:
    """Return the impact as rows of a table: a name, and the value with its unit."""
    traffic = impact.traffic
    share = ""
    if traffic.failed is not None and traffic.requests:
        share = f" ({100 * traffic.failed / traffic.requests:.2g} %)"
    return [
        ("Clients with requests", _count(traffic.clients)),
        ("Requests", _count(traffic.requests)),
        ("Failed requests (5xx)", f"{_count(traffic.failed)}{share}"),
        (
            "Exposure to a canary that was rolled back",
            measured_seconds(impact.exposure) if impact.rollbacks else "none",
        ),
        ("Lasted", measured_seconds(impact.lasted)),
        (
            "Time to acknowledge",
            measured_seconds(impact.to_acknowledge) if impact.to_acknowledge is not None else "not acknowledged",
        ),
        ("Rollbacks", str(impact.rollbacks)),
        ("Pages in the last episode", str(impact.pages)),
    ]


def _count(number: int | None) -> str:
    return NOT_MEASURED if number is None else str(number)
