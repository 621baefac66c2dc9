"""The commands `repair` and `rollback --to`: move the aliases to versions that an operator chose.

The rollback state machine does it, under the environment lock, as it does for every rollback.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from orchestrator import environments
from orchestrator.application.cloud import for_each
from orchestrator.application.live_state import LiveState, read_live_state
from orchestrator.application.lock_holder import refuse_running_holder
from orchestrator.application.rollback_targets import missing_targets
from orchestrator.application.start_rollback import start_rollback
from orchestrator.aws.step_functions import execution_arn
from orchestrator.cli.context import Context
from orchestrator.cli.errors import exit_code
from orchestrator.cli.live.json_lines import print_result
from orchestrator.cli.rendering.deployment_timeline import outcome_line
from orchestrator.cli.rendering.follow import follow_deployment
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import (
    Deployment,
    DeploymentOutcome,
    RollbackTrigger,
)
from orchestrator.domain.environment_lock import EnvironmentLock, refuse_unfinished
from orchestrator.domain.errors import LockLost, Refused
from orchestrator.domain.identifiers import deployment_id, new_key
from orchestrator.domain.recovery.restore import refuse_lower_least_epoch, refuse_other_tables
from orchestrator.domain.rollback.decision import PERSON, refuse_missing_targets
from orchestrator.domain.rollback.live_state import (
    adopted_versions,
    live_versions,
    read_targets,
    refuse_mixed,
    repair_of,
)

REPAIRED = (DeploymentOutcome.ROLLED_BACK,)
RELEASED_WITHIN_SECONDS = 30


def repair(context: Context, *, adopt: bool, revert: bool, reason: str, by: str, watch: bool, json: bool) -> int:
    """Show what is live and both ways to repair it, or start one of them; return the exit code.

    Args:
        context: the environment.
        adopt: keep every alias on its version, without weights.
        revert: move every alias to the version that the ledger recorded last, without weights.
        reason: recorded in the incident.
        by: the operator.
        watch: follow it until its end.
        json: print one JSON object.

    Raises:
        Refused: nothing is to be repaired, another execution holds the lock, or the way is not possible.
    """
    if adopt and revert:
        raise Refused("--revert", revert, "give --adopt or --revert, not both")
    state = _live_state(context)
    if not adopt and not revert:
        _show_plan(context, state, json=json)
        return exit_code(None)
    if not state.problems:
        remedy = "there is nothing to repair; `orchestrator rollback --to VERSIONS` moves the aliases elsewhere"
        raise Refused("env", context.name, remedy)
    if adopt:
        refuse_mixed(state.functions)
        targets = adopted_versions(state.functions)
    elif state.recorded is None:
        raise Refused("--revert", revert, "the ledger has no live state yet: `orchestrator rollback --to VERSIONS`")
    else:
        targets = live_versions(state.recorded)
    way = "adopted" if adopt else "reverted"
    return _move(context, state, targets, f"{way} by hand: {reason}", by, watch=watch, json=json)


def refuse_named_deployment(name: str | None) -> None:
    """Refuse a deployment together with the versions of `--to`.

    Raises:
        Refused: a deployment is named.
    """
    if name is not None:
        raise Refused("deployment", name, "give a deployment or --to, not both: --to says where the aliases go")


def roll_back_to(context: Context, versions: str, reason: str, by: str, *, watch: bool, json: bool) -> int:
    """Start a rollback of every alias to the given versions; return the exit code.

    Args:
        context: the environment.
        versions: such as ``token=26,public=14``. A function that is not named stays on its live version.
        reason: recorded in the incident.
        by: the operator.
        watch: follow it until its end.
        json: print one JSON object.

    Raises:
        Refused: the versions are not valid, a version is missing, or another execution holds the lock.
    """
    chosen = read_targets(versions, environments.FUNCTIONS)
    state = _live_state(context)
    targets = {**adopted_versions(state.functions), **chosen}
    return _move(context, state, targets, f"rolled back to {versions}: {reason}", by, watch=watch, json=json)


def _move(
    context: Context, state: LiveState, targets: Mapping[str, str], reason: str, by: str, *, watch: bool, json: bool
) -> int:
    refuse_missing_reason("--reason", reason)
    cloud, ledger = context.cloud, context.cloud.ledger
    lock = _wait_for_lock(context)
    functions = tuple(
        Function(function.name, context.function_name(function.name), targets[function.name], function.version)
        for function in state.functions
    )
    refuse_missing_targets(missing_targets(functions, cloud), context.name)
    for_each(functions, lambda function: _refuse_incompatible(function, context))
    trigger = RollbackTrigger(PERSON, f"{reason} (by {by})", cloud.now())
    if lock.held:
        # Its execution ended without completing it: its own rollback takes these versions in place of the stable ones.
        deployment = ledger.find_record(lock.deployment)
        if deployment is None or not deployment.under_way:
            refuse_unfinished(lock, context.name)
        name = lock.deployment
        ledger.record_targets(name, targets)
    else:
        name = _create_repair(context, functions, by).id
    execution = start_rollback(cloud, name, trigger)
    if watch:
        return _follow(context, name, execution, by, json=json)
    if json:
        print_json({"deployment": name, "execution": execution, "versions": targets})
    else:
        chosen = ", ".join(f"{function} {version}" for function, version in targets.items())
        console().print(
            f"started {execution} to {chosen}; follow it with `orchestrator watch {name} --env {context.name}`",
            markup=False,
        )
    return exit_code(None)


def _wait_for_lock(context: Context) -> EnvironmentLock:
    """Return the lock once no execution that runs holds it; one that has ended releases it within seconds.

    Raises:
        Refused: an execution that runs holds the lock.
        LockLost: its holder has ended and does not release it.
    """
    cloud = context.cloud
    for attempt in range(1, RELEASED_WITHIN_SECONDS + 1):
        lock = cloud.ledger.read_lock()
        try:
            refuse_running_holder(lock, cloud)
        except LockLost:
            if attempt == RELEASED_WITHIN_SECONDS:
                raise
            cloud.sleep(1)
        else:
            break
    return lock


def _create_repair(context: Context, functions: tuple[Function, ...], by: str) -> Deployment:
    """Record the repair, as the deployment that its rollback rolls back to the chosen versions."""
    cloud = context.cloud
    base = next(iter(cloud.ledger.newest_records(1)), None)
    if base is None:
        raise Refused("deployment", "the newest", "deploy once: the first plan records the service's functions")
    name = deployment_id(new_key(cloud.now(), secrets.token_bytes(8)))
    execution = execution_arn(context.state_machine_arn("rollback"), f"rollback-{name}-1")
    return cloud.ledger.create_record(repair_of(base, name, functions, by, execution, cloud.now()))


def _refuse_incompatible(function: Function, context: Context) -> None:
    versions = context.cloud.versions
    live = versions.describe_version(function.function_name, function.canary_version)
    target = versions.describe_version(function.function_name, function.stable_version)
    try:
        refuse_other_tables(function.name, live, target)
        refuse_lower_least_epoch(function.name, live, target)
    except Refused as error:
        remedy = "it uses other tables or an earlier revocation epoch than the live version: name a later version"
        raise Refused("--to", f"{function.name}={function.stable_version}", remedy) from error


def _live_state(context: Context) -> LiveState:
    functions = {name: context.function_name(name) for name in environments.FUNCTIONS}
    return read_live_state(functions, context.cloud.ledger.read_lock(), context.cloud)


def _show_plan(context: Context, state: LiveState, *, json: bool) -> None:
    adopt = adopted_versions(state.functions)
    revert = live_versions(state.recorded) if state.recorded else {}
    if json:
        print_json({"problems": state.problems, "live": state.functions, "adopt": adopt, "revert": revert})
        return
    screen = console()
    for problem in state.problems or ("nothing is wrong with the live state: there is nothing to repair",):
        screen.print(problem, style="bold", markup=False)
    rows = [
        (
            function.name,
            function.version,
            f"{function.canary} ({function.weight_percent} %)" if function.canary else "-",
            adopt[function.name],
            revert.get(function.name, "-"),
        )
        for function in state.functions
    ]
    screen.print(text_table(("function", "live", "weight", "adopt", "revert"), rows))
    if state.problems:
        screen.print(f"keep what is live:       orchestrator repair --adopt --env {context.name}", markup=False)
        since = f"of {state.recorded.id}" if state.recorded else "(the ledger has none)"
        screen.print(f"back to the state {since}: orchestrator repair --revert --env {context.name}", markup=False)


def _follow(context: Context, name: str, execution: str, by: str, *, json: bool) -> int:
    deployment = follow_deployment(context, name, by, json=json, rollback=execution)
    if json:
        print_result(context.cloud.now(), {"outcome": outcome_line(deployment), "deployment": deployment})
    expected: Collection[DeploymentOutcome] = REPAIRED
    return exit_code(deployment.outcome, expected)
