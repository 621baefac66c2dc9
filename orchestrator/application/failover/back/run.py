"""Perform the way back, step by step, in the process of an operator who has rights in both regions.

Each step may be repeated, and its first result stays: a run that died is continued by the next one. Errors that a
repetition may not have are retried some times; any other stops the run, and is recorded with its step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.application.failover.announcing import announce_back, ask_for_approval, update_dns
from orchestrator.application.failover.back import closing, copying
from orchestrator.application.failover.back.regions import BothRegions
from orchestrator.application.failover.progress import StepDone, StepWaits, begin_step, record_result, with_approvals
from orchestrator.application.failover.releases import code_served
from orchestrator.application.failover.switching import check_keys, service_of, switch_functions, verify_standby
from orchestrator.application.failover.takeover import cancel_failover, take_over
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.errors import (
    LockLost,
    OrchestratorError,
    PolicyNotEffective,
    Refused,
    ResourcePolicyConflict,
    Throttled,
    Unreachable,
)
from orchestrator.domain.failover.decisions import FailoverAction, is_superseded, next_decision
from orchestrator.domain.failover.home_releases import release_name
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import Direction, Step

ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 10.0
_LONGEST_WAIT_SECONDS: Final = 30.0
_LOCK_WAIT_SECONDS: Final = 15
_TRANSIENT = (Throttled, Unreachable, PolicyNotEffective, ResourcePolicyConflict)

Say = Callable[[str], None]
Perform = Callable[[ReadFailover, BothRegions], StepDone | StepWaits]


def refuse_other_direction(read: ReadFailover) -> None:
    """Refuse a failover that does not go back.

    Raises:
        Refused: it goes to the standby region, which its state machine does.
    """
    if read.failover.direction is not Direction.BACK:
        remedy = f"`orchestrator failover resume {read.failover.id}` continues it"
        raise Refused("failover", f"{read.failover.id} goes to {read.failover.region}", remedy)


def run_back(regions: BothRegions, failover_id: str, say: Say) -> ReadFailover:
    """Perform the steps that have no result, until the end or until approvals are missing; return the failover.

    Args:
        regions: both.
        failover_id: its id.
        say: called with each result, and with each reason to wait.

    Raises:
        Refused: there is no such failover, it goes the other way, or a step cannot run; the step is recorded.
        LockLost: another run continues it, or it was cancelled.
        Throttled, Unreachable: a region did not answer; the step is recorded.
    """
    read = regions.store.read_failover(failover_id)
    refuse_other_direction(read)
    attempts = 0
    while not read.failover.outcome:
        decision = next_decision(read.failover, regions.standby.now())
        if decision.action is FailoverAction.WAIT:
            say(decision.reason)
            regions.standby.sleep(min(decision.wait_seconds, _LONGEST_WAIT_SECONDS))
            read = regions.store.read_failover(failover_id)
            continue
        step = Step(decision.action)
        try:
            read, waits = _perform(step, read, regions, say)
        except _TRANSIENT as error:
            attempts += 1
            if attempts >= ATTEMPTS:
                _record_failure(regions, failover_id, step, error)
                raise
            say(f"{step}: {type(error).__name__}: {error}; it is repeated")
            regions.standby.sleep(_PAUSE_SECONDS)
            read = regions.store.read_failover(failover_id)
            continue
        except LockLost:
            raise
        except (OrchestratorError, ClientError, BotoCoreError) as error:
            _record_failure(regions, failover_id, step, error)
            raise
        attempts = 0
        if waits and step is Step.APPROVE:
            return read
    return read


def cancel_back(regions: BothRegions, failover_id: str, by: str) -> ReadFailover:
    """Cancel the way back: the assignment returns to the standby region, and its tables accept writes again.

    A repetition reopens the tables, if an earlier one did not come to that.

    Raises:
        Refused: it has ended, or the home region may issue tokens.
        LockLost: another writer changed the assignment or the failover meanwhile; try again.
        PolicyNotEffective, ResourcePolicyConflict: the tables are not open everywhere yet; try again.
    """
    read = regions.store.read_failover(failover_id)
    if not read.failover.is_to_reopen:
        read = cancel_failover(regions.standby, failover_id, by)
    return closing.reopen_standby(read, regions) if read.failover.is_to_reopen else read


def _perform(step: Step, read: ReadFailover, regions: BothRegions, say: Say) -> tuple[ReadFailover, bool]:
    """Perform a step; return the failover, and whether it waits."""
    if superseded := _superseded(read, regions):
        return superseded, False
    if step is Step.APPROVE:
        return _approvals(read, regions, say)
    progress = _PERFORM[step](begin_step(read, regions.standby), regions)
    if isinstance(progress, StepWaits):
        say(f"{step}: {progress.reason}")
        regions.standby.sleep(progress.wait_seconds)
        return regions.store.read_failover(read.failover.id), True
    say(f"{step}: {progress.result}")
    return record_result(step, progress, regions.standby), False


def _superseded(read: ReadFailover, regions: BothRegions) -> ReadFailover | None:
    """End a failover that lost the assignment since its region got it: its DNS record must not be written."""
    if not is_superseded(read.failover, regions.store.read_assignment().assignment):
        return None
    ended = read.failover.ended(FailoverOutcome.SUPERSEDED, regions.standby.now())
    return regions.store.commit(read, ended)


def _approvals(read: ReadFailover, regions: BothRegions, say: Say) -> tuple[ReadFailover, bool]:
    now = regions.standby.now()
    if read.failover.began is None:
        ask_for_approval(read.failover.begun(now), regions.standby)
        read = begin_step(read, regions.standby)
    passed = with_approvals(read, regions.standby)
    if passed == read:
        say(f"{Step.APPROVE}: waits for {read.failover.gate.description}")
        return read, True
    if approved := passed.failover.results_by_step.get(Step.APPROVE):
        say(f"{Step.APPROVE}: {approved.result}")
    return passed, False


def _deploy(read: ReadFailover, regions: BothRegions) -> StepDone | StepWaits:
    home, service = regions.home, service_of(regions.home)
    lock = home.ledger.read_lock()
    if lock.held:
        return StepWaits(read, f"{lock.kind} {lock.deployment} holds the lock of this region", _LOCK_WAIT_SECONDS)
    code = code_served(home.clients("lambda"), service, LATEST)
    served = code_served(regions.standby.clients("lambda"), service, service.alias)
    if code != served:
        remedy = f"deploy the stacks of {release_name(served)} to {regions.home_region}, then run it again"
        raise Refused("release", f"{regions.home_region} has {release_name(code)}", remedy)
    versions = switch_functions(service.functions, code, read, home)
    return StepDone(read, f"{', '.join(versions)}: {release_name(code)}")


def _take_over(read: ReadFailover, regions: BothRegions) -> StepDone:
    assignment = regions.store.read_assignment().assignment
    if assignment is not None and not assignment.active:
        closing.refuse_reopened(read.failover, regions)
        # An active assignment cannot be returned: the home region must answer now.
        regions.home.issuing_lease.read_lease()
    return take_over(read, regions.home, regions.standby.client_records)


_PERFORM: Mapping[Step, Perform] = {
    Step.PREPARE: copying.prepare,
    Step.COPY: copying.copy_tables,
    Step.LIST_ROWS: copying.list_rows,
    Step.SYNC: closing.sync_tables,
    Step.FENCE: closing.fence_standby,
    Step.CLOSE: closing.close_standby,
    Step.DEPLOY_RELEASE: _deploy,
    Step.CHECK_KEYS: lambda read, regions: check_keys(read, regions.home),
    Step.VERIFY: lambda read, regions: verify_standby(read, regions.home),
    Step.TAKE_OVER: _take_over,
    Step.UPDATE_DNS: lambda read, regions: update_dns(read, regions.home),
    Step.ANNOUNCE: lambda read, regions: announce_back(read, regions.standby),
}


def _record_failure(regions: BothRegions, failover_id: str, step: Step, error: Exception) -> None:
    read = regions.store.read_failover(failover_id)
    if not read.failover.outcome:
        problem = f"{step}: {type(error).__name__}: {error}"
        regions.store.commit(read, replace(read.failover, failed=problem))
