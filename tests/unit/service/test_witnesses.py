"""A drill's seeded grants over the real service: issued before the point, changed after it, and tried over copies as they were at the point."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace

import msgspec
import pytest

from orchestrator.application import seeded_grants
from orchestrator.application.seeded_grants import GRANT_CHECKS, GrantClient
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.recovery import isolated_service
from orchestrator.domain.recovery.isolated_service import RestoredTables
from orchestrator.domain.recovery.record import verdict_of
from orchestrator.domain.recovery.standing_grants import coverage, held
from orchestrator.domain.recovery.token_sanitization import RevocationLog, RotatedPolicy, SanitizationRules
from orchestrator.domain.verdict import Outcome
from orchestrator.probes.synthetic_client import SyntheticIdentity
from service.login.flow import SYNTHETIC_SESSION_SECONDS
from service.storage import item_codec
from service.storage.conditional_writes import Answer, StoreUnavailable
from service.storage.grants import Store
from tests.unit.service.conftest import ISSUER, Service
from tests.unit.service.recorder import Recorder
from tests.unit.service.test_secrets import Functions

_SERIAL = count(1)
ALL = {*GRANT_CHECKS, "tokens.new_flow"}


def served(service):
    functions = Functions(service)
    return GrantClient(functions, {name: (f"ib-oauth-{name}-local", "live") for name in service.functions})


class World:
    """The live service, and copies of its tables at a point, which `copy` serves."""

    def __init__(self, aws, live):
        self.aws, self.live = aws, live
        self.prover = SyntheticIdentity(Functions(live), "key", "local")
        self.now = lambda: datetime.fromtimestamp(live.now, UTC)

    def restored(self):
        """Copies of both tables as they are now; returns the variables of a drill over them."""
        serial = next(_SERIAL)
        names = {"STATE_TABLE": f"drill-state-{serial}", "TOKENS_TABLE": f"drill-tokens-{serial}"}
        for variable, name in names.items():
            self.aws.new_table(name)
            for item in self.aws.items(self.live.variables[variable]):
                self.aws.dynamodb.put_item(TableName=name, Item=item)
        return SimpleNamespace(**{key.lower(): name for key, name in names.items()})

    def make_safe(self, copy, policy):
        """All of MakeTokensSafe, in one go; returns the new epoch."""
        variables = self.live.variables
        tokens = RestoredTokens(
            self.aws.dynamodb, copy.tokens_table, variables["TOKENS_TABLE"], variables["REVOCATIONS_TABLE"]
        )
        known = tokens.read_known_epochs()
        epochs = known.in_force
        by = SanitizationRules(RevocationLog(), policy, max(epochs) + 1, max(epochs), int(self.live.now))
        tokens.raise_epoch(by.epoch)
        tokens.judge_segment((0, 1), "", by, lambda: False, source_readable=known.source is not None)
        return by.epoch

    def drill(self, copy, epoch):
        jwks = [{"x": jwk.x, "y": jwk.y} for jwk in self.live.keys.jwks]
        made = RestoredTables(
            state=copy.state_table, tokens=copy.tokens_table, issuer=isolated_service.issuer_of("dr-1"),
            signing_key=self.aws.new_key("ECC_NIST_P256", "SIGN_VERIFY"), least_epoch=epoch, published=jwks, published_by=ISSUER,
        )  # fmt: skip
        drill = Service(self.aws, isolated_service.isolated_variables(self.live.variables, made))
        drill.now = self.live.now
        return drill

    def look(self, drill, found, policy=RotatedPolicy.REVOKE):
        return {
            one.check: one
            for one in seeded_grants.check_grants(served(drill), self.prover, found, policy, expected=True)
        }


@pytest.fixture
def world(aws, service):
    return World(aws, service)


def items_of(world, copy):
    """The items of copies of both tables, by key."""
    items = [item for table in (copy.state_table, copy.tokens_table) for item in world.aws.items(table)]
    return {item["pk"]["S"]: item for item in items}


def seeded(world):
    """Seeded grants, copies of the tables with them, and what happened since."""
    found = seeded_grants.seed_grants(served(world.live), world.prover, world.now)
    copy = world.restored()
    world.live.now += 3600
    return seeded_grants.revoke_and_rotate(served(world.live), found), copy


@pytest.mark.parametrize("policy", RotatedPolicy)
def test_over_a_copy_that_was_made_safe_everything_is_as_it_should_be(world, policy):
    found, copy = seeded(world)
    results = world.look(world.drill(copy, world.make_safe(copy, policy)), found, policy)
    assert results.keys() == ALL
    assert verdict_of(results.values()).outcome is Outcome.PASS, [
        one for one in results.values() if one.verdict.outcome != "PASS"
    ]
    before = {item["pk"]["S"] for item in world.aws.items(world.live.variables["TOKENS_TABLE"])}
    assert not [key for key in before if "revoked#" in key], "the live tables hear nothing of a drill"


def test_over_a_copy_that_is_not_sanitized_nothing_is_answered(world):
    found, copy = seeded(world)
    results = world.look(world.drill(copy, 1), found)
    results.pop("tokens.open_login")  # it has expired, which is known without the tables' epoch
    assert {one.verdict.outcome for one in results.values()} == {Outcome.ERROR, Outcome.FAIL}
    assert results["tokens.revoked_since"].figures["status"] == 503


def test_a_copy_as_the_restore_left_it_has_revoked_and_used_things_alive(world):
    """What all of this is for: without it, and with functions that ask for no epoch, all that should be dead lives."""
    found, copy = seeded(world)
    results = world.look(world.drill(copy, 0), found)
    alive = {one.check for one in results.values() if one.verdict.outcome is Outcome.FAIL}
    assert alive == {"tokens.revoked_since", "tokens.rotated_since"}  # codes and logins have expired by now


def test_codes_and_logins_that_have_not_expired_are_dead_by_the_epoch(world):
    found = seeded_grants.seed_grants(served(world.live), world.prover, world.now)
    copy = world.restored()
    found = seeded_grants.revoke_and_rotate(served(world.live), found)
    unsafe = world.look(world.drill(copy, 0), found)
    assert {
        one for one in ("tokens.open_code", "tokens.open_login") if unsafe[one].verdict.outcome is Outcome.FAIL
    } == {
        "tokens.open_code",
        "tokens.open_login",
    }
    again, copy = seeded(world)
    safe = world.look(world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE)), again)
    assert safe["tokens.open_code"].verdict.outcome is safe["tokens.open_login"].verdict.outcome is Outcome.PASS


def test_a_revoked_family_that_is_brought_to_life_is_found(world):
    found, copy = seeded(world)
    epoch = world.make_safe(copy, RotatedPolicy.REVOKE)
    for item in world.aws.items(copy.tokens_table):
        if "revoked_because" in item:
            del item["revoked_because"]
            world.aws.dynamodb.put_item(
                TableName=copy.tokens_table, Item={**item, "epoch": item_codec.number_attribute(epoch)}
            )
    results = world.look(world.drill(copy, epoch), found)
    assert results["tokens.revoked_before"].verdict.outcome is Outcome.FAIL
    assert "it should be rejected, and the response was 200 issued" in results["tokens.revoked_before"].verdict.reason


def test_a_copy_from_before_the_seeded_grants_is_found(world):
    copy = world.restored()
    found = seeded_grants.seed_grants(served(world.live), world.prover, world.now)
    found = seeded_grants.revoke_and_rotate(served(world.live), found)
    results = world.look(world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE)), found)
    assert results["tokens.kept"].verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize("policy", RotatedPolicy)
@pytest.mark.parametrize("sanitized", [True, False])
def test_a_copy_holds_the_items_of_all_grants_where_they_are_looked_for(world, policy, sanitized):
    found, copy = seeded(world)
    if sanitized:
        world.make_safe(copy, policy)
    expected = held.expected_items(found)
    assert {one.check for one in expected} == set(GRANT_CHECKS)
    assert held.judge_held(expected, items_of(world, copy), found.written_at, deletable=False).figures["held"] == 7
    assert held.not_tried(expected, items_of(world, copy), found.written_at) == {}
    later = found.written_at + coverage.LIFETIME
    assert held.not_tried(expected, items_of(world, copy), later).keys() == set(GRANT_CHECKS)


def test_a_copy_from_before_the_grants_holds_none_and_one_from_after_their_changes_another_state(world):
    before = world.restored()
    found, _ = seeded(world)
    after = world.restored()
    expected = held.expected_items(found)
    missing = held.judge_held(expected, items_of(world, before), found.written_at, deletable=False)
    assert len(missing.figures["missing"]) == len(expected)
    changed = held.judge_held(expected, items_of(world, after), found.written_at, deletable=False)
    assert changed.figures["changed"] == ["tokens.revoked_since"]


def test_what_cannot_be_tried_is_not_covered_and_not_tried(world):
    found, copy = seeded(world)
    drill = world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE))
    functions = Functions(drill)
    client = GrantClient(functions, {name: (f"ib-oauth-{name}-local", "live") for name in drill.functions})
    reasons = dict.fromkeys(GRANT_CHECKS, "not covered: why")
    results = seeded_grants.check_grants(
        client, world.prover, found, RotatedPolicy.REVOKE, expected=True, not_tried=reasons
    )
    assert {one.check: (one.verdict.outcome, one.decides) for one in results} == {
        "tokens.new_flow": (Outcome.PASS, True),
        **dict.fromkeys(GRANT_CHECKS, (Outcome.INCONCLUSIVE, False)),
    }
    assert verdict_of(results).outcome is Outcome.PASS


def test_the_times_are_those_of_the_service():
    assert coverage.LIFETIME.total_seconds() == SYNTHETIC_SESSION_SECONDS
    assert held.EXPIRED_KEPT.total_seconds() == item_codec._KEEP_SECONDS


@pytest.mark.parametrize("changed", [True, False])
def test_without_seeded_grants_nothing_is_taken_for_granted(world, changed):
    found = None if changed else seeded_grants.seed_grants(served(world.live), world.prover, world.now)
    copy = world.restored()
    drill = world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE))
    results = world.look(drill, found)
    assert {one.check for one in results.values() if one.verdict.outcome is Outcome.INCONCLUSIVE} == set(GRANT_CHECKS)
    only = seeded_grants.check_grants(served(drill), world.prover, None, RotatedPolicy.REVOKE, expected=False)
    assert [(one.check, one.verdict.outcome) for one in only] == [("tokens.new_flow", Outcome.PASS)]


def test_a_service_that_fails_is_an_error_and_no_proof_that_things_are_dead(world, monkeypatch):
    found, copy = seeded(world)
    drill = world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE))

    def away(*_, **__):
        raise StoreUnavailable("planted")

    for name in ("read_family_and_epoch", "read_code_and_epoch", "read_login"):
        monkeypatch.setattr(Store, name, away)
    results = world.look(drill, found)
    assert {results[check].verdict.outcome for check in GRANT_CHECKS} == {Outcome.ERROR}
    assert results["tokens.new_flow"].verdict.outcome is Outcome.FAIL


def test_a_code_that_works_twice_is_found_in_the_new_flow(world, monkeypatch):
    _, copy = seeded(world)
    drill = world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE))
    monkeypatch.setattr(Store, "redeem", lambda *_, **__: None)
    monkeypatch.setattr(Store, "answer_redemption", lambda *_, **__: Answer.OURS)
    results = world.look(drill, None)
    assert results["tokens.new_flow"].verdict.outcome is Outcome.FAIL
    assert "its code a second time: it should be rejected" in results["tokens.new_flow"].verdict.reason


def test_nothing_secret_is_in_what_is_found_or_in_a_representation(world):
    recorder = Recorder()
    recorder.listen(world.live)
    found, copy = seeded(world)
    results = world.look(world.drill(copy, world.make_safe(copy, RotatedPolicy.REVOKE)), found)
    assert len(recorder.secrets) > 20
    recorder.search_log(msgspec.json.encode(list(results.values())).decode())
    recorder.search_log(repr(found))
    assert json.loads(msgspec.json.encode(found))["kept"] == found.kept
