from dataclasses import replace

import pytest

from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
    Side,
)
from orchestrator.domain.errors import Refused
from orchestrator.domain.rollback.live_state import (
    LiveFunction,
    adopted_versions,
    live_state_problems,
    live_versions,
    read_targets,
    records_live_state,
    refuse_mixed,
    repair_of,
    restored_by,
)
from tests.samples import FUNCTIONS, NOW, deployment, functions

ENDED = deployment(phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW)
ROLLED_BACK = replace(ENDED, outcome=DeploymentOutcome.ROLLED_BACK)
KEPT = replace(ROLLED_BACK, rollback=Rollback(RollbackTrigger("alarm", "it fired", NOW), traffic_to=Side.CANARY))


def live(*, build="", **versions):
    return tuple(LiveFunction(name, versions.get(name, "2"), build=build) for name in FUNCTIONS)


@pytest.mark.parametrize("outcome", [None, *DeploymentOutcome])
def test_only_a_deployment_that_moved_aliases_and_ended_records_what_is_live(outcome):
    moved = outcome not in {None, DeploymentOutcome.REFUSED, DeploymentOutcome.NOTHING_TO_SHIP}
    assert records_live_state(replace(ENDED, outcome=outcome)) is moved
    assert not records_live_state(replace(ENDED, outcome=outcome, ended_at=None))


@pytest.mark.parametrize(
    ("recorded", "version"),
    [
        (ENDED, "2"),
        (ROLLED_BACK, "1"),
        (KEPT, "2"),
        (replace(ENDED, outcome=DeploymentOutcome.NOT_ROLLED_BACK), "2"),
    ],
)
def test_the_live_versions_are_those_that_the_deployment_left(recorded, version):
    assert live_versions(recorded) == dict.fromkeys(FUNCTIONS, version)


def test_a_live_state_as_recorded_has_no_problem():
    assert live_state_problems(live(build="b1"), ENDED, in_flight=False) == ()


def test_without_a_record_the_versions_are_not_compared():
    assert live_state_problems(live(token="27"), None, in_flight=False) == ()


@pytest.mark.parametrize("in_flight", [True, False])
@pytest.mark.parametrize("recorded", [None, ENDED, ROLLED_BACK])
def test_functions_of_different_releases_are_named_whatever_the_ledger_says(recorded, in_flight):
    mixed = (*live(build="b1")[:2], LiveFunction("token", "27", build="b2"))
    problems = live_state_problems(mixed, recorded, in_flight=in_flight)
    assert (
        problems[0]
        == "functions of different releases are live: authorize 2, public 2 of build b1; token 27 of build b2"
    )


def test_a_function_that_reports_no_build_is_of_no_other_release():
    assert live_state_problems((*live(build="b1")[:2], LiveFunction("token", "2")), ENDED, in_flight=False) == ()


def test_an_alias_that_was_moved_is_named_with_where_it_should_be():
    assert live_state_problems(live(token="27"), ENDED, in_flight=False) == (
        "aliases were moved outside the orchestrator since d-1: token is on 27 and not on 2",
    )


def test_weights_without_a_deployment_are_named():
    split = (*live()[:2], LiveFunction("token", "2", "3", 20))
    assert live_state_problems(split, ENDED, in_flight=False) == (
        "aliases have weights although no deployment is under way: token 20 % on 3",
    )
    assert live_state_problems(split, ROLLED_BACK, in_flight=True) == (), "a deployment in flight is not at its end"


def test_to_adopt_is_to_keep_every_version_without_weights():
    assert adopted_versions((*live()[:2], LiveFunction("token", "2", "3", 20))) == dict.fromkeys(FUNCTIONS, "2")


def test_functions_of_different_releases_are_not_adopted():
    assert refuse_mixed(live(build="b1")) is None
    with pytest.raises(Refused, match="rollback --to VERSIONS"):
        refuse_mixed((*live(build="b1")[:2], LiveFunction("token", "27", build="b2")))


def test_targets_are_read_by_function():
    assert read_targets(" token=26 , public=14", FUNCTIONS) == {"token": "26", "public": "14"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token",
        "token=",
        "token=0",
        "token=latest",
        "token=-1",
        "other=1",
        "token=1,token=2",
        "token=1,,",
        "token=$LATEST",
    ],
)
def test_other_targets_are_refused_with_an_example(text):
    with pytest.raises(Refused, match="authorize=12,public=12,token=12"):
        read_targets(text, FUNCTIONS)


def test_a_repair_is_a_deployment_that_ships_nothing():
    repair = repair_of(ENDED, "d-2", functions("1", "2"), "ann", "arn:rollback", NOW)
    assert (repair.repair, repair.moved_traffic, repair.shifts, repair.plan.steps) == (True, True, (), ())
    assert (repair.phase, repair.release.digest, repair.execution) == (DeploymentPhase.READY, "", "arn:rollback")
    assert (repair.service, repair.plan.limits) == (ENDED.service, ENDED.plan.limits)


def ended_repair(stable, canary, outcome=DeploymentOutcome.ROLLED_BACK):
    repair = repair_of(ENDED, "d-2", functions(stable, canary), "ann", "arn:rollback", NOW)
    return replace(repair, outcome=outcome, phase=DeploymentPhase.ENDED, ended_at=NOW)


@pytest.mark.parametrize(
    ("repair", "made_live", "restored"),
    [
        (ended_repair("2", "2"), "2", True),  # the weights alone were removed
        (ended_repair("2", "1"), "2", True),  # the aliases were moved back to its versions
        (ended_repair("1", "2"), "2", False),
        (ended_repair("2", "2", DeploymentOutcome.NOT_ROLLED_BACK), "2", False),
        (ended_repair("2", "2", None), "2", False),
        (replace(ended_repair("2", "2"), repair=False), "2", False),
    ],
)
def test_a_repair_restores_a_deployment_if_its_versions_are_live_again(repair, made_live, restored):
    succeeded = replace(ENDED, outcome=DeploymentOutcome.SUCCEEDED, functions=functions("1", made_live))
    assert restored_by(repair, succeeded) is restored


def test_a_repair_restores_no_deployment_that_was_rolled_back():
    assert not restored_by(ended_repair("1", "1"), replace(ENDED, outcome=DeploymentOutcome.ROLLED_BACK))
