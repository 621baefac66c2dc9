"""The policies keep the synthetic identity's items apart from all others as far as leading keys go, and the orchestrator from both."""

from fnmatch import fnmatchcase

import pytest

from infrastructure.service.iam import ACCESS, REVOCATIONS_KEYS
from service.storage import item_codec
from tests.infrastructure.templates import resources, text_of
from tests.infrastructure.test_rights import actions, as_list, orchestrator_rows, statements

SYNTHETIC = "synthetic#*"
THINGS = ("login", "code", "family", "client", "revoked", "disowned")
TOUCHES_ITEMS = {
    "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem",
    "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem", "dynamodb:PartiQLSelect",
}  # fmt: skip
MAKES_SAFE = "task-sanitize-tokens"
MAKE_LEVEL = (
    "task-sync-tables", "task-replay-late-writes", "task-replay-new-writes", "task-unblock-source-tables",
    "event-reconcile",
)  # fmt: skip
"""Tasks of cut-overs that write into one set of tables what the other set holds or accepted."""
END_CUTOVERS = ("task-await-cutover",)
"""In addition to the reconciler: they record the epoch of the tables that came into use."""
HAS_NO_LEADING_KEY = {"dynamodb:Scan", "dynamodb:PartiQLSelect"}


def key(thing, *, synthetic):
    return item_codec.primary_key(thing, "digest", synthetic=synthetic)["pk"]["S"]


COMPARERS = {"task-compare-contents", "task-digest-segment"}


@pytest.mark.parametrize("thing", THINGS)
def test_one_pattern_alone_covers_the_synthetic_identity_s_keys_and_covers_nothing_else(thing):
    patterns = {
        pattern for row in ACCESS.values() for pattern in (*row.state_keys, *row.tokens_keys, *REVOCATIONS_KEYS)
    }
    assert {one for one in patterns if fnmatchcase(key(thing, synthetic=True), one)} == {SYNTHETIC}
    assert not fnmatchcase(key(thing, synthetic=False), SYNTHETIC)


def test_a_fence_is_around_every_right_to_items_and_no_right_goes_round_it(every):
    """A condition on leading keys holds for all of none: an action that has no leading key would pass it."""
    for name in ACCESS:
        role = f"ib-oauth-{name}-{every.name}"
        assert not actions(every.service, role) & HAS_NO_LEADING_KEY
        for statement in statements(every.service, role):
            if set(as_list(statement["Action"])) & TOUCHES_ITEMS:
                keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                assert keys
                assert not {"*", "synthetic*"} & set(keys)


def test_a_function_that_issues_nothing_writes_none_of_the_synthetic_identity_s_items(every):
    assert not actions(every.service, f"ib-oauth-public-{every.name}") & {"dynamodb:PutItem", "dynamodb:UpdateItem"}


READS_LOG = {"dynamodb:GetItem", "dynamodb:BatchGetItem"}
READS_SMALL_LOG = {*READS_LOG, "dynamodb:Scan"}
"""Of the task that sanitizes a copy: it reads a log at once that fits into one small page."""
SETS_EPOCH = ({"dynamodb:PutItem"}, {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["epoch"]}})


def test_the_orchestrator_touches_no_item_of_the_service(every):
    """It proves itself by a MAC and goes through the functions like every user: its roles have no right to their items.

    A drill and a restore have their copies of them; the writer of heartbeats has keys that no item of the service has. The task that blocks a table tries one key that no item has; the tasks that compare copies
    with their sources read these, and nothing more; the task that sanitizes a copy looks up in its source what its families are by now,
    and reads the log of revocations. The task that ends a cut-over may write the one item of the log that says from which epoch on tokens count. The task that brings tables
    level that a restore had left writes what the copies hold into these, while they are closed to all others or unused.
    """
    ledger = {"<" + name + ".Arn>" for name in resources(every.orchestrator, "AWS::DynamoDB::Table")}
    table = "arn:<AWS::Partition>:dynamodb:us-west-1:<AWS::AccountId>:table/ib-oauth"
    copies = {f"{table}-drill-*-{every.name}", f"{table}-restored-*-{every.name}"}
    probe_key = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["access-block-probe"]}}
    heartbeats = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["heartbeat#*"]}}
    key_ring = f"arn:<AWS::Partition>:dynamodb:us-west-1:<AWS::AccountId>:table/ib-oauth-keys-{every.name}"
    log = f"{table}-revocations-{every.name}"
    for what, _ in orchestrator_rows():
        for statement in statements(every.orchestrator, f"ib-oauth-{what}-{every.name}"):
            touching = set(as_list(statement["Action"])) & TOUCHES_ITEMS
            compares = what in COMPARERS and touching == {"dynamodb:Scan"}
            looks_up = what == MAKES_SAFE and touching == {"dynamodb:BatchGetItem", "dynamodb:GetItem"}
            if touching and not compares and not looks_up and statement.get("Condition") not in (probe_key, heartbeats):
                touched = {text_of(resource) for resource in as_list(statement["Resource"])}
                safe = {*copies, log}
                level = {*safe, *(f"{table}-{role}-{every.name}" for role in ("state", "tokens"))}
                ends = {log}
                more = {MAKES_SAFE: safe, **dict.fromkeys(END_CUTOVERS, ends), **dict.fromkeys(MAKE_LEVEL, level)}
                own = {"event-rotate-signing-keys": {key_ring}, **more}.get(what, copies)
                reads = READS_SMALL_LOG if what == MAKES_SAFE else READS_LOG
                assert log not in touched or touching <= reads or (touching, statement["Condition"]) == SETS_EPOCH
                assert touched <= ledger | own, (what, touched)


def test_only_the_orchestrator_makes_the_proof_and_only_authorize_checks_it(every):
    makers = {
        what for what, _ in orchestrator_rows()
        if "kms:GenerateMac" in actions(every.orchestrator, f"ib-oauth-{what}-{every.name}")
    }  # fmt: skip
    checkers = {name for name in ACCESS if "kms:VerifyMac" in actions(every.service, f"ib-oauth-{name}-{every.name}")}
    assert makers
    assert checkers == {"authorize"}
    for name in ACCESS:
        assert "kms:GenerateMac" not in actions(every.service, f"ib-oauth-{name}-{every.name}")
