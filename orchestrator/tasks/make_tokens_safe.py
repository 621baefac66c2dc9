"""MakeTokensSafe: nothing that was revoked, used or replaced since the point is alive in the copy. Comes again until all is judged.

What it has done stands in the copy itself, as its mark. A state of another name begins a new round, in an epoch of its own: for
a restore, whose source lives on until it is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.restored_tokens import RestoredTokens
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Recovery, RecoveryAction, Role, Sabotage
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.token_safety import (
    Counted,
    Mark,
    RotatedPolicy,
    Safety,
    Stage,
    begun,
    finding_of,
    moved_on,
    proven_on,
)
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task

SEGMENTS = 4
BUDGET = timedelta(seconds=35)
"""How long one visit works before it writes down how far it has come. The function has 60 s."""


def make_tokens_safe(given: Recovering, cloud: Cloud) -> Recovered:
    """Go on making the copy safe.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    ledger = cloud.recoveries(given.kind)
    recovery = ledger.read(given.recovery)
    ledger.check_claim(given.epoch)
    tokens = tokens_of(recovery, cloud)
    mark = _begin(tokens, given, policy.rotated_tokens)
    until = cloud.now() + BUDGET
    safety = Safety(tokens.log(), mark.policy, mark.epoch, mark.in_force, int(cloud.now().timestamp()))
    mark = tokens.keep(_worked(tokens, mark, safety, lambda: cloud.now() >= until))
    if mark.stage is not Stage.SAFE:
        return go_on(given, cloud, recovery, mark.problem, RecoveryAction.WAIT, wait_seconds=1)
    if recovery.sabotage is Sabotage.REVOKED_TOKEN_ALIVE:
        # After all was read back, so that nothing but trying can find it.
        tokens.revive(safety.log.revoked, mark.epoch)
    verdict, figures = finding_of(mark)
    return go_on(given, cloud, recovery.found(Finding("tokens.safe", verdict, figures)), verdict.reason)


def tokens_of(recovery: Recovery, cloud: Cloud) -> RestoredTokens:
    """The restored copy of the tokens table."""
    table = recovery.table(Role.TOKENS)
    return cloud.restored_tokens(table.target, table.source, recovery.service.revocations)


def _begin(tokens: RestoredTokens, given: Recovering, policy: RotatedPolicy) -> Mark:
    mark = tokens.mark()
    if mark is None or mark.recovery != given.recovery or (mark.stage is Stage.SAFE and mark.round != given.state):
        epochs, readable = tokens.known_epochs()
        mark = tokens.keep(begun(given.recovery, given.state, epochs, policy, SEGMENTS, source_readable=readable))
    if given.kind is Kind.RESTORE:
        tokens.log_epoch(mark.epoch)
    tokens.raise_epoch(mark.epoch)
    return mark


def _worked(tokens: RestoredTokens, mark: Mark, safety: Safety, until: Callable[[], bool]) -> Mark:
    if mark.stage is Stage.JUDGING:
        mark = _judged(tokens, mark, safety, until)
    if mark.stage is Stage.PROVING and not until():
        mark = _proven(tokens, mark, safety, until)
    return mark


def _judged(tokens: RestoredTokens, mark: Mark, safety: Safety, until: Callable[[], bool]) -> Mark:
    visited = for_each(
        mark.cursors.items(),
        lambda one: tokens.judge((int(one[0]), SEGMENTS), one[1], safety, until, source_readable=mark.source_readable),
    )
    return moved_on(
        mark,
        _left(mark.cursors, [after for _, after in visited]),
        SEGMENTS,
        sum((one for one, _ in visited), Counted()),
    )


def _proven(tokens: RestoredTokens, mark: Mark, safety: Safety, until: Callable[[], bool]) -> Mark:
    visited = for_each(mark.cursors.items(), lambda one: tokens.prove((int(one[0]), SEGMENTS), one[1], safety, until))
    left = _left(mark.cursors, [after for _, _, after in visited])
    return proven_on(
        mark, left, sum(alive for alive, _, _ in visited), [one for _, wrong, _ in visited for one in wrong]
    )


def _left(cursors: Mapping[str, str], after: list[str | None]) -> Mapping[str, str]:
    return {number: key for number, key in zip(cursors, after, strict=True) if key is not None}


handler = recovery_task(make_tokens_safe)
