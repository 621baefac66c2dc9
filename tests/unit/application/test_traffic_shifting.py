"""All functions at once: to a weight, to canary, back to stable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.application import traffic_shifting
from orchestrator.aws.lambda_.aliases import Aliases, owner_tag
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import AliasConflict, LockLost
from tests.fakes.intercepted import Intercepted
from tests.samples import EXECUTION, FUNCTIONS, NOW, deployment, functions

NAMES = tuple(f"ib-oauth-{name}-test" for name in FUNCTIONS)


@pytest.fixture
def begun(cloud, lambdas):
    """A deployment that holds the lock under epoch 1, with canary versions published and no traffic on them."""
    for name in NAMES:
        lambdas.change(name, "code-2")
        lambdas.publish_version(FunctionName=name)
    revisions = {name: cloud.aliases.read_alias(f"ib-oauth-{name}-test").revision for name in FUNCTIONS}
    found = cloud.ledger.create_record(deployment(functions=functions(), revisions=revisions, fencing_token=1))
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    lambdas.calls.clear()
    lambdas.log.clear()
    return found


def taken_over(cloud) -> int:
    return cloud.ledger.acquire_lock(cloud.ledger.read_lock(), "rollback", "d-1", Kind.ROLLBACK, NOW).fencing_token


def routings(lambdas):
    """The one routing of all functions; where they differ, all that there are."""
    found = {lambdas.routing(name)[0]: lambdas.routing(name)[1] for name in NAMES}
    assert len({str(lambdas.routing(name)) for name in NAMES}) == 1, found
    return found


def test_a_shift_gives_canary_its_weight_in_every_function(begun, cloud, lambdas):
    revisions = traffic_shifting.shift(begun, 10, 1, cloud)
    assert routings(lambdas) == {"1": {"2": 0.1}}
    assert {lambdas.mark(name) for name in NAMES} == {"fencing_token=1 deployment=d-1"}
    assert revisions == {name: cloud.aliases.read_alias(f"ib-oauth-{name}-test").revision for name in FUNCTIONS}


def test_a_shift_to_where_it_is_already_writes_nothing(begun, cloud, lambdas):
    shifted = replace(begun, revisions=traffic_shifting.shift(begun, 10, 1, cloud))
    lambdas.log.clear()
    assert traffic_shifting.shift(shifted, 10, 1, cloud) == shifted.revisions
    assert lambdas.log == []


def test_a_shift_that_was_cut_off_goes_on_where_it_was(begun, cloud, lambdas):
    one = replace(begun, functions=begun.functions[:1])
    traffic_shifting.shift(one, 10, 1, cloud)  # and then the task died, before the ledger knew
    revisions = traffic_shifting.shift(begun, 10, 1, cloud)
    assert routings(lambdas) == {"1": {"2": 0.1}}
    assert set(revisions) == set(FUNCTIONS)


def test_a_function_that_the_release_leaves_alone_is_not_written(begun, cloud, lambdas):
    alone = replace(begun, functions=(replace(begun.functions[0], canary_version="1"), *begun.functions[1:]))
    revisions = traffic_shifting.shift(alone, 10, 1, cloud)
    assert lambdas.routing(NAMES[0]) == ("1", {})
    assert revisions[FUNCTIONS[0]] == begun.revisions[FUNCTIONS[0]]


@pytest.mark.parametrize("unseen", [1, 2])
def test_a_read_that_does_not_see_our_step_before_yet_is_repeated_once(begun, cloud, lambdas, unseen):
    old = {name: lambdas.get_alias(FunctionName=name, Name="live") for name in NAMES}
    shifted = replace(begun, revisions=traffic_shifting.shift(begun, 10, 1, cloud))
    left = dict.fromkeys(NAMES, unseen)

    def intercept(operation, arguments, call):
        name = arguments.get("FunctionName")
        if operation != "get_alias" or not left[name]:
            return call()
        left[name] -= 1
        return old[name]

    vars(cloud)["aliases"] = Aliases(Intercepted(lambdas, intercept), "live", sleep=lambda _seconds: None)
    if unseen == 1:
        traffic_shifting.shift(shifted, 50, 1, cloud)
        assert routings(lambdas) == {"1": {"2": 0.5}}
    else:
        with pytest.raises(AliasConflict, match="was moved to"):
            traffic_shifting.shift(shifted, 50, 1, cloud)


def test_a_promotion_leaves_no_weights(begun, cloud, lambdas):
    shifted = replace(begun, revisions=traffic_shifting.shift(begun, 50, 1, cloud))
    traffic_shifting.promote(shifted, 1, cloud)
    assert routings(lambdas) == {"2": {}}


def test_an_alias_that_a_person_moved_is_not_moved_again(begun, cloud, lambdas):
    lambdas.update_alias(FunctionName=NAMES[2], Name="live", FunctionVersion="2", Description="by hand")
    with pytest.raises(AliasConflict, match=f"{NAMES[2]}:live was moved to .* by by hand"):
        traffic_shifting.shift(begun, 10, 1, cloud)
    assert lambdas.routing(NAMES[2]) == ("2", {})


def test_a_task_that_lost_the_lock_shifts_nothing(begun, cloud, lambdas):
    taken_over(cloud)
    lambdas.log.clear()
    with pytest.raises(LockLost):
        traffic_shifting.shift(begun, 10, 1, cloud)
    with pytest.raises(LockLost):
        traffic_shifting.promote(begun, 1, cloud)
    assert lambdas.log == []


def test_an_alias_that_was_moved_by_who_took_the_lock_is_a_lost_lock_and_no_conflict(begun, cloud):
    traffic_shifting.revert(begun, taken_over(cloud), cloud)
    with pytest.raises(LockLost):
        traffic_shifting.shift(begun, 10, 1, cloud)


def test_a_restore_puts_every_function_back_and_signs_it(begun, cloud, lambdas):
    shifted = replace(begun, revisions=traffic_shifting.shift(begun, 50, 1, cloud))
    epoch = taken_over(cloud)
    revisions = traffic_shifting.revert(shifted, epoch, cloud)
    assert routings(lambdas) == {"1": {}}
    assert {lambdas.mark(name) for name in NAMES} == {owner_tag(epoch, "d-1")}
    assert revisions == {name: cloud.aliases.read_alias(f"ib-oauth-{name}-test").revision for name in FUNCTIONS}


def test_a_restore_takes_two_calls_a_function(begun, cloud, lambdas):
    shifted = replace(begun, revisions=traffic_shifting.shift(begun, 50, 1, cloud))
    epoch = taken_over(cloud)
    lambdas.calls.clear()
    traffic_shifting.revert(shifted, epoch, cloud)
    assert len(lambdas.calls) == 2 * len(FUNCTIONS)


def test_a_restore_writes_even_where_the_alias_is_right_so_that_no_late_writer_has_a_good_revision(
    begun, cloud, lambdas
):
    before = {name: lambdas.get_alias(FunctionName=name, Name="live")["RevisionId"] for name in NAMES}
    traffic_shifting.revert(begun, taken_over(cloud), cloud)
    assert sorted(name for name, *_ in lambdas.log) == sorted(NAMES)
    assert all(lambdas.get_alias(FunctionName=name, Name="live")["RevisionId"] != before[name] for name in NAMES)


def test_a_restore_includes_functions_that_the_deployment_did_not_change(begun, cloud, lambdas):
    alone = replace(begun, functions=(replace(begun.functions[0], canary_version="1"), *begun.functions[1:]))
    lambdas.update_alias(FunctionName=NAMES[0], Name="live", FunctionVersion="2")
    traffic_shifting.revert(alone, taken_over(cloud), cloud)
    assert routings(lambdas) == {"1": {}}


def test_a_restore_insists_where_the_ledger_knows_an_old_revision(begun, cloud, lambdas):
    traffic_shifting.shift(begun, 50, 1, cloud)  # and the ledger has no record of it
    traffic_shifting.revert(begun, taken_over(cloud), cloud)
    assert routings(lambdas) == {"1": {}}


def test_a_restore_reads_the_revision_that_the_ledger_does_not_know(begun, cloud, lambdas):
    traffic_shifting.revert(replace(begun, revisions={}), taken_over(cloud), cloud)
    assert routings(lambdas) == {"1": {}}


def test_a_restore_gives_up_on_an_alias_that_others_keep_moving(begun, cloud, lambdas):
    epoch, written = taken_over(cloud), lambdas.update_alias

    def contested(**arguments):
        answer = written(**arguments)
        written(FunctionName=arguments["FunctionName"], Name="live", FunctionVersion="2", Description="by hand")
        return answer

    lambdas.update_alias = contested
    with pytest.raises(AliasConflict, match="by by hand, and should be"):
        traffic_shifting.revert(begun, epoch, cloud)


def test_a_restore_that_was_overtaken_by_a_later_one_stops(begun, cloud, lambdas):
    epoch = taken_over(cloud)
    taken_over(cloud)
    lambdas.log.clear()
    with pytest.raises(LockLost):
        traffic_shifting.revert(begun, epoch, cloud)
    assert lambdas.log == []
