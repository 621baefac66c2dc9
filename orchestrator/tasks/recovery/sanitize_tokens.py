"""SanitizeTokens: end every token in the restored table that was revoked, used or rotated since the recovery point.

The progress is recorded in the restored table itself, as its sanitization state; the task repeats until all
families are judged and read back. A state of another name starts a new round with an epoch of its own, because clients
use the source of a restore until it is blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.restored_tokens import SEGMENTS, restored_tokens_of, revive_logged
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.backup_times import rotated_policy
from orchestrator.domain.recovery.record import CheckResult, Fault, RecoveryAction
from orchestrator.domain.recovery.token_sanitization import (
    DispositionCounts,
    RevocationLog,
    RotatedPolicy,
    SanitizationRules,
    SanitizationStage,
    SanitizationState,
    check_any_valid,
    check_result_of,
    initial_state,
    with_progress,
    with_read_back,
)
from orchestrator.domain.verdict import Outcome
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    open_recovery,
    recovery_policy,
    recovery_task,
    save_and_continue,
)

BUDGET = timedelta(seconds=35)
"""How long one invocation works before it records its progress. The function has 60 s."""


def sanitize_tokens(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Continue the sanitization of the restored tokens table.

    Raises:
        LockLost: another execution holds the lock.
    """
    policy, recovery = recovery_policy(cloud), open_recovery(task_input, cloud)
    tokens = restored_tokens_of(recovery, cloud, policy.read_share_percent)
    rotated_tokens = rotated_policy(recovery.tables, recovery.point, policy.rotated_tokens)
    state = _start_or_resume(tokens, task_input, rotated_tokens)
    deadline = cloud.now() + BUDGET
    rules = SanitizationRules(RevocationLog(), state.policy, state.epoch, state.in_force, int(cloud.now().timestamp()))
    state = tokens.save_state(_run(tokens, state, rules, lambda: cloud.now() >= deadline))
    if state.stage is not SanitizationStage.SAFE:
        return save_and_continue(task_input, cloud, recovery, state.problem, RecoveryAction.WAIT, wait_seconds=1)
    if recovery.fault is Fault.REVOKED_TOKEN_ALIVE:
        # After everything was read back, so that only the use of the token can detect it.
        revive_logged(tokens, state.epoch)
    verdict, figures = check_result_of(state)
    any_valid = check_any_valid(state)
    # It is reported and does not decide: without a source, it may be right to end every login.
    alive = CheckResult("tokens.alive", any_valid, decides=any_valid.outcome is Outcome.PASS)
    sanitized = recovery.with_check_results(CheckResult("tokens.safe", verdict, figures), alive)
    # A drill has no cutover, so it reads no streams ahead.
    action = RecoveryAction.REPLAY if recovery.kind is Kind.RESTORE else RecoveryAction.PROCEED
    return save_and_continue(task_input, cloud, sanitized, verdict.reason, action)


def _start_or_resume(tokens: RestoredTokens, task_input: RecoveryTaskInput, policy: RotatedPolicy) -> SanitizationState:
    """Return the state of this round; a new round writes its epoch to the restored table, and nowhere else.

    The revocation log gets the epoch after the cutover: until then, the source's epoch is in force.
    """
    state = tokens.read_state()
    if state is None or state.recovery != task_input.recovery or _is_earlier_round(state, task_input.state_name):
        known = tokens.read_known_epochs()
        readable = known.source is not None
        state = tokens.save_state(
            initial_state(
                task_input.recovery, task_input.state_name, known.in_force, policy, SEGMENTS, source_readable=readable
            )
        )
    tokens.raise_epoch(state.epoch)
    return state


def _is_earlier_round(state: SanitizationState, state_name: str) -> bool:
    return state.stage is SanitizationStage.SAFE and state.round != state_name


def _run(
    tokens: RestoredTokens, state: SanitizationState, rules: SanitizationRules, is_over: Callable[[], bool]
) -> SanitizationState:
    """Judge the families, then read them back, until all is done or the budget is over."""
    if state.stage is SanitizationStage.JUDGING:
        state = _judge_segments(tokens, state, rules, is_over)
    if state.stage is SanitizationStage.PROVING and not is_over():
        state = _read_back_segments(tokens, state, rules, is_over)
    return state


def _judge_segments(
    tokens: RestoredTokens, state: SanitizationState, rules: SanitizationRules, is_over: Callable[[], bool]
) -> SanitizationState:
    def judge(cursor: tuple[str, str]) -> tuple[DispositionCounts, str | None]:
        number, after = cursor
        segment = (int(number), SEGMENTS)
        return tokens.judge_segment(segment, after, rules, is_over, source_readable=state.source_readable)

    judged = for_each(state.cursors.items(), judge)
    cursors = _next_cursors(state.cursors, [after for _, after in judged])
    return with_progress(state, cursors, SEGMENTS, sum((counts for counts, _ in judged), DispositionCounts()))


def _read_back_segments(
    tokens: RestoredTokens, state: SanitizationState, rules: SanitizationRules, is_over: Callable[[], bool]
) -> SanitizationState:
    def read_back(cursor: tuple[str, str]) -> tuple[int, list[str], str | None]:
        number, after = cursor
        return tokens.read_back_segment((int(number), SEGMENTS), after, rules, is_over)

    results = for_each(state.cursors.items(), read_back)
    cursors = _next_cursors(state.cursors, [after for *_, after in results])
    wrong = [name for _, names, _ in results for name in names]
    return with_read_back(state, cursors, sum(alive for alive, *_ in results), wrong)


def _next_cursors(cursors: Mapping[str, str], after: list[str | None]) -> Mapping[str, str]:
    """Return the cursors of the segments that are not finished."""
    return {number: key for number, key in zip(cursors, after, strict=True) if key is not None}


handler = recovery_task(sanitize_tokens)
