"""The command `remove-failed-stacks`: make the way free for another first deployment."""

from __future__ import annotations

import time

from orchestrator.aws.failed_stacks import FailedStacks
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.failed_stacks import FailedStack, StackRemoval


def remove_failed_stacks(context: Context, *, yes: bool, json: bool) -> None:
    """Show the stacks whose creation failed and what a rollback left of them; with `yes`, remove both.

    Args:
        context: the environment. Only stacks in its region are looked at.
        yes: remove them; otherwise only show them.
        json: print one JSON object.

    Raises:
        Refused: something of a stack may hold data.
        StackNotRemoved: something is still there; repeat the command.
    """
    stacks = FailedStacks(context.clients, time.sleep)
    found = stacks.find(context.name)
    # All of them are planned before the first is removed, so a refusal changes nothing.
    removals = [(stack, stacks.plan(stack)) for stack in found]
    screen = console()
    screen.quiet = json
    for stack, removal in removals:
        screen.print(_line(stack, removal), markup=False)
        if yes:
            stacks.remove(removal)
    if json:
        print_json({"removed": yes, "stacks": [removal for _, removal in removals]})
        return
    screen.print(_result(context, removals, yes=yes), markup=False)


def _line(stack: FailedStack, removal: StackRemoval) -> str:
    left = [
        *(f"table {name}" for name in removal.tables),
        *(f"key {name}" for name in removal.keys),
        *(f"log group {name}" for name in removal.log_groups),
    ]
    return f"{stack.name}: {stack.phase}, left: {', '.join(left) or 'nothing'}"


def _result(context: Context, removals: list[tuple[FailedStack, StackRemoval]], *, yes: bool) -> str:
    if not removals:
        return f"no stack of {context.name} failed its creation: there is nothing to remove"
    if yes:
        return "removed; deploy again with npx cdk deploy"
    return f"nothing was changed; `orchestrator remove-failed-stacks --env {context.name} --yes` removes them"
