"""The deployments of an environment, newest first, and the report of one."""

from __future__ import annotations

from orchestrator.cli.actions.reports.report import read_report
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import short_digest
from orchestrator.console.pages.words import lasted, minute
from orchestrator.console.sections import Cell, Heading, Link, Page, Table, of_report
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.recovery.request import RECOVERY_PREFIX

PLACE = "Deployments"
LISTED = 50


def path_of(identifier: str) -> str:
    """Return the path of the page of a deployment or a recovery."""
    return f"/recoveries/{identifier}" if identifier.startswith(RECOVERY_PREFIX) else f"/deployments/{identifier}"


def history_page(context: Context) -> Page:
    """Return the page of the newest deployments."""
    deployments = context.cloud.ledger.newest_records(LISTED)
    heading = Heading("Deployments", f"the newest {len(deployments)} of {context.name}")
    return Page("Deployments", PLACE, (heading, deployments_table(deployments)))


def deployments_table(deployments: list[Deployment], title: str = "History") -> Table:
    """Return a table of deployments in the given order."""
    columns = ("deployment", "requested (UTC)", "outcome", "took", "strategy", "release", "requested by", "reason")
    return Table(
        "deployments",
        title,
        columns,
        tuple(_row(one) for one in deployments),
        empty="There is no deployment yet: `orchestrator deploy` starts one.",
    )


def _row(one: Deployment) -> tuple[Cell, ...]:
    return (
        Link(one.id, path_of(one.id)),
        minute(one.requested_at),
        one.phase if one.under_way else str(one.outcome or one.phase),
        lasted(one.ended_at - one.requested_at if one.ended_at else None),
        one.plan.strategy,
        short_digest(one.release.digest),
        one.requested_by,
        one.reason,
    )


def report_page(context: Context, name: str) -> Page:
    """Return the report of a deployment with all its tables, as `orchestrator report` writes it.

    Raises:
        Refused: there is no such deployment.
    """
    report = read_report(context, name)
    return Page(f"Report of {name}", PLACE, of_report(report, Link("Live page", path_of(name))))
