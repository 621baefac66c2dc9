"""Checks of the stacks: deployed, in a good state, and protected by their stack policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.domain.doctor.result import Result, failed, passed, warned
from orchestrator.domain.failed_stacks import CREATION_FAILED

COMPLETE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
ROLLED_BACK = frozenset({"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"})
"""States of stacks that work, but whose last change failed.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"""

_IN_PROGRESS = "_IN_PROGRESS"


def check_stacks(expected: Sequence[str], states: Mapping[str, str], env: str) -> Result:
    """Check that every stack of the environment is deployed and in a good state.

    Args:
        expected: names of the stacks, in the order of their deployment.
        states: status by name, of those that exist.
        env: the environment's name.
    """
    deploy = f"npx cdk deploy --all -c environment={env}"
    missing = [name for name in expected if name not in states]
    if missing:
        return failed(f"not deployed: {', '.join(missing)}", deploy)
    if unfinished := _having(expected, states, CREATION_FAILED):
        return failed(f"creation failed: {unfinished}", f"orchestrator remove-failed-stacks --env {env}, then {deploy}")
    moving = {state for state in states.values() if state.endswith(_IN_PROGRESS)}
    if broken := _having(expected, states, set(states.values()) - COMPLETE - ROLLED_BACK - moving):
        return failed(f"in a state that is not good: {broken}", "docs/runbooks/infrastructure-rollback.md")
    if rolled_back := _having(expected, states, ROLLED_BACK):
        return warned(f"the last change was rolled back: {rolled_back}", deploy)
    if being_changed := _having(expected, states, moving):
        return warned(f"being changed: {being_changed}", f"wait for its end, then orchestrator doctor --env {env}")
    return passed(f"{len(expected)} stacks are complete")


def check_stack_policies(found: Mapping[str, object], wanted: Mapping[str, object], files: Mapping[str, str]) -> Result:
    """Check that the stack policies are set, which keep CloudFormation from moving traffic and from removing data.

    Args:
        found: the policy of each stack, decoded; None without a policy.
        wanted: the policy that each stack should have.
        files: the file of each policy, for the remedy.
    """
    wrong = [stack for stack in wanted if found.get(stack) != wanted[stack]]
    if not wrong:
        return passed(f"set on {', '.join(wanted)}")
    absent = [stack for stack in wrong if found.get(stack) is None]
    reason = f"not set: {', '.join(absent)}" if absent else f"different: {', '.join(wrong)}"
    commands = "; ".join(
        f"aws cloudformation set-stack-policy --stack-name {stack} --stack-policy-body file://{files[stack]}"
        for stack in wrong
    )
    return failed(reason, commands)


def _having(names: Sequence[str], states: Mapping[str, str], wanted: frozenset[str] | set[str]) -> str:
    return ", ".join(f"{name} ({states[name]})" for name in names if states[name] in wanted)
