"""The command `rebuild`: show the plan, ask for confirmation, and perform it phase by phase."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.application.rebuild.run import Rebuild
from orchestrator.aws.rebuild.assemblies import Assembly, digest_of
from orchestrator.aws.rebuild.records import RebuildRecords
from orchestrator.aws.rebuild.remains import Remains
from orchestrator.aws.rebuild.stacks import Stacks
from orchestrator.cli.actions.rebuild.assembly import find_assembly
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.configuration.snapshot import read_snapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import new_key
from orchestrator.domain.rebuild.plan import RebuildPlan, Sources, TableSource, plan_rebuild, tables_of
from orchestrator.domain.rebuild.result import Phase, RebuildResult, describe_differences

_LOCAL_POLL_SECONDS, _POLL_SECONDS = 0.2, 5.0


def rebuild(
    context: Context,
    assembly: Path | None,
    snapshot: str,
    empty: Sequence[str],
    requested_by: str,
    confirm: Callable[[str], bool],
    *,
    plan_only: bool,
    json: bool,
) -> int:
    """Show the plan of a rebuild and, unless `plan_only`, perform it; return the exit code.

    Args:
        context: the environment.
        assembly: a folder that `cdk synth` wrote; None finds the one that was deployed.
        snapshot: id of a configuration snapshot; empty for the newest.
        empty: tables that may be created empty.
        requested_by: the operator.
        confirm: asks the operator; returns whether the operator agrees.
        plan_only: change nothing.
        json: print one JSON object.

    Raises:
        Refused: the environment is not emptied, or something that is needed is gone; nothing was changed.
        RestoreFailed, StackNotRebuilt: a phase failed; the command continues there when it is repeated.
    """
    records = RebuildRecords(context.cloud.artifacts)
    key, digest = records.find_snapshot(snapshot)
    record, content = records.read_snapshot(key, digest)
    before = read_snapshot(content)
    folder, read = find_assembly(context, before, assembly)
    remains = Remains(context.clients)
    templates = {name: read.template(name) for name in _stacks(read, remains, context.environment.region)}
    plan = records.unfinished()
    if plan is not None:
        stacks = read.stacks(context.environment.region)
        templates = {stack.name: read.template(stack.name) for stack in plan.stacks if stack.name in stacks}
        _refuse_other(plan, digest_of(templates))
    continued = plan is not None
    if plan is None:
        sources = Sources(
            id=f"rb-{new_key(context.cloud.now(), secrets.token_bytes(8))}",
            account=context.account,
            region=context.environment.region,
            snapshot=before,
            snapshot_id=record.id,
            snapshot_key=key,
            snapshot_sha256=digest,
            templates=templates,
            assembly=digest_of(templates),
            empty=empty,
        )
        plan = plan_rebuild(sources, remains.find(tuple(templates), tables_of(sources)))
    if plan_only:
        if json:
            print_json({"plan": plan, "assembly": str(folder), "continued": continued})
        else:
            _show_plan(plan, folder, continued=continued)
        return DONE
    if not json:
        _show_plan(plan, folder, continued=continued)
    if not confirm(f"Rebuild {context.name}?"):
        raise Refused("confirmation", "no", "nothing was changed; agree, or give --yes")
    if not continued:
        records.begin(plan)
    return _perform(context, plan, read, requested_by, json=json)


def abandon(context: Context, requested_by: str, confirm: Callable[[str], bool], *, json: bool) -> int:
    """End the rebuild that is under way, so that the next one is planned anew; return the exit code.

    Raises:
        Refused: no rebuild is under way, or the operator does not agree.
    """
    records = RebuildRecords(context.cloud.artifacts)
    plan = records.unfinished()
    if plan is None:
        raise Refused("--abandon", "rebuild", "none is under way: the next one is planned anew in any case")
    if not confirm(f"Abandon {plan.id}, the rebuild of {plan.environment}?"):
        raise Refused("confirmation", "no", "nothing was changed; agree, or give --yes")
    records.abandon(plan.id, requested_by, context.cloud.now())
    if json:
        print_json({"abandoned": plan.id})
    else:
        console().print(f"{plan.id} is abandoned. What it made is left as it is.", markup=False, soft_wrap=True)
    return DONE


def _stacks(assembly: Assembly, remains: Remains, region: str) -> tuple[str, ...]:
    """Return the stacks to rebuild: those of the assembly that were there once, or all if CloudFormation knows none."""
    stacks = assembly.stacks(region)
    deleted = remains.deleted_stacks()
    known = tuple(name for name in stacks if name in deleted or remains.stack_status(name))
    return known or stacks


def _perform(context: Context, plan: RebuildPlan, assembly: Assembly, requested_by: str, *, json: bool) -> int:
    local = context.environment.local
    stacks = Stacks(
        context.clients,
        assembly,
        context.cloud.sleep,
        endpoint=context.clients("s3").meta.endpoint_url if local else "",
        as_role=not local,
        poll_seconds=_LOCAL_POLL_SECONDS if local else _POLL_SECONDS,
    )
    screen = console()

    def report(phase: Phase) -> None:
        if not json:
            screen.print(f"{phase.name}: {phase.result} ({phase.seconds:.1f} s)", markup=False, soft_wrap=True)

    after_stack = _after_stack(context, stacks, assembly)
    result = Rebuild(context.cloud, stacks, RebuildRecords(context.cloud.artifacts), after_stack, report).run(
        plan, requested_by
    )
    if json:
        print_json({"result": result, "complete": result.complete})
    else:
        _show_result(context, result)
    return DONE if result.complete else FAILED


def _after_stack(context: Context, stacks: Stacks, assembly: Assembly) -> Callable[[str], None]:
    """Return what is done after each stack: its policy, and on the local cloud what its CloudFormation omits."""
    from orchestrator.local import cdk_deploy  # noqa: PLC0415 - the policies are files of the sources

    def after(name: str) -> None:
        if policy := cdk_deploy.stack_policy(name.removesuffix(f"-{context.name}")):
            stacks.set_policy(name, policy)
        if context.environment.local:
            cdk_deploy.complete_locally(assembly.template(name), _local_environ())

    return after


def _local_environ() -> Mapping[str, str]:
    from orchestrator.environments import project  # noqa: PLC0415 - as above
    from orchestrator.local.cloud import LocalCloud  # noqa: PLC0415 - as above

    return LocalCloud.find(project.local_folder()).environ


def _refuse_other(plan: RebuildPlan, assembly: str) -> None:
    if plan.assembly != assembly:
        remedy = (
            f"{plan.id} has not ended and was begun with another assembly: continue with that one, or end that rebuild "
            "by `orchestrator rebuild --abandon` and plan anew"
        )
        raise Refused("--assembly", assembly, remedy)


def _show_plan(plan: RebuildPlan, folder: Path, *, continued: bool) -> None:
    screen = console()
    screen.print(
        f"{plan.id}: {plan.environment} as of the configuration snapshot {plan.snapshot}, from {folder}",
        style="bold",
        markup=False,
        soft_wrap=True,
    )
    if continued:
        screen.print("It was begun before and has not ended: its steps continue where they were.")
        screen.print("If the environment was emptied again since: `orchestrator rebuild --abandon`, then plan anew.")
    rows: list[tuple[Any, ...]] = [
        (
            table.name,
            str(table.source),
            f"{table.content_at:%Y-%m-%d %H:%M:%S}" if table.content_at else "-",
            "yes" if table.ends_logins else "no",
        )
        for table in plan.tables
    ]
    screen.print(text_table(("table", "items from", "as of (UTC)", "logins end"), rows, ("table",)))
    stacks = [(stack.name, len(stack.imports) or "-") for stack in plan.stacks]
    screen.print(text_table(("stack", "resources imported"), stacks, ("stack",)))
    if plan.keys:
        screen.print(f"Keys made usable again: {', '.join(plan.keys)}", markup=False, soft_wrap=True)
    for note in plan.notes:
        screen.print(f"Lost: {note}", style="bold red", markup=False, soft_wrap=True)
    if not any(table.source is TableSource.EMPTY for table in plan.tables) and not plan.notes:
        screen.print("Nothing is lost by the plan.")


def _show_result(context: Context, result: RebuildResult) -> None:
    screen = console()
    rows = [(phase.name, f"{phase.seconds:.1f}") for phase in result.phases]
    rows.append(("in all", f"{result.took.total_seconds():.1f}"))
    screen.print(text_table(("phase", "seconds"), rows, ("phase",)))
    if result.complete:
        screen.print(f"{context.name} is rebuilt: {describe_differences(result.differences)}", style="green")
        return
    what = describe_differences(result.differences) if result.differences else "the service is not healthy"
    screen.print(f"{context.name} is not complete: {what}", style="bold red", markup=False, soft_wrap=True)
    screen.print(f"`orchestrator config diff newest --live --env {context.name}` shows the differences", markup=False)
