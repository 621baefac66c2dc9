from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator import prices
from orchestrator.domain.digest import Digest
from orchestrator.domain.errors import Refused
from orchestrator.domain.failing_back import (
    COMPARED,
    WayBack,
    draw_up_back,
    findings_of,
    measured_back,
    refuse_no_restore,
    refuse_not_in_use,
)
from orchestrator.domain.levelling import Levelling, Moved
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, RecoveryEnding
from orchestrator.domain.recovery_plan import RecoveryRequest, Source
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW, recovery, recovery_table, restored_tables

CUT_OVER = Finding("cut_over", Verdict.passed("d-re-1"))
UNDONE = recovery(
    id="re-1",
    kind=Kind.RESTORE,
    ending=RecoveryEnding.GREEN,
    ended_at=NOW,
    findings=(CUT_OVER,),
    tables=restored_tables("re-1"),
)
POLICY = RecoveryPolicy.parse(recovery_table())
ASKED = RecoveryRequest("ann", back="re-1")
PRICES = prices.load("us-west-1")
GB = 1_000_000_000
LEVEL = Levelling(
    {"state": 4, "tokens": 4},
    (),
    {"state": Moved(2, 1, ("ab",)), "tokens": Moved()},
    NOW,
    {f"{role}/read-other": Digest(5, 9).text for role in ("state", "tokens")},
    level=True,
)


def source(table, name, **changes):
    return replace(Source(table.role, name, f"arn:{name}", GB, 1000, NOW, NOW), **changes)


def way(table, **changes):
    return replace(WayBack(source(table, table.target), source(table, table.source), closed=True), **changes)


def drawn(*ways, policy=POLICY):
    return draw_up_back(UNDONE, ways or [way(one) for one in UNDONE.tables], ASKED, policy, prices=PRICES, now=NOW)


def test_one_goes_back_from_a_restore_that_cut_over_and_from_nothing_else():
    refuse_no_restore(UNDONE)
    # One that took longer than promised is red, and is in use all the same.
    refuse_no_restore(replace(UNDONE, ending=RecoveryEnding.RED))
    for other in (replace(UNDONE, kind=Kind.DRILL), replace(UNDONE, findings=(), reason="it was red")):
        with pytest.raises(Refused, match="the service does not use what it made"):
            refuse_no_restore(other)
    with pytest.raises(Refused, match="it is under way"):
        refuse_no_restore(replace(UNDONE, ending=None, ended_at=None))


def test_one_goes_back_from_what_clients_use():
    used = {"STATE_TABLE": UNDONE.tables[0].target, "TOKENS_TABLE": UNDONE.tables[1].target}
    refuse_not_in_use(UNDONE, {"authorize": used, "public": {}})
    with pytest.raises(Refused, match="token uses another by now"):
        refuse_not_in_use(UNDONE, {"authorize": used, "token": {**used, "STATE_TABLE": "another"}})


def test_the_way_back_is_from_the_copies_to_their_sources_now():
    plan = drawn()
    assert (plan.point, plan.latest, plan.lease_until) == (NOW, NOW, NOW + timedelta(hours=12))
    for table, before in zip(plan.tables, UNDONE.tables, strict=True):
        assert (table.source, table.target) == (before.target, before.source)
        assert table.source_arn == f"arn:{before.target}"
        assert (table.started_at, table.items, table.size_bytes) == (NOW, 1000, GB)
    assert set(plan.cost.parts) == {"reads", "writes"}
    assert plan.cost.usd == pytest.approx(2 * (8 * GB / 4096 / 1e6 * 0.1395 + GB / 1024 / 1e6 * 0.695), rel=0.01)


STATE, TOKENS = UNDONE.tables


@pytest.mark.parametrize(
    ("bad", "field", "why"),
    [
        ({"left": None, "closed": False}, "tables.state", "it is not there any more"),
        ({"closed": False}, "tables.state", "it is open"),
        ({"left": source(STATE, STATE.source, latest=None)}, "tables.state", "point-in-time recovery is off"),
        ({"in_use": source(STATE, STATE.target, latest=None)}, "tables.state", "point-in-time recovery is off"),
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
    state, tokens = findings_of(LEVEL)
    assert (state.check, state.verdict.outcome) == ("level.state", Outcome.PASS)
    assert "5 items, the same as in the table that was in use; 2 were written and 1 removed" in state.verdict.reason
    assert state.figures["examples_removed"] == ["ab"]
    assert (tokens.figures["written"], tokens.figures["digest"]) == (0, Digest(5, 9).text)
    assert findings_of(None) == findings_of(replace(LEVEL, level=False)) == ()


def test_nothing_is_lost_where_all_tables_are_level():
    back = replace(UNDONE, back="re-0").found(Finding("settings.state.tags", Verdict.passed("same")))
    assert measured_back(back) == back
    assert measured_back(back.found(findings_of(LEVEL)[0])).measured.data_loss is None
    measured = measured_back(back.found(*findings_of(LEVEL))).measured
    assert (measured.data_loss, measured.source) == (timedelta(0), COMPARED)
