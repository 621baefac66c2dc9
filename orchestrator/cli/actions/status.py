"""The command `status`: what is live, what is in progress, the lock, the alarms, and the newest requests."""

from __future__ import annotations

from orchestrator import environments
from orchestrator.application.incidents.incident_log import read_open_incidents
from orchestrator.application.live_state import read_live_state
from orchestrator.cli.context import Context
from orchestrator.cli.live.snapshots import pause_of
from orchestrator.cli.rendering.deployment_timeline import outcome_line, pause_as_json, pause_lines, short_digest
from orchestrator.cli.rendering.output import console, print_json, show_freeze, text_table
from orchestrator.cli.rendering.recovery_timeline import recovery_outcome_line
from orchestrator.domain.deployment.known_good import made_live
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.deployment.release import release_digest
from orchestrator.domain.incidents.incident import Incident
from orchestrator.domain.recovery.outcome import summary_of
from orchestrator.domain.rollback.triggers import ALARM_STATE


def show_status(context: Context, *, json: bool) -> None:
    """Show the current state of the environment."""
    cloud, lock = context.cloud, context.cloud.ledger.read_lock()
    functions = {name: context.function_name(name) for name in sorted(environments.FUNCTIONS)}
    aliases = {name: cloud.aliases.read_alias(function) for name, function in functions.items()}
    latest = release_digest({name: cloud.versions.describe_version(function) for name, function in functions.items()})
    newest, freeze = next(iter(cloud.ledger.newest_records(1)), None), cloud.freezes.read_freeze()
    versions = {name: alias.routing.primary for name, alias in aliases.items()}
    problems = read_live_state(functions, lock, cloud).problems
    live = cloud.ledger.find_newest(lambda record: made_live(record, versions))
    holder = cloud.ledger.find_record(lock.deployment) if lock.held else None
    under_way = holder if holder and holder.under_way else None
    pause = pause_of(context, under_way) if under_way else None
    firing, recovery = _firing_alarms(context, newest), next(iter(cloud.drills.newest_records(1)), None)
    incidents, maintenance = read_open_incidents(cloud), cloud.maintenance.read_schedule().under_way(cloud.now())
    if json:
        print_json(
            {
                "environment": context.name,
                "live": _live_as_json(live),
                "problems": problems,
                "in_progress": under_way.id if under_way else None,
                "paused": pause_as_json(under_way, pause) if under_way else None,
                "lock": lock,
                "freeze": freeze if freeze and freeze.is_active else None,
                "maintenance": maintenance,
                "release_in_latest": latest,
                "aliases": {name: alias.routing for name, alias in aliases.items()},
                "alarms_firing": firing,
                "open_incidents": [_incident_as_json(incident) for incident in incidents],
                "newest_deployment": newest.id if newest else None,
                "newest_recovery": summary_of(recovery) if recovery else None,
            }
        )
        return
    screen = console()
    screen.print(f"{context.name}: {_live_line(live)}", style="bold", markup=False)
    rows = [
        (
            name,
            alias.routing.primary,
            _canary(alias.routing.canary, alias.routing.weight_percent),
            alias.owner_tag or "-",
        )
        for name, alias in aliases.items()
    ]
    screen.print(text_table(("function", "stable", "canary", "last changed by"), rows))
    for problem in problems:
        screen.print(f"{problem}: `orchestrator repair --env {context.name}`", style="bold red", markup=False)
    if under_way:
        lines = [outcome_line(under_way), *(pause_lines(under_way, pause) if pause else ())]
        screen.print("\n".join(lines), style="bold", markup=False)
    show_freeze(screen, freeze)
    if maintenance is not None:
        allowed = ", ".join(maintenance.allowed_deployments)
        line = f"maintenance {maintenance.description}; new deployments are rejected"
        line += f", except {allowed}" if allowed else ""
        screen.print(line, style="bold", markup=False)
    for incident in incidents:
        by = f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else "not acknowledged"
        line = f"incident {incident.id}, {incident.severity}, {by}: {incident.title}"
        screen.print(line, style="bold red", markup=False)
    screen.print(f"alarms firing: {', '.join(firing) or 'none'}")
    held = f"held by {lock.kind} {lock.deployment}" if lock.held else "free"
    screen.print(f"environment lock {held}, fencing token {lock.fencing_token}")
    screen.print(f"release in $LATEST: {latest}{' (live)' if live and live.release.digest == latest else ''}")
    if newest is None:
        screen.print("no deployment yet")
    elif under_way is None:
        screen.print(f"newest request: {outcome_line(newest)}", markup=False)
    screen.print(recovery_outcome_line(recovery) if recovery else "no drill yet", markup=False)


def _incident_as_json(incident: Incident) -> dict[str, object]:
    names = ("id", "severity", "state", "cause", "title", "opened_at", "acknowledged_by")
    return {name: getattr(incident, name) for name in names}


def _live_line(live: Deployment | None) -> str:
    if live is None or live.ended_at is None:
        return "live are the versions below; no recorded deployment made all of them live"
    ended = f"{live.ended_at.astimezone():%Y-%m-%d %H:%M}"
    return f"live is release {short_digest(live.release.digest)} since {ended}, by {live.id}"


def _live_as_json(live: Deployment | None) -> dict[str, object] | None:
    if live is None:
        return None
    return {"deployment": live.id, "release": live.release.digest, "since": live.ended_at}


def _firing_alarms(context: Context, newest: Deployment | None) -> list[str]:
    if newest is None:
        return []
    states = context.cloud.alarms.read_states(newest.service.alarms)
    return sorted(alarm.name for alarm in states.values() if alarm.state == ALARM_STATE)


def _canary(version: str, weight_percent: int) -> str:
    return f"{version} ({weight_percent} %)" if version else "-"
