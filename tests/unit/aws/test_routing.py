"""All functions at once: to a weight, to canary, back to stable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.aws import routing
from orchestrator.aws.aliases import mark
from orchestrator.domain.errors import AliasConflict, ClaimLost
from orchestrator.domain.records import Kind
from tests.samples import EXECUTION, FUNCTIONS, NOW, deployment, functions

NAMES = tuple(f"ib-oauth-{name}-test" for name in FUNCTIONS)


@pytest.fixture
def begun(cloud, lambdas):
    """A deployment that holds the claim under epoch 1, with canary versions published and no traffic on them."""
    for name in NAMES:
        lambdas.change(name, "code-2")
        lambdas.publish_version(FunctionName=name)
    revisions = {name: cloud.aliases.read(f"ib-oauth-{name}-test").revision for name in FUNCTIONS}
    found = cloud.ledger.open(deployment(functions=functions(), revisions=revisions, epoch=1))
    cloud.ledger.take_claim(cloud.ledger.claim(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    lambdas.calls.clear()
    lambdas.log.clear()
    return found


def taken_over(cloud) -> int:
    return cloud.ledger.take_claim(cloud.ledger.claim(), "rollback", "d-1", Kind.ROLLBACK, NOW).epoch


def routings(lambdas):
    """The one routing of all functions; where they differ, all that there are."""
    found = {lambdas.routing(name)[0]: lambdas.routing(name)[1] for name in NAMES}
    assert len({str(lambdas.routing(name)) for name in NAMES}) == 1, found
    return found


def test_a_shift_gives_canary_its_weight_in_every_function(begun, cloud, lambdas):
    revisions = routing.shift(begun, 10, 1, cloud)
    assert routings(lambdas) == {"1": {"2": 0.1}}
    assert {lambdas.mark(name) for name in NAMES} == {"epoch=1 deployment=d-1"}
    assert revisions == {name: cloud.aliases.read(f"ib-oauth-{name}-test").revision for name in FUNCTIONS}


def test_a_shift_to_where_it_is_already_writes_nothing(begun, cloud, lambdas):
    shifted = replace(begun, revisions=routing.shift(begun, 10, 1, cloud))
    lambdas.log.clear()
    assert routing.shift(shifted, 10, 1, cloud) == shifted.revisions
    assert lambdas.log == []


def test_a_shift_that_was_cut_off_goes_on_where_it_was(begun, cloud, lambdas):
    one = replace(begun, functions=begun.functions[:1])
    routing.shift(one, 10, 1, cloud)  # and then the task died, before the ledger knew
    revisions = routing.shift(begun, 10, 1, cloud)
    assert routings(lambdas) == {"1": {"2": 0.1}}
    assert set(revisions) == set(FUNCTIONS)


def test_a_function_that_the_release_leaves_alone_is_not_written(begun, cloud, lambdas):
    alone = replace(begun, functions=(replace(begun.functions[0], canary_version="1"), *begun.functions[1:]))
    revisions = routing.shift(alone, 10, 1, cloud)
    assert lambdas.routing(NAMES[0]) == ("1", {})
    assert revisions[FUNCTIONS[0]] == begun.revisions[FUNCTIONS[0]]


def test_a_promotion_leaves_no_weights(begun, cloud, lambdas):
    shifted = replace(begun, revisions=routing.shift(begun, 50, 1, cloud))
    routing.promote(shifted, 1, cloud)
    assert routings(lambdas) == {"2": {}}


def test_an_alias_that_a_person_moved_is_not_moved_again(begun, cloud, lambdas):
    lambdas.update_alias(FunctionName=NAMES[2], Name="live", FunctionVersion="2", Description="by hand")
    with pytest.raises(AliasConflict, match=f"{NAMES[2]}:live was moved to .* by by hand"):
        routing.shift(begun, 10, 1, cloud)
    assert lambdas.routing(NAMES[2]) == ("2", {})


def test_whoever_lost_the_claim_shifts_nothing(begun, cloud, lambdas):
    taken_over(cloud)
    lambdas.log.clear()
    with pytest.raises(ClaimLost):
        routing.shift(begun, 10, 1, cloud)
    with pytest.raises(ClaimLost):
        routing.promote(begun, 1, cloud)
    assert lambdas.log == []


def test_an_alias_that_was_moved_by_who_took_the_claim_is_a_lost_claim_and_no_conflict(begun, cloud):
    routing.restore(begun, taken_over(cloud), cloud)
    with pytest.raises(ClaimLost):
        routing.shift(begun, 10, 1, cloud)


def test_a_restore_puts_every_function_back_and_signs_it(begun, cloud, lambdas):
    shifted = replace(begun, revisions=routing.shift(begun, 50, 1, cloud))
    epoch = taken_over(cloud)
    revisions = routing.restore(shifted, epoch, cloud)
    assert routings(lambdas) == {"1": {}}
    assert {lambdas.mark(name) for name in NAMES} == {mark(epoch, "d-1")}
    assert revisions == {name: cloud.aliases.read(f"ib-oauth-{name}-test").revision for name in FUNCTIONS}


def test_a_restore_takes_two_calls_a_function(begun, cloud, lambdas):
    shifted = replace(begun, revisions=routing.shift(begun, 50, 1, cloud))
    epoch = taken_over(cloud)
    lambdas.calls.clear()
    routing.restore(shifted, epoch, cloud)
    assert len(lambdas.calls) == 2 * len(FUNCTIONS)


def test_a_restore_writes_even_where_the_alias_is_right_so_that_no_late_writer_has_a_good_revision(
    begun, cloud, lambdas
):
    before = {name: lambdas.get_alias(FunctionName=name, Name="live")["RevisionId"] for name in NAMES}
    routing.restore(begun, taken_over(cloud), cloud)
    assert sorted(name for name, *_ in lambdas.log) == sorted(NAMES)
    assert all(lambdas.get_alias(FunctionName=name, Name="live")["RevisionId"] != before[name] for name in NAMES)


def test_a_restore_includes_functions_that_the_deployment_did_not_change(begun, cloud, lambdas):
    alone = replace(begun, functions=(replace(begun.functions[0], canary_version="1"), *begun.functions[1:]))
    lambdas.update_alias(FunctionName=NAMES[0], Name="live", FunctionVersion="2")
    routing.restore(alone, taken_over(cloud), cloud)
    assert routings(lambdas) == {"1": {}}


def test_a_restore_insists_where_the_ledger_knows_an_old_revision(begun, cloud, lambdas):
    routing.shift(begun, 50, 1, cloud)  # and the ledger was never told
    routing.restore(begun, taken_over(cloud), cloud)
    assert routings(lambdas) == {"1": {}}


def test_a_restore_reads_the_revision_that_the_ledger_does_not_know(begun, cloud, lambdas):
    routing.restore(replace(begun, revisions={}), taken_over(cloud), cloud)
    assert routings(lambdas) == {"1": {}}


def test_a_restore_gives_up_on_an_alias_that_others_keep_moving(begun, cloud, lambdas):
    epoch, written = taken_over(cloud), lambdas.update_alias

    def contested(**arguments):
        answer = written(**arguments)
        written(FunctionName=arguments["FunctionName"], Name="live", FunctionVersion="2", Description="by hand")
        return answer

    lambdas.update_alias = contested
    with pytest.raises(AliasConflict, match="by by hand, asked for"):
        routing.restore(begun, epoch, cloud)


def test_a_restore_that_was_overtaken_by_a_later_one_stops(begun, cloud, lambdas):
    epoch = taken_over(cloud)
    taken_over(cloud)
    lambdas.log.clear()
    with pytest.raises(ClaimLost):
        routing.restore(begun, epoch, cloud)
    assert lambdas.log == []
