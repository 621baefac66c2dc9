from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.application import prices
from orchestrator.domain.deployment.table_sync import SyncCounts, SyncProgress
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.failback import (
    LOSS_SOURCE,
    FailbackTable,
    check_results_of,
    measured_failback,
    plan_failback,
    refuse_not_cut_over,
    refuse_not_in_use,
)
from orchestrator.domain.recovery.plan import Source
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import CheckResult, RecoveryOutcome
from orchestrator.domain.recovery.request import RecoveryRequest
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW, recovery, recovery_table, restored_tables

CUT_OVER = CheckResult("cutover", Verdict.passed("d-re-1"))
RESTORE = recovery(
    id="re-1",
    kind=Kind.RESTORE,
    outcome=RecoveryOutcome.SUCCEEDED,
    ended_at=NOW,
    check_results=(CUT_OVER,),
    tables=restored_tables("re-1"),
)
POLICY = RecoveryPolicy.parse(recovery_table())
REQUEST = RecoveryRequest("ann", failback_of="re-1")
PRICES = prices.load_prices("us-west-1")
GB = 1_000_000_000
LEVEL = SyncProgress(
    {"state": 4, "tokens": 4},
    (),
    {"state": SyncCounts(2, 1, ("ab",), compared=5), "tokens": SyncCounts(compared=5)},
    NOW,
    in_sync=True,
    settled=3,
)


def source(table, name, **changes):
    return replace(Source(table.role, name, f"arn:{name}", GB, 1000, NOW, NOW, stream_since=NOW), **changes)


def way(table, **changes):
    return replace(FailbackTable(source(table, table.target), source(table, table.source), blocked=True), **changes)


def drawn(*ways, policy=POLICY):
    return plan_failback(RESTORE, ways or [way(one) for one in RESTORE.tables], REQUEST, policy, prices=PRICES, now=NOW)


def test_one_goes_back_from_a_restore_that_cut_over_and_from_nothing_else():
    refuse_not_cut_over(RESTORE)
    # One that took longer than promised is red, and is in use all the same.
    refuse_not_cut_over(replace(RESTORE, outcome=RecoveryOutcome.FAILED))
    for other in (replace(RESTORE, kind=Kind.DRILL), replace(RESTORE, check_results=(), reason="it was red")):
        with pytest.raises(Refused, match="the service does not use its tables"):
            refuse_not_cut_over(other)
    with pytest.raises(Refused, match="it is in progress"):
        refuse_not_cut_over(replace(RESTORE, outcome=None, ended_at=None))


def test_one_goes_back_from_what_clients_use():
    used = {"STATE_TABLE": RESTORE.tables[0].target, "TOKENS_TABLE": RESTORE.tables[1].target}
    refuse_not_in_use(RESTORE, {"authorize": used, "public": {}})
    with pytest.raises(Refused, match="token uses another now"):
        refuse_not_in_use(RESTORE, {"authorize": used, "token": {**used, "STATE_TABLE": "another"}})


def test_the_way_back_is_from_the_copies_to_their_sources_now():
    plan = drawn()
    assert (plan.point, plan.latest, plan.expires_at) == (NOW, NOW, NOW + timedelta(hours=12))
    for table, before in zip(plan.tables, RESTORE.tables, strict=True):
        assert (table.source, table.target) == (before.target, before.source)
        assert table.source_arn == f"arn:{before.target}"
        assert (table.started_at, table.items, table.size_bytes) == (NOW, 1000, GB)
    assert set(plan.cost.parts) == {"reads", "writes"}
    assert plan.cost.usd == pytest.approx(2 * (8 * GB / 4096 / 1e6 * 0.1395 + GB / 1024 / 1e6 * 0.695), rel=0.01)


STATE, TOKENS = RESTORE.tables


@pytest.mark.parametrize(
    ("bad", "field", "why"),
    [
        ({"original": None, "blocked": False}, "tables.state", "it no longer exists"),
        ({"blocked": False}, "tables.state", "it is not blocked"),
        ({"original": source(STATE, STATE.source, latest=None)}, "tables.state", "point-in-time recovery is off"),
        ({"in_use": source(STATE, STATE.target, latest=None)}, "tables.state", "point-in-time recovery is off"),
        (
            {"in_use": source(STATE, STATE.target, stream_since=None)},
            "tables.state",
            "it has no stream, from which its last writes are read: `aws dynamodb update-table --table-name",
        ),
    ],
)
def test_a_table_that_cannot_be_gone_back_to_is_refused(bad, field, why):
    with pytest.raises(Refused, match=why) as caught:
        drawn(way(STATE, **bad), way(TOKENS))
    assert caught.value.field == field


def test_a_way_back_that_costs_too_much_is_refused():
    with pytest.raises(Refused, match=r"recovery\.max_cost_usd allows 1 US dollars"):
        drawn(policy=RecoveryPolicy.parse(recovery_table(max_cost_usd=1)))


def test_tables_that_are_level_are_findings_and_others_are_not():
    state, tokens = check_results_of(LEVEL)
    assert (state.check, state.verdict.outcome) == ("level.state", Outcome.PASS)
    assert "5 items, the same as in the table that was in use; 2 were written and 1 removed" in state.verdict.reason
    assert state.figures["examples_removed"] == ["ab"]
    assert [tokens.figures[name] for name in ("items", "written", "settled")] == [5, 0, 3]
    assert check_results_of(None) == check_results_of(replace(LEVEL, in_sync=False)) == ()


def test_nothing_is_lost_where_all_tables_are_level():
    back = replace(RESTORE, failback_of="re-0").with_check_results(
        CheckResult("settings.state.tags", Verdict.passed("same"))
    )
    assert measured_failback(back) == back
    assert measured_failback(back.with_check_results(check_results_of(LEVEL)[0])).measured.data_loss is None
    measured = measured_failback(back.with_check_results(*check_results_of(LEVEL))).measured
    assert (measured.data_loss, measured.source) == (timedelta(0), LOSS_SOURCE)
