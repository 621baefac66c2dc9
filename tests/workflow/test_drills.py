"""A drill, state by state, over tables that are restored as AWS restores them."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.lambda_.isolated_functions import IsolatedFunctions
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.restored_table import DRILL_TAG, ENVIRONMENT_TAG, EXPIRY_TAG
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy, initial_state
from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.stock_tables import StockTables
from tests.workflow.drills import REVOCATIONS, STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def test_a_drill_of_healthy_tables_is_green_and_leaves_nothing(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        ended = world.drill("dr-green")
        recovery = world.recovery("dr-green")
    assert ended.phase == "SUCCEEDED", recovery.reason
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED
    assert world.copies() == set()
    assert recovery.cleaned_at is not None
    assert not world.cloud.drills.read_lock().held


def test_the_phases_add_up_to_the_wall_time(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-phases")
    recovery = world.recovery("dr-phases")
    assert sum((phase.took for phase in recovery.phases), timedelta(0)) == recovery.ended_at - recovery.requested_at
    assert [phase.name for phase in recovery.phases] == [
        "PlanRecovery", "AcquireLock", "SnapshotConfiguration", "RevokeSeededGrants", "StartRestore", "AwaitRestore", "ReapplySettings",
        "CompareSettings", "CompareContents", "SanitizeTokens", "StartIsolatedService", "CheckSeededGrants", "MeasureObjectives", "CleanUp", "Conclude",
    ]  # fmt: skip


def test_both_tables_are_restored_to_one_point_and_each_once(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-once")
    recovery = world.recovery("dr-once")
    assert [(source, point) for source, _, point in world.tables.restored] == [
        (STATE, recovery.point),
        (TOKENS, recovery.point),
    ]


def test_a_copy_is_tagged_with_drill_environment_and_lease_while_it_is_still_being_made(interpreter):
    seen = []

    def watch(invocation, run):
        answer = run()
        if invocation.state == "AwaitRestore" and not seen:
            seen.extend(dict(world.tables.tables[name].tags) for name in world.copies())
        return answer

    with drilled(DrillWorld(interpreter, watch)) as world:
        world.drill("dr-tags")
    lease = world.recovery("dr-tags").expires_at.isoformat()
    assert seen == [{DRILL_TAG: "dr-tags", ENVIRONMENT_TAG: "test", EXPIRY_TAG: lease}] * 2


def test_more_copies_than_the_account_takes_at_once_are_made_one_after_the_other(interpreter):
    def narrow(clock):
        return RestorableTables(clock.now, at_once=1)

    with drilled(DrillWorld(interpreter, tables=narrow)) as world:
        ended = world.drill("dr-narrow")
    assert ended.phase == "SUCCEEDED"
    assert len(world.tables.restored) == 2


@pytest.mark.strategy("Recovery Procedures: Configuration reapplication")
def test_a_setting_that_is_not_as_in_the_source_turns_the_drill_red_and_names_it(interpreter):
    def meddle(invocation, run):
        answer = run()
        if invocation.state == "ReapplySettings" and answer["Payload"]["decision"]["action"] == "PROCEED":
            for name in world.copies():
                if "-tokens-" in name:
                    world.tables.tables[name].time_to_live = {"TimeToLiveStatus": "DISABLED"}
        return answer

    with drilled(DrillWorld(interpreter, meddle)) as world:
        ended = world.drill("dr-ttl")
    recovery = world.recovery("dr-ttl")
    assert (ended.phase, recovery.outcome) == ("FAILED", RecoveryOutcome.FAILED)
    assert recovery.reason.startswith("settings.tokens.time_to_live: time to live of the restored table: none")
    assert world.copies() == set()


def test_grants_from_before_the_point_are_tried_over_the_copies_and_each_is_a_finding(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        ended = world.drill("dr-tried")
    recovery = world.recovery("dr-tried")
    assert ended.phase == "SUCCEEDED", recovery.reason
    tried = {one.check for one in recovery.check_results if one.check.startswith(("tokens.", "serving."))}
    assert tried == {
        "tokens.safe", "tokens.alive", "serving.code", "serving.settings", "tokens.new_flow", "tokens.kept", "tokens.used_code",
        "tokens.revoked_before", "tokens.revoked_since", "tokens.rotated_since", "tokens.open_code", "tokens.open_login",
    }  # fmt: skip
    safe = next(one for one in recovery.check_results if one.check == "tokens.safe")
    assert safe.figures["fates"] == {"adopted": 1, "revoked": 1, "logged": 1, "rotated": 1}
    assert set(world.functions.functions) == {f"ib-oauth-{name}-test" for name in ("authorize", "token", "public")}


def test_the_policy_that_accepts_is_tried_as_well(interpreter):
    with drilled(DrillWorld(interpreter, rotated_tokens="accept")) as world:
        ended = world.drill("dr-accept")
    recovery = world.recovery("dr-accept")
    assert ended.phase == "SUCCEEDED", recovery.reason
    safe = next(one for one in recovery.check_results if one.check == "tokens.safe")
    assert safe.figures["fates"] == {"adopted": 1, "revoked": 1, "logged": 1, "taken-over": 1}


def test_a_revoked_token_that_is_alive_in_the_copy_turns_the_drill_red_and_is_named(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        ended = world.drill("dr-alive", fault="revoked-token-alive")
    recovery = world.recovery("dr-alive")
    assert (ended.phase, recovery.outcome) == ("FAILED", RecoveryOutcome.FAILED)
    assert recovery.reason.startswith(
        "tokens.revoked_before: a token revoked before the point: it should be rejected, and the response was 200"
    )


def test_an_epoch_that_was_logged_for_a_restore_that_died_turns_no_later_drill_red(interpreter):
    """Earlier releases logged it before the cutover: no table in use has it."""
    with drilled(DrillWorld(interpreter)) as world:
        world.rows.put_item(TableName=REVOCATIONS, Item={"pk": {"S": "epoch"}, "epoch": {"N": "3"}})
        ended = world.drill("dr-logged-early")
    recovery = world.recovery("dr-logged-early")
    assert ended.phase == "SUCCEEDED", recovery.reason
    alive = next(one for one in recovery.check_results if one.check == "tokens.alive")
    assert alive.verdict.reason == "1 of 3 families stay valid"


@pytest.mark.parametrize("mark", [None, "dr-another"])
def test_a_copy_that_is_not_sanitized_is_not_served(interpreter, mark):
    def skip(invocation, run):
        if invocation.state != "SanitizeTokens":
            return run()
        if mark:
            (copy,) = [name for name in world.copies() if "-tokens-" in name]
            tokens = world.cloud.restored_tokens(copy, TOKENS, REVOCATIONS)
            tokens.save_state(initial_state(mark, "s", [0], RotatedPolicy.REVOKE, 1, source_readable=True))
        state = invocation.payload["state"]
        decision = {"action": "PROCEED", "reason": "skipped", "wait_seconds": 0, "attempt": 0}
        return {"Payload": {**state, "decision": decision}}

    name = f"dr-unsafe-{bool(mark)}"
    with drilled(DrillWorld(interpreter, skip)) as world:
        ended = world.drill(name)
    assert ended.phase == "FAILED"
    assert "sanitize its tokens before it is served" in world.recovery(name).reason
    assert not [one for one in world.functions.functions if "drill" in one]


def test_other_code_than_the_live_version_s_is_not_taken_for_it(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        vars(world.cloud)["isolated_functions"] = IsolatedFunctions(
            world.cloud.clients("lambda"), fetch=lambda _address: b"another package"
        )
        ended = world.drill("dr-code")
    recovery = world.recovery("dr-code")
    assert ended.phase == "FAILED"
    assert recovery.reason.startswith("serving.code: authorize, public, token would be served with other code")


def test_a_service_that_seeds_no_grants_is_drilled_and_the_drill_is_red(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.functions.functions["ib-oauth-authorize-test"]["Environment"]["Variables"]["CLIENTS"] = "[]"
        ended = world.drill("dr-mute")
    recovery = world.recovery("dr-mute")
    assert ended.phase == "FAILED"
    assert {one.verdict.outcome for one in recovery.check_results if one.check == "tokens.kept"} == {"INCONCLUSIVE"}


def test_the_secrets_of_seeded_grants_are_sealed_in_the_ledger_and_nowhere_else(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-sealed")
        found = world.cloud.seeded_grants.find_grants("dr-sealed")
    kept = json.dumps(list(world.ledger.items.values()))
    secrets = [
        found.kept,
        found.revoked,
        found.revoked_since,
        found.rotated,
        found.rotated_since,
        *found.open_code,
        *found.open_login,
    ]
    assert all(len(secret) > 20 for secret in secrets)
    assert not [secret for secret in secrets if secret in kept]
    (item,) = [item for key, item in world.ledger.items.items() if key[1] == "seeded-grants"]
    assert item.keys() == {"pk", "sk", "body", "expires_at"}
    with pytest.raises(ClientError):
        world.keys.decrypt(
            KeyId="witness", CiphertextBlob=b64decode(item["body"]["S"]), EncryptionContext={"recovery": "dr-other"}
        )


def test_a_state_that_breaks_makes_a_red_drill_that_still_cleans_up_and_notifies(interpreter):
    def break_it(invocation, run):
        if invocation.state == "CompareSettings":
            return {"FunctionError": "Unhandled", "Payload": {"errorType": "RuntimeError", "errorMessage": "it broke"}}
        return run()

    with drilled(DrillWorld(interpreter, break_it)) as world:
        ended = world.drill("dr-broken")
    recovery = world.recovery("dr-broken")
    assert (ended.phase, recovery.outcome) == ("FAILED", RecoveryOutcome.FAILED)
    assert recovery.reason == "machine.1: RuntimeError: it broke"
    assert world.copies() == set()
    ((_, subject, text),) = world.topics.published
    assert subject == "test: drill failed"
    assert "it broke" in text


@pytest.mark.parametrize(
    ("params", "policy", "why"),
    [
        ({}, {"max_cost_usd": 0}, "recovery.max_cost_usd allows 0 US dollars"),
        ({"to": "2020-01-01T00:00:00Z"}, {}, "give a time from 2026-"),
        ({"to": "yesterday"}, {}, "give a time with its zone"),
        ({"fault": "fire"}, {}, "give one of missing-row"),
        (
            {"fault": "ttl-off"},
            {"inject_faults": False},
            "not allowed in test: its settings do not have recovery.inject_faults = true",
        ),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_made(interpreter, params, policy, why):
    name = f"dr-refused-{sum(why.encode())}"
    with drilled(DrillWorld(interpreter, **policy)) as world:
        ended = world.drill(name, **params)
    assert ended.phase == "FAILED"
    assert world.tables.restored == []
    assert why in world.cloud.drills.read_refusal(name).why
    ((_, subject, _),) = world.topics.published
    assert subject == "test: drill refused"


def test_tables_that_clients_do_not_use_are_not_drilled(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        # As after a cut-over, until the stack has been deployed that agrees with it.
        world.functions.functions["ib-oauth-token-test"]["Environment"]["Variables"]["TOKENS_TABLE"] = "restored"
        world.drill("dr-unused")
    assert world.tables.restored == []
    why = world.cloud.drills.read_refusal("dr-unused").why
    assert f"service.tables.tokens: '{TOKENS}' is refused: token: the live version uses restored" in why


def with_an_index(clock):
    """Tables that have one; the service's have none."""
    tables = RestorableTables(clock.now)
    index = {
        "IndexName": "by-subject",
        "KeySchema": [{"AttributeName": "subject", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "subject")]
    tables.add(TOKENS, GlobalSecondaryIndexes=[index], AttributeDefinitions=attributes)
    return tables


@pytest.mark.parametrize(
    ("kind", "check", "why"),
    [
        ("ttl-off", "settings.state.time_to_live", "time to live of the restored table: none"),
        ("time-off-by-a-minute", "restore.state", "it was restored to"),
        ("index-gone", "settings.tokens.indexes", "indexes of the restored table lacks by-subject"),
        ("missing-row", "content.tokens", "1 missing, 0 extra, 0 changed"),
        ("changed-byte", "content.tokens", "0 missing, 0 extra, 1 changed"),
        ("cleanup-blocked", "cleanup", "AWS refuses to remove ib-oauth-drill-dr-cleanup-blocked-state-test"),
    ],
)
def test_fault_injection_turns_the_drill_red_by_the_finding_that_names_it(interpreter, kind, check, why):
    name = f"dr-{kind}"
    with drilled(DrillWorld(interpreter, tables=with_an_index)) as world:
        ended = world.drill(name, fault=kind)
        recovery = world.recovery(name)
        bad = {one.check: one.verdict for one in recovery.check_results if one.verdict.outcome is not Outcome.PASS}
        assert (ended.phase, recovery.outcome) == ("FAILED", RecoveryOutcome.FAILED)
        assert recovery.reason.startswith(f"{check}: ")
        assert why in bad[check].reason
        for _ in range(3):
            world.clock.advance(300)
            world.deliver_end(name, "FAILED")
    assert world.copies() == set(), "the cleanup job removes what a blocked cleaner could not"
    assert world.recovery(name).outcome is RecoveryOutcome.FAILED


def test_an_index_that_a_restore_did_not_bring_is_a_finding_and_ends_no_drill(interpreter):
    def forget(invocation, run):
        if invocation.state == "ReapplySettings":
            for table in world.recovery("dr-lacking").tables:
                world.tables.tables[table.target].description["GlobalSecondaryIndexes"] = []
        return run()

    with drilled(DrillWorld(interpreter, forget, tables=with_an_index)) as world:
        world.drill("dr-lacking")
        recovery = world.recovery("dr-lacking")
    checks = {one.check: one.verdict for one in recovery.check_results}
    assert checks["settings.tokens.indexes"].outcome is Outcome.FAIL
    assert "indexes of the restored table lacks by-subject" in checks["settings.tokens.indexes"].reason
    assert not [check for check in checks if check.startswith("machine.")]
    assert checks["content.tokens"].outcome is Outcome.PASS, "the drill went on"
    assert checks["settings.tokens.time_to_live"].outcome is Outcome.PASS
    assert world.copies() == set()


def test_an_index_cannot_go_where_there_is_none(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-no-index", fault="index-gone")
    assert "no table of this service has an index; choose another fault" in world.recovery("dr-no-index").reason
    assert world.copies() == set()


def test_on_stock_ministack_which_ignores_the_point_the_drill_is_red(interpreter):
    def stock(clock):
        tables = StockTables(clock.now)
        for name in (STATE, TOKENS):
            tables.add(name)
        return tables

    with drilled(DrillWorld(interpreter, tables=stock)) as world:
        ended = world.drill("dr-stock")
    recovery = world.recovery("dr-stock")
    assert (ended.phase, recovery.outcome) == ("FAILED", RecoveryOutcome.FAILED)
    assert "it is left as it is, because no restore created it" in recovery.reason
    assert world.copies(), "what is not proved to be the drill's is not removed"
