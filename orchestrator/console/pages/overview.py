"""The first page: what is live, what is in progress, and what needs a person."""

from __future__ import annotations

from orchestrator import environments
from orchestrator.cli.actions.status import EnvironmentStatus, live_line, missing_alarm_line, read_status
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import outcome_line, short_digest
from orchestrator.cli.rendering.recovery_timeline import recovery_outcome_line
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact
from orchestrator.console.actions import link_to
from orchestrator.console.pages.deployments import deployments_table, path_of
from orchestrator.console.pages.live_deployment import state_in_words
from orchestrator.console.pages.recoveries import recoveries_table
from orchestrator.console.pages.words import ABSENT, sentence, utc_minute
from orchestrator.console.sections import Cell, Facts, Heading, Link, Links, Notes, Page, Table, present

PLACE = "Overview"
NEWEST = 5
REFRESH_SECONDS = 15
ENVIRONMENT_COLUMNS = ("environment", "cloud", "region", "account", "strategy", "RTO", "RPO", "console")


def overview_page(context: Context) -> Page:
    """Return the first page of the console: the status of the environment, and its newest requests."""
    deployments, recoveries = context.cloud.ledger.newest_records(NEWEST), context.cloud.drills.newest_records(NEWEST)
    now = read_status(context, deployments, recoveries)
    notes = _notes(now)
    tone = BAD if any(tone == BAD for _, tone in notes) else OPEN if notes else GOOD
    outcome = {BAD: "ACT", OPEN: "NOTE", GOOD: "QUIET"}[tone]
    under_way = now.under_way
    frozen = now.freeze is not None and now.freeze.is_active
    return Page(
        "Overview",
        PLACE,
        present(
            Heading(context.name, "", outcome, tone, (sentence(live_line(now.live, utc_minute)),)),
            Notes(tuple(notes)) if notes else None,
            Links("In progress", (Link(f"{under_way.id}: {state_in_words(under_way)}", path_of(under_way.id)),), "now")
            if under_way
            else None,
            Links(
                "Actions", (link_to("unfreeze" if frozen else "freeze", context.name), link_to("drill", context.name))
            ),
            Facts(_facts(now)),
            _aliases(now),
            deployments_table(deployments, "Newest deployments"),
            recoveries_table(recoveries, "Newest drills and restores"),
        ),
        events="/events",
        refresh_seconds=REFRESH_SECONDS,
    )


def needs_in_words(page: Page) -> str:
    """Return in a few words how much needs attention, for those who hear the page."""
    count = sum(len(section.notes) for section in page.sections if isinstance(section, Notes))
    return f"attention needed: {count}" if count else "nothing needs attention"


def environments_page(context: Context) -> Page:
    """Return the page of all environments of the settings. Only one of them is served."""
    rows = tuple(_environment_row(name, served=name == context.name) for name in environments.names())
    caption = f"From environments.toml. This console serves {context.name} alone, with the credentials of its process."
    heading = Heading("Environments", f"{len(rows)} in the settings")
    return Page(
        "Environments", "Environments", (heading, Table("environments", "Settings", ENVIRONMENT_COLUMNS, rows, caption))
    )


def _environment_row(name: str, *, served: bool) -> tuple[Cell, ...]:
    try:
        environment = environments.load(name)
    except environments.EnvironmentRefused as error:
        # A wrong setting of one environment hides none of the others.
        return (name, f"refused: {error}", *(ABSENT,) * (len(ENVIRONMENT_COLUMNS) - 2))
    region = environment.region + (f" (lost: {environment.lost_region})" if environment.lost_region else "")
    return (
        name,
        environment.cloud,
        region,
        environment.account or ABSENT,
        str(environment.delivery["default_strategy"]),
        f"{environment.recovery['rto_minutes']} min",
        f"{environment.recovery['rpo_minutes']} min",
        Link("this one", "/") if served else f"orchestrator console --env {name}",
    )


def _notes(now: EnvironmentStatus) -> list[tuple[str, str]]:
    notes = [(f"{problem}: `orchestrator repair --env {now.environment}`", BAD) for problem in now.problems]
    for incident in now.incidents:
        by = f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else "not acknowledged"
        notes.append((f"Incident {incident.id}, {incident.severity}, {by}: {incident.title}", BAD))
    notes += [(f"The alarm {name} is in ALARM.", BAD) for name in now.firing]
    notes += [(sentence(missing_alarm_line(name)), BAD) for name in now.missing]
    if now.freeze and now.freeze.is_active:
        notes.append((f"The environment is {now.freeze.description}; new deployments are rejected.", OPEN))
    if now.maintenance is not None:
        notes.append((f"Maintenance {now.maintenance.description}; new deployments are rejected.", OPEN))
    return notes


def _facts(now: EnvironmentStatus) -> tuple[Fact, ...]:
    held = f"held by {now.lock.kind} {now.lock.deployment}" if now.lock.held else "free"
    is_live = now.live is not None and now.live.release.digest == now.latest
    return (
        Fact("Environment lock", held, f"fencing token {now.lock.fencing_token}"),
        Fact("Release in $LATEST", short_digest(now.latest), "live" if is_live else "not live"),
        Fact("Alarms that fire", str(len(now.firing)), "; ".join(_alarms_in_words(now))),
        Fact("Open incidents", str(len(now.incidents))),
        Fact(
            "Newest deployment", now.newest.id if now.newest else ABSENT, outcome_line(now.newest) if now.newest else ""
        ),
        Fact(
            "Newest recovery",
            now.recovery.id if now.recovery else ABSENT,
            recovery_outcome_line(now.recovery) if now.recovery else "",
        ),
    )


def _alarms_in_words(now: EnvironmentStatus) -> list[str]:
    missing = f"{len(now.missing)} {'do' if len(now.missing) > 1 else 'does'} not exist: {', '.join(now.missing)}"
    return [*([", ".join(now.firing)] if now.firing else ()), *([missing] if now.missing else ())]


def _aliases(now: EnvironmentStatus) -> Table:
    rows = tuple(
        (
            name,
            alias.routing.primary,
            f"{alias.routing.canary} ({alias.routing.weight_percent} %)" if alias.routing.canary else ABSENT,
            alias.owner_tag or ABSENT,
        )
        for name, alias in now.aliases.items()
    )
    return Table("aliases", "Aliases", ("function", "stable", "canary", "last changed by"), rows)
