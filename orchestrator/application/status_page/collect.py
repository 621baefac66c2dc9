"""What the status page is decided from: alarms, probes, heartbeats, incidents, maintenance, overrides.

A part that cannot be read is missing evidence, which the page says; it stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.live_state import newest_shifted
from orchestrator.application.recovery_planning import tables_in_use
from orchestrator.domain.analysis.observations import AlarmState, HttpRequest
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.names import short_name
from orchestrator.domain.rollback.triggers import ALARM_STATE
from orchestrator.domain.status_page.evidence import (
    PROBES,
    Evidence,
    components_of_alarm,
    count_failed_probes,
    probes_are_due,
)
from orchestrator.domain.status_page.history import PageRecord
from orchestrator.domain.status_page.maintenance import MaintenanceWindow, published_window
from orchestrator.domain.status_page.page import PageInputs
from orchestrator.domain.status_page.published_incidents import KEPT, PublishedIncident, publish_incident
from orchestrator.domain.status_page.rolled_back_changes import rolled_back_change
from orchestrator.domain.status_page.settings import StatusPageSettings, decode_status_page
from orchestrator.domain.verdict import Window

MOST_INCIDENTS = 500
"""The most incidents that are read by the time of their opening, newest first, published or not. The open ones, and those
that were resolved in the last days, are read in addition: the register has them."""
LONGEST_INCIDENT = timedelta(days=10)
"""An incident that was open for longer may leave the history before its days are over."""
NEWEST_WINDOWS = 50
"""How many maintenance windows are read, the latest first."""

_HEARTBEATS_OF = timedelta(minutes=5)


def page_settings(cloud: Cloud) -> StatusPageSettings:
    """Return the environment's settings of the status page."""
    return decode_status_page(cloud.settings["STATUS_PAGE"])


def read_inputs(cloud: Cloud, settings: StatusPageSettings, record: PageRecord) -> PageInputs:
    """Read what the page is decided from.

    Args:
        cloud: the environment.
        settings: of the page.
        record: of the page.

    Raises:
        Throttled, Unreachable: the ledger did not answer. Other parts may be missing.
    """
    newest = next(iter(cloud.ledger.newest_records(1)), None)
    service = newest.service if newest else None
    return PageInputs(
        evidence=Evidence(
            alarms=_read_alarms(cloud, service),
            failed_probes=_probe(cloud, settings, record, service),
            heartbeats=_read_heartbeats(cloud, service),
        ),
        incidents=_read_incidents(cloud, settings),
        windows=_read_windows(cloud, settings),
        overrides=cloud.status_pages.read_overrides(),
    )


def _read_alarms(cloud: Cloud, service: Service | None) -> Mapping[str, bool | None] | None:
    if service is None:
        return None
    try:
        states = cloud.alarms.read_states(service.alarms)
    except (OrchestratorError, ClientError) as error:
        logger.warning("alarms were not read", extra={"error": str(error)})
        return None
    firing = {arn: state for arn, state in states.items() if state.state == ALARM_STATE}
    past = _of_rolled_back_change(cloud, firing) if firing else frozenset()
    return {
        _short(arn.rpartition(":")[2], cloud): arn in firing and arn not in past if arn in states else None
        for arn in service.alarms
    }


def _of_rolled_back_change(cloud: Cloud, firing: Mapping[str, AlarmState]) -> frozenset[str]:
    """Return the alarms that show a release that was rolled back, and nothing since. All others count."""
    try:
        change, now = rolled_back_change(newest_shifted(cloud.ledger)), cloud.now()
        if change is None:
            return frozenset()
        of_change = [arn for arn, state in firing.items() if change.may_explain(arn, state)]
        periods = cloud.alarms.read_periods(of_change, Window(change.reverted_at, now))
    except (OrchestratorError, ClientError) as error:
        logger.warning("the periods of alarms were not read, so they count", extra={"error": str(error)})
        return frozenset()
    return frozenset(arn for arn, read in periods.items() if change.explains(read, now))


def _probe(
    cloud: Cloud, settings: StatusPageSettings, record: PageRecord, service: Service | None
) -> Mapping[str, int]:
    if service is None or not probes_are_due(record.observed_at, cloud.now()):
        return record.failed_probes
    functions = sorted({function for component in settings.components for function in component.functions})
    statuses = for_each(functions, lambda function: _status(cloud, service.api_url, function))
    return count_failed_probes(record.failed_probes, dict(zip(functions, statuses, strict=True)))


def _status(cloud: Cloud, api_url: str, function: str) -> int | None:
    method, path = PROBES[function]
    form: Mapping[str, str] | None = {} if method == "POST" else None
    try:
        return cloud.http.send(api_url, HttpRequest(method, path, form=form)).status
    except OrchestratorError as error:
        logger.warning("a probe got no answer", extra={"function": function, "error": str(error)})
        return None


def _read_heartbeats(cloud: Cloud, service: Service | None) -> Mapping[str, datetime | None] | None:
    if service is None or not cloud.settings["STATUS_HEARTBEATS"]:
        return {}
    since = cloud.now() - _HEARTBEATS_OF
    try:
        tables = set(tables_in_use(cloud, service.functions).values())
        seconds = {table: cloud.heartbeats.read_acknowledged(table, since) for table in sorted(tables)}
    except (OrchestratorError, ClientError) as error:
        logger.warning("heartbeats were not read", extra={"error": str(error)})
        return None
    return {table: _newest(found) for table, found in seconds.items()}


def _newest(seconds: Iterable[int]) -> datetime | None:
    newest = max(seconds, default=None)
    return None if newest is None else datetime.fromtimestamp(newest, UTC)


def _read_incidents(cloud: Cloud, settings: StatusPageSettings) -> list[PublishedIncident]:
    register, now = cloud.incidents.read_register(), cloud.now()
    # The register keeps a resolved incident for days, so its resolution is published whatever was opened since.
    registered = [
        cause.incident
        for cause in register.causes.values()
        if cause.resolved_at is None or now - cause.resolved_at <= KEPT
    ]
    opened = cloud.incidents.ids_since(now - KEPT - LONGEST_INCIDENT, MOST_INCIDENTS)
    published = [
        publish_incident(
            entries, settings, lambda alarm: components_of_alarm(_short(alarm, cloud), settings.components)
        )
        for entries in for_each(dict.fromkeys([*registered, *opened]), cloud.incidents.read_entries)
    ]
    return [incident for incident in published if incident is not None]


def _read_windows(cloud: Cloud, settings: StatusPageSettings) -> list[MaintenanceWindow]:
    now = cloud.now()
    return [
        published_window(window, settings.components, now) for window in cloud.maintenance.list_windows(NEWEST_WINDOWS)
    ]


def _short(alarm: str, cloud: Cloud) -> str:
    return short_name(alarm, cloud.environment)
