from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.cutover import TableRef
from orchestrator.domain.deployment.record import DeploymentOutcome, Shift
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import CheckResult, Role
from orchestrator.domain.recovery.restore import (
    CHECK,
    cutover_not_requested,
    cutover_of,
    delegates_lock,
    deployment_for,
    environment_variables_for,
    environment_variables_of,
    judge_cutover,
    least_epoch_of,
    reason_not_comparable,
    refuse_failed_checks,
    refuse_lower_least_epoch,
    refuse_other_release,
    refuse_other_sources,
    refuse_other_tables,
    refuse_unauthorized_cutover,
    settings_after,
    sibling_table_arn,
    table_variables_of,
    tables_by_role,
    with_decides,
)
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW, cut_over, deployment, recovery, restored_tables, seconds

RESTORE = recovery(id="re-1", kind=Kind.RESTORE, deployment="d-re-1", tables=restored_tables("re-1"))
HELD = EnvironmentLock(7, "execution", "re-1", Kind.RESTORE, NOW)
VARIABLES = {"STATE_TABLE": "ib-oauth-state-test", "TOKENS_TABLE": "ib-oauth-tokens-test", "ISSUER": "https://i"}
COPIES = {
    "STATE_TABLE": "ib-oauth-restored-re-1-state-test",
    "TOKENS_TABLE": "ib-oauth-restored-re-1-tokens-test",
    "ISSUER": "https://i",
}
GOOD, BAD = CheckResult("one", Verdict.passed("fine")), CheckResult("other", Verdict.inconclusive("not looked at"))


def latest(version="1", code="code", **environment):
    configuration = {"MemorySize": 512, **({"Environment": {"Variables": environment}} if environment else {})}
    return FunctionVersion("f", version, "r", code, "role", "", configuration, ready=True)


def test_copies_are_used_only_where_everything_about_them_passed():
    refuse_failed_checks(RESTORE.with_check_results(GOOD))
    with pytest.raises(Refused, match="other: not looked at"):
        refuse_failed_checks(RESTORE.with_check_results(GOOD, BAD))
    with pytest.raises(Refused, match="no check ran"):
        refuse_failed_checks(RESTORE)


def test_what_decides_nothing_neither_keeps_copies_from_being_used_nor_speaks_for_them():
    untold = replace(BAD, decides=False)
    refuse_failed_checks(RESTORE.with_check_results(GOOD, untold))
    with pytest.raises(Refused, match="no check ran"):
        refuse_failed_checks(RESTORE.with_check_results(untold))


@pytest.mark.parametrize(
    ("verdict", "decides"),
    [
        (Verdict.passed("p"), True),
        (Verdict.failed("f"), True),
        (Verdict.error("e"), True),
        (Verdict.inconclusive("i"), False),
    ],
)
def test_a_restore_goes_on_without_knowing_what_the_source_held_and_a_drill_does_not(verdict, decides):
    found = CheckResult("content.state", verdict)
    assert with_decides(Kind.RESTORE, found).decides is decides
    assert with_decides(Kind.DRILL, found).decides


def test_what_cannot_be_compared_says_why():
    state = RESTORE.tables[0]
    assert reason_not_comparable(RESTORE, state) == ""
    assert "no longer exists" in reason_not_comparable(RESTORE, replace(state, gone=True))
    assert "restored from a backup" in reason_not_comparable(RESTORE, replace(state, backup_arn="b"))
    exported = replace(state, by_export=True)
    assert "its export is not complete" in reason_not_comparable(RESTORE, exported)
    assert reason_not_comparable(RESTORE, replace(exported, exported_at=NOW)) == ""
    assert reason_not_comparable(replace(RESTORE, kind=Kind.DRILL), exported) == ""
    assert "somebody skipped" in reason_not_comparable(replace(RESTORE, skip_comparison=True), state)


def test_a_cut_over_leaves_every_source_for_its_copy_and_closes_those_that_are_there():
    lost = replace(RESTORE.tables[0], gone=True)
    found = cutover_of(replace(RESTORE, tables=(lost, RESTORE.tables[1])), HELD)
    assert [change.leaves.name for change in found.changes] == [table.source for table in RESTORE.tables]
    assert found.new_table_names == tuple(table.target for table in RESTORE.tables)
    assert found.to_block == (TableRef(RESTORE.tables[1].source, RESTORE.tables[1].source_arn),)
    assert found.changes[0].enters.arn == sibling_table_arn(lost.source_arn, lost.target)
    assert found.changes[0].enters.arn.endswith(f":table/{lost.target}")


@pytest.mark.parametrize(
    ("found", "lock"),
    [
        (replace(RESTORE, kind=Kind.DRILL), HELD),
        (replace(RESTORE, deployment=""), HELD),
        (RESTORE, EnvironmentLock(7)),
        (RESTORE, replace(HELD, kind=Kind.DEPLOYMENT)),
        (RESTORE, replace(HELD, deployment="re-2")),
    ],
)
def test_nothing_but_a_restore_under_way_asks_for_a_cut_over(found, lock):
    with pytest.raises(Refused, match="only a restore in progress"):
        cutover_of(found, lock)


def test_a_restore_hands_the_lock_over_to_the_deployment_that_it_requested_and_to_no_other():
    requested = deployment(cutover=cut_over())
    assert delegates_lock(HELD, requested)
    refuse_unauthorized_cutover(HELD, requested)
    for lock, other in (
        (HELD, deployment()),
        (replace(HELD, deployment="re-2"), requested),
        (replace(HELD, kind=Kind.DEPLOYMENT), requested),
    ):
        assert not delegates_lock(lock, other)
    refuse_unauthorized_cutover(HELD, deployment())
    with pytest.raises(Refused, match="its tables are not approved"):
        refuse_unauthorized_cutover(EnvironmentLock(8), requested)


def test_a_function_gets_the_copies_their_epoch_and_no_table_it_did_not_know():
    assert environment_variables_for(VARIABLES, RESTORE, 3) == {**COPIES, "LEAST_EPOCH": "3"}
    assert environment_variables_for({"ISSUER": "https://i"}, RESTORE, 3) == {"ISSUER": "https://i", "LEAST_EPOCH": "3"}


def test_a_cut_over_ships_nothing_but_the_tables():
    refuse_other_release("token", latest(**VARIABLES), latest("2", **COPIES))
    refuse_other_release("token", latest(), latest("2"))
    refuse_other_release("token", latest(**VARIABLES), latest("2", **COPIES, LEAST_EPOCH="3"))
    assert environment_variables_of(latest(**VARIABLES)) == VARIABLES
    for other in (latest("2", "code-2", **COPIES), latest("2", **{**COPIES, "ISSUER": "https://another"})):
        with pytest.raises(Refused, match="differs from the live release"):
            refuse_other_release("token", latest(**VARIABLES), other)


def test_nothing_but_a_cut_over_changes_the_tables():
    refuse_other_tables("token", latest(**VARIABLES), latest("2", **VARIABLES))
    refuse_other_tables("token", latest(), latest("2", **VARIABLES))
    assert table_variables_of(latest()) == {}
    with pytest.raises(Refused, match="the live version uses ib-oauth-state-test"):
        refuse_other_tables("token", latest(**VARIABLES), latest("2", **COPIES))


def test_what_became_of_the_cut_over_is_a_finding():
    assert judge_cutover("d-re-1", None, "frozen").verdict == Verdict.failed("d-re-1 was refused: frozen")
    rolled_back = deployment(outcome=DeploymentOutcome.ROLLED_BACK, reason="it broke")
    assert judge_cutover("d-re-1", rolled_back, "").verdict == Verdict.failed("d-re-1 ended ROLLED_BACK: it broke")
    done = deployment(
        outcome=DeploymentOutcome.SUCCEEDED,
        reason="stable is now 2",
        cutover=cut_over(block_requested_at=NOW, blocked_at=NOW + timedelta(seconds=1)),
        shifts=(Shift(0, 100, NOW + seconds(1.5)),),
    )
    found = judge_cutover("d-re-1", done, "")
    assert (found.check, found.verdict.outcome) == (CHECK, Outcome.PASS)
    assert found.figures == {"deployment": "d-re-1", "closed_seconds": 1.5}
    same = deployment(outcome=DeploymentOutcome.SUCCEEDED, reason="x")
    assert judge_cutover("d-re-1", same, "").figures == {"deployment": "d-re-1"}
    assert cutover_not_requested("it broke").verdict == Verdict.failed("it broke")


def test_the_names_that_a_restore_leads_to():
    assert deployment_for("re-1") == "d-re-1"
    after = settings_after(replace(RESTORE, least_epoch=3))
    assert after == {"state": COPIES["STATE_TABLE"], "tokens": COPIES["TOKENS_TABLE"], "least_epoch": 3}
    assert {table.role for table in RESTORE.tables} == set(Role)


def test_a_version_s_tables_are_named_by_what_they_are():
    version = latest(STATE_TABLE="s-1", ISSUER="https://issuer.invalid")
    assert tables_by_role(version) == {Role.STATE: "s-1"}
    assert tables_by_role(latest()) == {}


def test_no_release_serves_tables_of_an_epoch_that_the_one_before_would_not():
    floors = {floor: latest(**VARIABLES, **({"LEAST_EPOCH": floor} if floor else {})) for floor in ("", "2", "3")}
    for before, after in (("", ""), ("", "2"), ("2", "2"), ("2", "3")):
        refuse_lower_least_epoch("token", floors[before], floors[after])
    for before, after in (("2", ""), ("3", "2")):
        with pytest.raises(Refused, match=f"least_epoch = {before} under service.tables") as caught:
            refuse_lower_least_epoch("token", floors[before], floors[after])
        assert (caught.value.field, caught.value.value) == ("release.token.LEAST_EPOCH", after or "0")
    assert [least_epoch_of(one) for one in floors.values()] == [0, 2, 3]


def test_a_restore_leaves_the_tables_that_clients_use_and_no_others():
    sources = {table.role: table.source for table in RESTORE.tables}
    refuse_other_sources("token", latest(**VARIABLES), sources)
    refuse_other_sources("token", latest(), sources)
    with pytest.raises(Refused, match="token: the live version uses ib-oauth-restored-re-1-state-test"):
        refuse_other_sources("token", latest(**COPIES), sources)
