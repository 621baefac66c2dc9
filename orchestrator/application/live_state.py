"""Read the live state of an environment, and report what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import OrchestratorError, Refused
from orchestrator.domain.recovery.restore import environment_variables_of
from orchestrator.domain.rollback.live_state import LiveFunction, live_state_problems, records_live_state, restored_by

if TYPE_CHECKING:
    from orchestrator.aws.ledger.deployments import Ledger

PROBLEMS = "LiveStateProblems"
"""Metric: how many problems the live state has. The reconciler emits it every minute."""

BUILD_VARIABLE = "RELEASE"


@dataclass(frozen=True)
class LiveState:
    """The live state.

    Attributes:
        functions: every function as its alias routes it.
        recorded: the newest deployment whose record says what is live; None if there is none.
        problems: what is wrong, a sentence each.
    """

    functions: tuple[LiveFunction, ...]
    recorded: Deployment | None
    problems: tuple[str, ...]


def read_live_state(functions: Mapping[str, str], lock: EnvironmentLock, cloud: Cloud) -> LiveState:
    """Read the aliases and the builds of their versions, and compare them with the ledger.

    Args:
        functions: short name of every function to its Lambda function name.
        lock: the environment lock, read before.
        cloud: the environment.

    Raises:
        AliasConflict: a function has no alias.
    """
    names = sorted(functions)
    live = tuple(for_each(names, lambda name: _live_function(name, functions[name], cloud)))
    recorded = cloud.ledger.find_newest(records_live_state)
    moving = lock.held and lock.kind in {Kind.DEPLOYMENT, Kind.ROLLBACK}
    in_flight = moving and cloud.executions.describe_execution(lock.execution).alive
    return LiveState(live, recorded, live_state_problems(live, recorded, in_flight=in_flight))


def newest_shifted(ledger: Ledger) -> Deployment | None:
    """Return the deployment that a rollback undoes: the newest that moved traffic; None if none did.

    A repair moves traffic, too. If it restored what an earlier deployment had made live, that deployment is the one.
    """
    repairs: list[Deployment] = []

    def shifted_as_deployment(record: Deployment) -> bool:
        if record.repair:
            repairs.append(record)
        return record.moved_traffic and not record.repair

    shifted = ledger.find_newest(shifted_as_deployment)
    if not repairs or (shifted is not None and restored_by(repairs[0], shifted)):
        return shifted
    return repairs[0]


def report_live_state(cloud: Cloud) -> str:
    """Emit the number of problems as a metric, and return them; empty if there is none.

    A failure is logged and not raised, because the reconciler must go on. Nothing is emitted while the lock changes
    hands, because the aliases and the record of a deployment are not read at the same moment.
    """
    service, ledger = msgspec.json.decode(cloud.settings["SERVICE"], type=Service), cloud.ledger
    try:
        lock = ledger.read_lock()
        state = read_live_state(service.functions, lock, cloud)
        if ledger.read_lock() != lock:
            return ""
    except (OrchestratorError, ClientError) as error:
        logger.error("live state not read", extra={"error": type(error).__name__, "reason": str(error)})
        return ""
    subject = state.recorded.id if state.recorded else ""
    cloud.embedded_metrics.put_count(PROBLEMS, {}, subject, len(state.problems))
    for problem in state.problems:
        logger.error("live state", extra={"reason": problem})
    return "; ".join(state.problems)


def _live_function(name: str, function_name: str, cloud: Cloud) -> LiveFunction:
    routing = cloud.aliases.read_alias(function_name).routing
    try:
        variables = environment_variables_of(cloud.versions.describe_version(function_name, routing.primary))
    except Refused:
        variables = {}  # The caller may not decrypt them: the versions are compared all the same.
    build = _build_of(variables.get(BUILD_VARIABLE, ""))
    return LiveFunction(name, routing.primary, routing.canary, routing.weight_percent, build)


def _build_of(release: str) -> str:
    try:
        found = msgspec.json.decode(release or "{}", type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):  # a person can set the variable to any text
        return ""
    return str(found.get("build", ""))
