"""What keeps deployments away and what watches the service: freezes, maintenance windows, alarms, signing keys, costs."""

from __future__ import annotations

from functools import lru_cache

from orchestrator.cli.actions.costs import CostEstimate, read_estimate, usd_in_words
from orchestrator.cli.actions.explain import MAX_EVENTS
from orchestrator.cli.actions.keys import KEY_COLUMNS, USABLE, key_rows
from orchestrator.cli.actions.maintenance.windows import state_in_words
from orchestrator.cli.actions.status import firing_alarms
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact
from orchestrator.console.actions import link_to
from orchestrator.console.pages.words import minute, utc_minute
from orchestrator.console.sections import Cell, Facts, Heading, Link, Links, Notes, Page, Table, note, present
from orchestrator.domain.rollback.triggers import ALARM_STATE
from orchestrator.environments import project

LISTED = 50
FREEZE_COMMANDS = frozenset({"freeze", "unfreeze"})


def freezes_page(context: Context) -> Page:
    """Return the page of the freeze, its history, and the maintenance windows."""
    cloud = context.cloud
    freeze, now = cloud.freezes.read_freeze(), cloud.now()
    frozen = freeze is not None and freeze.is_active
    words = f"{context.name} is {freeze.description}; new deployments are rejected." if frozen and freeze else ""
    commands = [event for event in cloud.ledger.read_events(MAX_EVENTS) if event.name in FREEZE_COMMANDS]
    windows = tuple(
        (
            one.id,
            state_in_words(one, now),
            minute(one.start),
            minute(one.end),
            ", ".join(one.components),
            one.title,
        )
        for one in cloud.maintenance.list_windows(LISTED)
    )
    return Page(
        "Freezes and maintenance",
        "Freezes",
        (
            Heading(
                "Freezes and maintenance windows",
                "",
                "FROZEN" if frozen else "NOT FROZEN",
                OPEN if frozen else GOOD,
                (words or f"{context.name} accepts deployments as far as its calendar allows.",),
            ),
            Links("Actions", (link_to("unfreeze" if frozen else "freeze", context.name),)),
            Table(
                "windows",
                "Maintenance windows",
                ("window", "state", "starts (UTC)", "ends (UTC)", "components", "title"),
                windows,
                empty="There is none: `orchestrator maintenance plan` plans one.",
            ),
            Table(
                "freezes",
                "Freezes",
                ("time (UTC)", "command", "what"),
                tuple((minute(event.at), event.name, event.why) for event in commands),
                f"Among the newest {MAX_EVENTS} events of the ledger.",
                "There was none lately.",
            ),
        ),
    )


def alarms_page(context: Context) -> Page:
    """Return the page of alarms as CloudWatch has them now: the service's, and all others that are in ALARM."""
    newest = next(iter(context.cloud.ledger.newest_records(1)), None)
    expected = newest.service.alarms if newest else ()
    states = context.cloud.alarms.read_states(expected)
    in_alarm = firing_alarms(context, states.values())
    if newest is None and not in_alarm:
        heading = Heading("Alarms", "", "UNKNOWN", OPEN, ("The first deployment records the service's alarms.",))
        return Page("Alarms", "Alarms", (heading,))
    firing = len(in_alarm)
    missing = [arn.rpartition(":")[2] for arn in expected if arn not in states]
    others = [one for one in states.values() if one.state != ALARM_STATE]
    rows = [(one.name, one.state, minute(one.since), one.reason) for one in (*in_alarm, *others)]
    rows += [(name, "does not exist", "", "") for name in missing]
    # Those in ALARM stay in the order of their severity.
    rows[firing:] = sorted(rows[firing:])
    bad = firing or missing
    return Page(
        "Alarms",
        "Alarms",
        (
            Heading(
                "Alarms",
                f"those of the service, and all others of {context.name} that are in ALARM, read from CloudWatch now",
                f"{firing} IN ALARM" if firing else "QUIET" if not missing else f"{len(missing)} MISSING",
                BAD if bad else GOOD,
            ),
            Table("alarms", "States", ("alarm", "state", "since (UTC)", "reason"), tuple(rows)),
        ),
        refresh_seconds=15,
    )


def keys_page(context: Context) -> Page:
    """Return the page of the signing keys."""
    ring = context.cloud.key_ring.read_ring()
    rows: tuple[tuple[Cell, ...], ...] = tuple(key_rows(context, ring, utc_minute))
    kind = f"version {ring.version} of the key ring, changed {minute(ring.changed_at)} UTC"
    unusable = tuple(
        (f"{key_id} is {state}: nothing can be signed or verified with it.", BAD)
        for key_id, state in context.cloud.key_ring.read_states(ring).items()
        if state != USABLE
    )
    heading = Heading("Signing keys", kind, sentences=(f"{ring.signing.kid} signs access tokens.",))
    table = Table("keys", "Keys", KEY_COLUMNS, rows)
    return Page("Signing keys", "Keys", present(heading, Notes(unusable) if unusable else None, table))


def costs_page(context: Context) -> Page:
    """Return the page of the budget and of what recoveries cost; the estimate is a page of its own."""
    recoveries = context.cloud.drills.newest_records(LISTED)
    budget = context.environment.budget.monthly_usd
    total = sum(one.cost.usd for one in recoveries)
    rows = tuple(
        (
            Link(one.id, f"/recoveries/{one.id}"),
            minute(one.requested_at),
            usd_in_words(one.cost.usd),
            one.cost.prices_of,
        )
        for one in recoveries
    )
    return Page(
        "Costs",
        "Costs",
        (
            Heading("Costs", context.name),
            Facts(
                (
                    Fact("Budget of a month", f"{budget} USD", "from environments.toml"),
                    Fact("Drills and restores", usd_in_words(total), f"expected, of the newest {len(rows)}"),
                )
            ),
            Links("Estimate", (Link("Estimate a month, a deployment and a drill", "/costs/estimate"),), "estimate"),
            note("The estimate synthesises the stacks, which takes about half a minute."),
            Table("recoveries", "Recoveries", ("recovery", "requested (UTC)", "expected", "prices of"), rows),
        ),
    )


@lru_cache(maxsize=8)
def _estimated(name: str, _changed_at: int, _size: int) -> CostEstimate:
    """Return the estimate of an environment: the synthesis takes seconds, and depends on the settings file alone.

    Args:
        name: of the environment.
        _changed_at, _size: of the settings file; with another one the environment is estimated again.
    """
    return read_estimate(name, None, {})


def estimate_page(context: Context) -> Page:
    """Return the page of the estimated cost, as `orchestrator cost` prints it. It takes a core, so make one at a time.

    Raises:
        Refused: the stacks cannot be estimated.
        ExtraMissing: the infrastructure's libraries are not installed.
    """
    status = project.settings_file().stat()
    cost = _estimated(context.name, status.st_mtime_ns, status.st_size)
    budget = cost.environment.budget.monthly_usd
    within = cost.total_usd <= budget
    tables = tuple(
        Table(
            f"estimate-{number}",
            f"{estimate.what}: {usd_in_words(estimate.usd)}",
            ("for", "USD", "amount", "because"),
            tuple(
                (
                    charge.what,
                    usd_in_words(charge.usd),
                    f"{charge.amount:,.4g} {charge.price.unit}",
                    charge.because,
                )
                for charge in sorted(estimate.charges, key=lambda charge: -charge.usd)
            ),
            f"Not estimated: {', '.join(estimate.not_estimated)}." if estimate.not_estimated else "",
        )
        for number, estimate in enumerate(cost.estimates, start=1)
    )
    deployments, drills = f"{cost.usage.deployments_per_month:g}", f"{cost.usage.drills_per_month:g}"
    with_usage = f"With {deployments} deployments and {drills} drills; the budget is {budget} USD."
    heading = Heading(
        f"{usd_in_words(cost.total_usd)} a month",
        f"estimate of {context.name} at prices of {cost.prices.as_of}",
        "WITHIN THE BUDGET" if within else "OVER THE BUDGET",
        GOOD if within else BAD,
        (with_usage,),
    )
    return Page("Estimated cost", "Costs", (heading, *tables))
