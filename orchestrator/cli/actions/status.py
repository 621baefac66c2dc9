"""The command `status`: what is live, what is in progress, the lock, the alarms, and the newest requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator import environments
from orchestrator.application.cloud import for_each
from orchestrator.application.incidents.incident_log import read_open_incidents
from orchestrator.application.live_state import read_live_state
from orchestrator.aws.cloudwatch.alarms import FiringAlarm
from orchestrator.aws.lambda_.aliases import Alias
from orchestrator.cli.context import Context
from orchestrator.cli.live.snapshots import pause_of
from orchestrator.cli.rendering.deployment_timeline import outcome_line, pause_as_json, pause_lines, short_digest
from orchestrator.cli.rendering.local_times import local_minute
from orchestrator.cli.rendering.output import console, print_json, show_freeze, text_table
from orchestrator.cli.rendering.recovery_timeline import recovery_outcome_line
from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.deployment.known_good import made_live
from orchestrator.domain.deployment.record import Deployment, PauseToken
from orchestrator.domain.deployment.release import release_digest
from orchestrator.domain.environment_lock import EnvironmentLock
from orchestrator.domain.incidents.incident import Incident
from orchestrator.domain.incidents.severity import OF_NOTIFICATION, IncidentSeverity
from orchestrator.domain.maintenance.window import Window
from orchestrator.domain.names import is_of_environment
from orchestrator.domain.notifications.alarms import alarm_severity
from orchestrator.domain.recovery.outcome import summary_of
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.rollback.triggers import ALARM_STATE


@dataclass(frozen=True)
class EnvironmentStatus:
    """The current state of an environment.

    Attributes:
        live: the deployment that made all live versions so; None if no recorded one did.
        problems: what differs from the recorded state.
        under_way: the deployment that holds the lock; None without one.
        pause: the pause in which it waits; None if it does not.
        freeze: the newest one, which may have ended; None if there was none.
        maintenance: the window that is under way; None without one.
        latest: digest of the release in `$LATEST`.
        aliases: by function.
        firing: names of the environment's alarms that are in ALARM, the most severe first.
        missing: names of the service's alarms that do not exist.
        incidents: those that are not resolved.
        newest: the newest deployment; None if there is none.
        recovery: the newest drill or restore; None if there is none.
    """

    environment: str
    live: Deployment | None
    problems: Sequence[str]
    under_way: Deployment | None
    pause: PauseToken | None
    lock: EnvironmentLock
    freeze: Freeze | None
    maintenance: Window | None
    latest: str
    aliases: Mapping[str, Alias]
    firing: Sequence[str]
    missing: Sequence[str]
    incidents: Sequence[Incident]
    newest: Deployment | None
    recovery: Recovery | None

    def to_json(self) -> dict[str, Any]:
        """Return what `status --json` prints."""
        freeze, under_way = self.freeze, self.under_way
        return {
            "environment": self.environment,
            "live": _live_as_json(self.live),
            "problems": self.problems,
            "in_progress": under_way.id if under_way else None,
            "paused": pause_as_json(under_way, self.pause) if under_way else None,
            "lock": self.lock,
            "freeze": freeze if freeze and freeze.is_active else None,
            "maintenance": self.maintenance,
            "release_in_latest": self.latest,
            "aliases": {name: alias.routing for name, alias in self.aliases.items()},
            "alarms_firing": self.firing,
            "alarms_missing": self.missing,
            "open_incidents": [_incident_as_json(incident) for incident in self.incidents],
            "newest_deployment": self.newest.id if self.newest else None,
            "newest_recovery": summary_of(self.recovery) if self.recovery else None,
        }


def read_status(
    context: Context, deployments: Sequence[Deployment] = (), recoveries: Sequence[Recovery] = ()
) -> EnvironmentStatus:
    """Read the current state of the environment.

    Args:
        context: the environment.
        deployments: the newest, newest first, if the caller has read them.
        recoveries: likewise.
    """
    cloud, lock = context.cloud, context.cloud.ledger.read_lock()
    functions = {name: context.function_name(name) for name in sorted(environments.FUNCTIONS)}
    aliases = dict(zip(functions, for_each(functions.values(), cloud.aliases.read_alias), strict=True))
    latest = dict(zip(functions, for_each(functions.values(), cloud.versions.describe_version), strict=True))
    versions = {name: alias.routing.primary for name, alias in aliases.items()}
    newest = next(iter(deployments or cloud.ledger.newest_records(1)), None)
    live = next((record for record in deployments if made_live(record, versions)), None)
    holder = cloud.ledger.find_record(lock.deployment) if lock.held else None
    under_way = holder if holder and holder.under_way else None
    firing, missing = _alarms(context, newest)
    return EnvironmentStatus(
        environment=context.name,
        live=live or cloud.ledger.find_newest(lambda record: made_live(record, versions)),
        problems=read_live_state(functions, lock, cloud).problems,
        under_way=under_way,
        pause=pause_of(context, under_way) if under_way else None,
        lock=lock,
        freeze=cloud.freezes.read_freeze(),
        maintenance=cloud.maintenance.read_schedule().under_way(cloud.now()),
        latest=release_digest(latest),
        aliases=aliases,
        firing=firing,
        missing=missing,
        incidents=read_open_incidents(cloud),
        newest=newest,
        recovery=next(iter(recoveries or cloud.drills.newest_records(1)), None),
    )


def show_status(context: Context, *, json: bool) -> None:
    """Show the current state of the environment."""
    now = read_status(context)
    if json:
        print_json(now.to_json())
        return
    screen = console()
    screen.print(f"{context.name}: {live_line(now.live)}", style="bold", markup=False)
    rows = [
        (
            name,
            alias.routing.primary,
            _canary(alias.routing.canary, alias.routing.weight_percent),
            alias.owner_tag or "-",
        )
        for name, alias in now.aliases.items()
    ]
    screen.print(text_table(("function", "stable", "canary", "last changed by"), rows))
    for problem in now.problems:
        screen.print(f"{problem}: `orchestrator repair --env {context.name}`", style="bold red", markup=False)
    if now.under_way:
        lines = [outcome_line(now.under_way), *(pause_lines(now.under_way, now.pause) if now.pause else ())]
        screen.print("\n".join(lines), style="bold", markup=False)
    show_freeze(screen, now.freeze)
    if now.maintenance is not None:
        allowed = ", ".join(now.maintenance.allowed_deployments)
        line = f"maintenance {now.maintenance.description}; new deployments are rejected"
        line += f", except {allowed}" if allowed else ""
        screen.print(line, style="bold", markup=False)
    for incident in now.incidents:
        by = f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else "not acknowledged"
        line = f"incident {incident.id}, {incident.severity}, {by}: {incident.title}"
        screen.print(line, style="bold red", markup=False)
    for name in now.missing:
        screen.print(missing_alarm_line(name), style="bold red", markup=False)
    screen.print(f"alarms firing: {', '.join(now.firing) or 'none'}")
    held = f"held by {now.lock.kind} {now.lock.deployment}" if now.lock.held else "free"
    screen.print(f"environment lock {held}, fencing token {now.lock.fencing_token}")
    is_live = now.live is not None and now.live.release.digest == now.latest
    screen.print(f"release in $LATEST: {now.latest}{' (live)' if is_live else ''}")
    if now.newest is None:
        screen.print("no deployment yet")
    elif now.under_way is None:
        screen.print(f"newest request: {outcome_line(now.newest)}", markup=False)
    screen.print(recovery_outcome_line(now.recovery) if now.recovery else "no drill yet", markup=False)


def _incident_as_json(incident: Incident) -> dict[str, object]:
    names = ("id", "severity", "state", "cause", "title", "opened_at", "acknowledged_by")
    return {name: getattr(incident, name) for name in names}


def live_line(live: Deployment | None, minute: Callable[[datetime], str] = local_minute) -> str:
    """Return the release that is live, since when, and by which deployment. `minute` writes a time."""
    if live is None or live.ended_at is None:
        return "live are the versions below; no recorded deployment made all of them live"
    return f"live is release {short_digest(live.release.digest)} since {minute(live.ended_at)}, by {live.id}"


def missing_alarm_line(name: str) -> str:
    """Return that an alarm of the service does not exist, and the remedy."""
    return f"the alarm {name} does not exist, so it cannot fire: deploy the service stack"


def _live_as_json(live: Deployment | None) -> dict[str, object] | None:
    if live is None:
        return None
    return {"deployment": live.id, "release": live.release.digest, "since": live.ended_at}


def _alarms(context: Context, newest: Deployment | None) -> tuple[list[str], list[str]]:
    """Return the names of the environment's alarms in ALARM, and of the service's alarms that do not exist."""
    expected = newest.service.alarms if newest else ()
    states = context.cloud.alarms.read_states(expected)
    firing = [alarm.name for alarm in firing_alarms(context, states.values())]
    return firing, sorted(arn.rpartition(":")[2] for arn in expected if arn not in states)


def firing_alarms(context: Context, of_service: Iterable[AlarmState]) -> list[AlarmState]:
    """Return every alarm of the environment that is in ALARM, the most severe first.

    Args:
        context: the environment.
        of_service: the service's alarms as they were read, in any state. A deployment may be judged by an alarm that has
            another name than the environment's.
    """
    known = {alarm.name: FiringAlarm(alarm) for alarm in of_service if alarm.state == ALARM_STATE}
    firing = context.cloud.alarms.read_firing(context.name)
    # The names of `eu-prod` end as those of `prod` do.
    longer = [name for name in environments.names() if name.endswith(f"-{context.name}")] if firing else []
    found = known | {
        alarm.state.name: alarm
        for alarm in firing
        if not any(is_of_environment(alarm.state.name, name) for name in longer)
    }

    def severity(alarm: FiringAlarm) -> IncidentSeverity:
        return OF_NOTIFICATION[alarm_severity(alarm.state.name, alarm.description, context.name)]

    return [alarm.state for alarm in sorted(found.values(), key=lambda one: (severity(one), one.state.name))]


def _canary(version: str, weight_percent: int) -> str:
    return f"{version} ({weight_percent} %)" if version else "-"
