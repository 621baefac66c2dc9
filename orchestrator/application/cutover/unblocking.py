"""Tables in use that stay blocked by mistake."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.domain.deployment.cutover import TableRef
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import (
    LockLost,
    OrchestratorError,
)
from orchestrator.domain.recovery.restore import (
    table_variables_of,
)


def unblock_live_tables(cloud: Cloud) -> str:
    """Unblock tables that the live versions use while no execution holds the environment lock; return what was done.

    A cutover or its rollback leaves no live table blocked. But a task that was stopped may have sent its last request
    late, or a policy may have been read before it was visible. Tables that the way back of a failover has closed stay
    closed (ADR 77). A failure is logged and not raised, because the reconciler must go on.
    """
    lock = cloud.ledger.read_lock()
    if lock.held:
        return ""

    def fence() -> None:
        if cloud.ledger.read_lock() != lock:
            raise LockLost("an execution acquired the environment lock meanwhile")

    try:
        blocked = [table for table in _live_tables(cloud) if cloud.table_access.is_blocked(table)]
        if blocked and _issues_elsewhere(cloud):
            return ""
        for table in blocked:
            cloud.table_access.unblock(table, fence)
    except (OrchestratorError, ClientError) as error:
        logger.error("live tables not checked", extra={"error": type(error).__name__, "reason": str(error)})
        return ""
    if not blocked:
        return ""
    names = [table.name for table in blocked]
    logger.error("live tables were blocked", extra={"tables": names})
    cloud.announce("SourceTablesUnblocked", lock.deployment, tables=names)
    return f"{', '.join(names)} was blocked although clients use it, and is unblocked"


def _issues_elsewhere(cloud: Cloud) -> bool:
    """Whether another region may issue tokens by the assignment in this ledger: the way back has closed the tables here."""
    assignment = cloud.failovers.read_assignment().assignment
    return assignment is not None and assignment.region != cloud.settings["AWS_REGION"]


def _live_tables(cloud: Cloud) -> list[TableRef]:
    """Return the tables that the live versions use."""
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    account = cloud.settings["DEPLOYMENT_MACHINE"].split(":")[4]

    def names(function_name: str) -> Iterable[str]:
        stable = cloud.aliases.read_alias(function_name).routing.primary
        return table_variables_of(cloud.versions.describe_version(function_name, stable)).values()

    found = {name for of_function in for_each(service.functions.values(), names) for name in of_function}
    place = f"arn:aws:dynamodb:{cloud.settings['AWS_REGION']}:{account}:table"
    return [TableRef(name, f"{place}/{name}") for name in sorted(found)]
