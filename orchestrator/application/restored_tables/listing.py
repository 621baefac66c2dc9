"""List the restored tables of an environment, and report the age of the oldest that the service does not use."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.restored_tables.discarding import reason_unproved
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.restore import table_variables_of
from orchestrator.domain.recovery.unused_tables import (
    RestoredTableStatus,
    TableFacts,
    oldest_unused,
    recovery_of_table,
    status_of,
)

SECONDS_UNUSED = "UnusedRestoredTableSeconds"
"""Name of the metric: for how long the oldest unused restored table is unused. Without such a table it has no data."""

RECENT = 50
"""How many recoveries are searched for the one that replaced a table in use: a month of daily drills, and restores."""


def list_restored_tables(cloud: Cloud, in_use: Mapping[str, str]) -> list[RestoredTableStatus]:
    """Return the status of every table with the name of a restored table of the environment.

    Args:
        cloud: the environment.
        in_use: name of each table in use to what uses it.

    Raises:
        Throttled, Unreachable: DynamoDB did not answer.
    """
    names = cloud.table_inventory.list_tables(lambda name: recovery_of_table(name, cloud.environment))
    facts = [one for one in for_each(names, cloud.table_inventory.describe) if one is not None]
    recent = cloud.restores.newest_records(RECENT) if facts else []
    records = {
        recovery: cloud.restores.find_record(recovery)
        for recovery in {recovery_of_table(one.name, cloud.environment) for one in facts}
    }

    def status(one: TableFacts) -> RestoredTableStatus:
        record = records[recovery_of_table(one.name, cloud.environment)]
        foreign = reason_unproved(cloud, record, one.name) if record and record.ended_at else ""
        return status_of(one, cloud.environment, record, in_use, recent, foreign=foreign)

    return for_each(facts, status)


def tables_of_functions(cloud: Cloud, functions: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tables of the live versions, of a canary and of `$LATEST`, each with what uses it.

    Args:
        cloud: the environment.
        functions: short name of each of the service's functions to its Lambda name.

    Raises:
        Refused: a function does not exist.
    """

    def used(function: tuple[str, str]) -> Mapping[str, str]:
        name, function_name = function
        routing = cloud.aliases.read_alias(function_name).routing
        versions = [version for version in (LATEST, routing.canary, routing.primary) if version]
        return {
            table: f"{name}:{version}"
            for version in versions
            for table in table_variables_of(cloud.versions.describe_version(function_name, version)).values()
        }

    return {table: by for of_function in for_each(sorted(functions.items()), used) for table, by in of_function.items()}


def report_unused_tables(cloud: Cloud) -> str:
    """Emit for how long the oldest unused restored table is unused, and return what it is; empty if all are in use.

    A failure is logged and not raised, because the cleanup job must go on.
    """
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    try:
        statuses = list_restored_tables(cloud, dict.fromkeys(service.tables, "the settings"))
        if oldest_unused(statuses) is not None:
            # Only now, because it takes several calls per function: after a cutover, the stack names the original tables.
            in_use = {**dict.fromkeys(service.tables, "the settings"), **tables_of_functions(cloud, service.functions)}
            statuses = [status for status in statuses if status.facts.name not in in_use]
    except (OrchestratorError, ClientError) as error:
        logger.error("restored tables not read", extra={"error": type(error).__name__, "reason": str(error)})
        return ""
    oldest = oldest_unused(statuses)
    if oldest is None:
        return ""
    unused_seconds = (cloud.now() - oldest.since).total_seconds()
    cloud.embedded_metrics.put_duration({SECONDS_UNUSED: unused_seconds}, {}, oldest.recovery)
    count = sum(1 for status in statuses if status.is_unused)
    return f"{count} restored tables are unused, {oldest.facts.name} since {oldest.since.isoformat()}"
