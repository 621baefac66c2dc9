"""Plan: validate everything and create the deployment's record. Nothing else is changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import msgspec

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.lock_holder import refuse_running_holder, refuse_unfinished_holder
from orchestrator.aws.lambda_.aliases import Alias
from orchestrator.domain.deployment.calendar import refuse_closed
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.freeze import refuse_frozen
from orchestrator.domain.deployment.known_good import is_known_good, known_good_of, lifts_bar, shorten
from orchestrator.domain.deployment.plan import Function, Plan, Service
from orchestrator.domain.deployment.policy import DeliveryPolicy, decode_policy
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, KnownGood, Release
from orchestrator.domain.deployment.release import refuse_role_change, release_commit, release_digest
from orchestrator.domain.deployment.request import ANY_RELEASE, DeploymentRequest, read_deployment_request
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import LockLost, Refused
from orchestrator.domain.maintenance.effects import refuse_under_maintenance
from orchestrator.domain.recovery.restore import cutover_of, refuse_lower_least_epoch, refuse_other_tables
from orchestrator.tasks.runtime import TaskInput, TaskOutput, make_decision, task


def plan_deployment(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Plan a deployment.

    Raises:
        Refused: the request, the environment or the release does not allow it. Names the field, its value and a remedy.
    """
    policy = DeliveryPolicy.parse(decode_policy(cloud.settings["DELIVERY_POLICY"]))
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    request = read_deployment_request(task_input.state, policy)
    cutover = (
        cutover_of(cloud.restores.read_record(request.cutover), cloud.ledger.read_lock()) if request.cutover else None
    )
    if cutover is None:
        # The freeze was already checked for a cutover, when its restore was planned.
        refuse_frozen(cloud.freezes.read_freeze())
        refuse_under_maintenance(cloud.maintenance.read_schedule(), task_input.deployment, cloud.now())
        refuse_closed(policy.calendar, cloud.now(), request.outside_calendar)
        # Before the release is read: while another deployment runs, its aliases are at a weight for a good reason.
        _refuse_held_lock(task_input, cloud)
    planned = Plan.from_strategy(read_strategy(request.strategy, policy), policy)
    if cutover is not None:
        # A recovery waits for no gate: its tables are what clients lack.
        planned = replace(planned, gates=())
    functions, revisions, release = _read_release(service, cloud, tables_change=cutover is not None)
    _refuse_release(request, release, cloud)
    known_good = None if cutover else _find_known_good(release, service, cloud)
    # A strategy that was given is followed: it asks for the whole analysis.
    plan = shorten(planned, known_good) if known_good and request.strategy is None else planned
    calendar = None if cutover else policy.calendar
    closed = calendar is not None and not calendar.is_open(cloud.now())
    if calendar is not None and closed and not request.outside_calendar:
        plan = plan.after_opening(calendar, cloud.now())
    deployment = cloud.ledger.create_record(
        Deployment(
            id=task_input.deployment,
            environment=cloud.environment,
            requested_by=request.requested_by,
            requested_as=request.requested_as,
            requested_at=cloud.now(),
            release=release,
            plan=plan,
            service=replace(service, tables=cutover.new_table_names) if cutover else service,
            functions=functions,
            revisions=revisions,
            phase=DeploymentPhase.PLANNED,
            execution=task_input.execution,
            checklist=request.checklist,
            schema_change=request.schema_change,
            cutover=cutover,
            known_good=known_good,
            changelog=request.changelog,
            outside_calendar=request.outside_calendar if closed else "",
        )
    )
    cloud.announce(
        "DeploymentPlanned",
        deployment.id,
        release=release.digest,
        commit=release.commit,
        strategy=plan.strategy,
        steps=plan.steps,
        evaluations=plan.evaluations,
        transitions=plan.transitions,
        requested_by=request.requested_by,
        known_good=known_good,
        outside_calendar=deployment.outside_calendar,
    )
    reason = f"{plan.strategy}: {len(plan.steps)} steps, {plan.evaluations} evaluations, {plan.transitions} transitions"
    return TaskOutput(deployment.id, 0, make_decision(Action.PROCEED, reason))


def _refuse_held_lock(task_input: TaskInput, cloud: Cloud) -> None:
    lock = cloud.ledger.read_lock()
    if not lock.held or lock.execution == task_input.execution:
        return
    with suppress(LockLost):  # The holder is about to release it; AcquireLock waits for that.
        refuse_running_holder(lock, cloud)
        refuse_unfinished_holder(lock, cloud)


def _find_known_good(release: Release, service: Service, cloud: Cloud) -> KnownGood | None:
    """Return recorded versions that are this release and still exist; None if it has to be published.

    A release that was rolled back is known good again once it has succeeded since.
    """
    rolled_back = cloud.ledger.rolled_back_by(release.digest)
    if rolled_back and not _has_succeeded_since(rolled_back, release, cloud):
        return None
    record = cloud.ledger.find_newest(lambda earlier: is_known_good(earlier, release.digest))
    known_good = known_good_of(record) if record else None
    if known_good is None or known_good.versions.keys() != service.functions.keys():
        return None
    with suppress(Refused):  # A version was deleted since.
        versions = {
            name: cloud.versions.describe_version(service.functions[name], version)
            for name, version in known_good.versions.items()
        }
        if release_digest(versions) == release.digest:
            return known_good
    return None


def _read_release(
    service: Service, cloud: Cloud, *, tables_change: bool
) -> tuple[tuple[Function, ...], Mapping[str, str], Release]:
    """Return the functions on their stable versions, their aliases' revisions, and the release that `$LATEST` holds."""
    names = sorted(service.functions)
    aliases = for_each(names, lambda name: cloud.aliases.read_alias(service.functions[name]))
    latest_versions = for_each(names, lambda name: cloud.versions.describe_version(service.functions[name]))
    latest = dict(zip(names, latest_versions, strict=True))
    functions = []
    for name, alias in zip(names, aliases, strict=True):
        _refuse_shifted_alias(service.functions[name], alias, cloud.environment)
        stable = cloud.versions.describe_version(service.functions[name], alias.routing.primary)
        refuse_role_change(name, stable, latest[name])
        refuse_lower_least_epoch(name, stable, latest[name])
        if not tables_change:
            refuse_other_tables(name, stable, latest[name])
        # Until PublishVersions there is no canary: the function has only its stable version.
        functions.append(Function(name, service.functions[name], stable.version, stable.version))
    revisions = {name: alias.revision for name, alias in zip(names, aliases, strict=True)}
    release = Release(
        digest=release_digest(latest),
        revisions={name: version.revision for name, version in latest.items()},
        code={name: version.code_sha256 for name, version in latest.items()},
        commit=release_commit(latest),
    )
    return tuple(functions), revisions, release


def _refuse_shifted_alias(function_name: str, alias: Alias, environment: str) -> None:
    # No deployment is under way, or the lock would be held: the weight was set by hand.
    if alias.routing.canary:
        raise Refused(
            f"{function_name}:live",
            f"{alias.routing.weight_percent} % on version {alias.routing.canary}",
            f"no deployment is under way, so it was set outside the orchestrator: `orchestrator repair --env {environment}` "
            "shows what is live and how to adopt or revert it",
        )


def _refuse_release(request: DeploymentRequest, release: Release, cloud: Cloud) -> None:
    if request.release not in {ANY_RELEASE, release.digest}:
        remedy = f"$LATEST holds {release.digest}; deploy the stack again or request that release"
        raise Refused("release", request.release, remedy)
    earlier = cloud.ledger.rolled_back_by(release.digest)
    if earlier and not request.force and not _has_succeeded_since(earlier, release, cloud):
        remedy = f"deployment {earlier} rolled it back: deploy a fixed release, or this one with --force"
        raise Refused("release", release.digest, remedy)


def _has_succeeded_since(deployment_id: str, release: Release, cloud: Cloud) -> bool:
    rolled_back = cloud.ledger.find_record(deployment_id)
    succeeded = cloud.ledger.find_newest(lambda record: is_known_good(record, release.digest))
    return rolled_back is not None and succeeded is not None and lifts_bar(succeeded, rolled_back)


handler = task(plan_deployment)
