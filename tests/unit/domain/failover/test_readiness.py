"""Whether a failover could run now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.failover.copies import CopiedFiles, StoredFile
from orchestrator.domain.failover.home_releases import PlannedRelease, Standing
from orchestrator.domain.failover.issuing_region import IssuingLease, first_assignment, take_assignment
from orchestrator.domain.failover.managed_clients import ClientCopies
from orchestrator.domain.failover.manual_plan import CrossRegionBackup
from orchestrator.domain.failover.readiness import StandbyFacts, evaluate_plan, not_ready
from orchestrator.domain.failover.steps import STEPS, Step
from orchestrator.domain.recovery.record import Role
from tests.samples import NOW, managed_client
from tests.unit.domain.failover.world import GATE, HOME, STANDBY


def copies(age=timedelta(hours=3), roles=tuple(Role)):
    return tuple(CrossRegionBackup(role, f"arn:{role}", NOW - age) for role in roles)


def files(*keys, age=timedelta(hours=1), size=10):
    return tuple(StoredFile(key, size, NOW - age) for key in keys)


SNAPSHOT = "configuration/20261123T020000Z-ab.json"
FILES = files(SNAPSHOT, "evidence/r-1.json")

READY = StandbyFacts(
    home=HOME,
    region=STANDBY,
    gate=GATE,
    assignment=first_assignment(HOME),
    home_lease=IssuingLease(1, NOW + timedelta(minutes=14)),
    copies=copies(),
    oldest_copy=timedelta(hours=26),
    home_release={"token": "build-1"},
    release=PlannedRelease({"token": "build-1"}, Standing.SERVED, "build-1", NOW),
    without_alias=(),
    signing_key="Enabled",
    health=200,
    domain="login.example.com",
    domain_target="d-1.execute-api.us-east-2.amazonaws.com",
    operators=1,
    files=CopiedFiles(FILES, FILES),
    clients=ClientCopies((managed_client("a"),), (managed_client("a"),)),
)


def test_after_a_failover_the_records_of_the_region_that_was_left_are_not_compared():
    facts = replace(READY, assignment=first_assignment(STANDBY), clients=ClientCopies(unread="it is lost"))
    found = {one.step: one for one in evaluate_plan(facts, NOW)}[Step.TAKE_OVER]
    assert (found.ready, found.reason) == (True, "needs only the assignment")


def test_a_complete_standby_region_is_ready():
    evaluated = evaluate_plan(READY, NOW)
    assert [one.step for one in evaluated] == list(STEPS)
    assert not_ready(evaluated) == ""
    reasons = {one.step: one.reason for one in evaluated}
    assert reasons[Step.RESTORE] == "the oldest copy has an age of 3.0 h; 1 configuration snapshots"
    assert reasons[Step.TAKE_OVER] == "1 managed clients are recorded here as in us-west-1"
    assert reasons[Step.FENCE] == "the assignment names us-west-1; its lease lasts until 03:14:00 UTC"


@pytest.mark.parametrize(
    ("step", "changes", "reason"),
    [
        (Step.APPROVE, {"gate": replace(GATE, approvers=("ann",), quorum=2)}, "1 approvers are set, and 2 may be"),
        (Step.APPROVE, {"gate": replace(GATE, approvers=("ann",), quorum=1)}, "1 approvers are set, and 2 may be"),
        (Step.FENCE, {"assignment": None}, "there is no assignment in us-east-2"),
        (
            Step.FENCE,
            {"assignment": take_assignment(first_assignment(HOME), STANDBY, "fo-1")},
            "the assignment is of fo-1 for us-east-2",
        ),
        (Step.FENCE, {"assignment": first_assignment(STANDBY)}, "the assignment is of no failover for us-east-2"),
        (Step.FENCE, {"home_lease": None}, "us-west-1 has no lease, so"),
        (Step.FENCE, {"home_lease": IssuingLease(1, NOW)}, "no lease since 2026-11-23 03:00:00 UTC"),
        (Step.RESTORE, {"copies": ()}, "no copy of the table state in us-east-2; no copy of the table tokens"),
        (Step.RESTORE, {"copies": copies(roles=(Role.STATE,))}, "no copy of the table tokens"),
        (Step.RESTORE, {"copies": copies(timedelta(hours=27))}, "the table state has an age of 27.0 h of 26.0 h"),
        (Step.RESTORE, {"copies": copies(timedelta(hours=-1))}, "no copy of the table state"),
        (
            Step.RESTORE,
            {"copies": tuple(replace(one, table=name) for name in ("one", "other") for one in copies())},
            "copies of one and of other: name the table that the home region used as service.tables.state",
        ),
        (Step.RESTORE, {"data_key": "PendingDeletion"}, "the key of the tables in us-east-2 is PendingDeletion"),
        (Step.RESTORE, {"data_key": ""}, "the key of the tables in us-east-2 is not there"),
        (
            Step.RESTORE,
            {"files": CopiedFiles(FILES, files(SNAPSHOT))},
            "no copy of evidence/r-1.json: docs/runbooks/alarms.md#evidence-copies",
        ),
        (Step.RESTORE, {"files": CopiedFiles(FILES, files(SNAPSHOT, "evidence/r-1.json", size=9))}, "no copy of evid"),
        (
            Step.RESTORE,
            {"files": CopiedFiles((*files("a", "b", "c"), *files("d", age=timedelta(minutes=16))), ())},
            "no copy of d, c, b and 1 more",
        ),
        (Step.RESTORE, {"files": CopiedFiles(unread="AccessDenied")}, "snapshots could not be checked: AccessDenied"),
        (Step.DEPLOY_RELEASE, {"without_alias": ("token",)}, "no live alias in us-east-2: token"),
        (
            Step.DEPLOY_RELEASE,
            {"release": PlannedRelease({"token": "build-0"}, Standing.REPLACED, "build-1", NOW)},
            "$LATEST in us-east-2 is build-0, us-west-1 serves build-1: deploy",
        ),
        (Step.DEPLOY_RELEASE, {"release": PlannedRelease(), "home_release": {}}, "$LATEST in us-east-2 is no release"),
        (
            Step.DEPLOY_RELEASE,
            {"release": PlannedRelease({"token": "build-1"})},
            "what us-west-1 serves was never recorded: see the function record_home_release",
        ),
        (
            Step.DEPLOY_RELEASE,
            {"release": PlannedRelease({"token": "build-1"}, Standing.SERVED, "build-1", NOW - timedelta(minutes=16))},
            "what us-west-1 serves was last recorded at 2026-11-23 02:44:00 UTC: see the function record_home_release",
        ),
        (Step.CHECK_KEYS, {"signing_key": ""}, "the signing key in us-east-2 is not there"),
        (Step.CHECK_KEYS, {"signing_key": "PendingDeletion"}, "the signing key in us-east-2 is PendingDeletion"),
        (Step.VERIFY, {"health": 503}, "the service in us-east-2 answers 503"),
        (Step.VERIFY, {"health": 0}, "the service in us-east-2 answers nothing"),
        (
            Step.TAKE_OVER,
            {"clients": ClientCopies((managed_client("a"),))},
            "managed clients of which us-east-2 has not the record of us-west-1: app-a (enabled, revision 1; there no",
        ),
        (Step.TAKE_OVER, {"clients": ClientCopies(unread="no")}, "managed clients could not be compared: no"),
        (Step.UPDATE_DNS, {"domain": ""}, "the API has no domain of its own"),
        (Step.UPDATE_DNS, {"domain_target": ""}, "us-east-2 has no target for login.example.com"),
        (Step.ANNOUNCE, {"operators": 0}, "no operator would be notified"),
        *((step, {"unread": {step: "AccessDenied"}}, "could not be checked: AccessDenied") for step in STEPS),
    ],
)
def test_what_is_missing_makes_its_step_not_ready(step, changes, reason):
    evaluated = evaluate_plan(replace(READY, **changes), NOW)
    assert [one.step for one in evaluated if not one.ready] == [step]
    assert reason in not_ready(evaluated)
    assert not_ready(evaluated).startswith(f"{step}: ")


def test_a_file_that_was_just_put_need_not_be_in_the_copy_yet():
    new = CopiedFiles((*FILES, *files("evidence/r-2.json", age=timedelta(minutes=15))), FILES)
    assert not_ready(evaluate_plan(replace(READY, files=new), NOW)) == ""


def test_what_is_only_in_the_copy_is_no_problem():
    """What an attacker removed at home stays there."""
    assert not_ready(evaluate_plan(replace(READY, files=CopiedFiles((), FILES)), NOW)) == ""


def test_without_an_answer_of_the_home_region_the_release_is_judged_by_the_record():
    release = PlannedRelease({"token": "build-2"}, Standing.ROLLED_BACK, "build-1", NOW)
    facts = replace(READY, release=release, home_release={}, unread={Step.DEPLOY_RELEASE: "timeout"})
    assert "a failover would publish build-2, which us-west-1 rolled back to build-1" in not_ready(
        evaluate_plan(facts, NOW)
    )


def test_a_key_that_is_enabled_is_ready():
    assert not_ready(evaluate_plan(replace(READY, data_key="Enabled"), NOW)) == ""


def test_one_approver_is_enough_where_the_requester_may_approve_alone():
    gate = replace(GATE, approvers=("ann",), quorum=1, requester_alone=True)
    assert not_ready(evaluate_plan(replace(READY, gate=gate), NOW)) == ""
