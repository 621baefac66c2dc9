import pytest

from orchestrator.domain.environment_lock import EnvironmentLock, Kind, refuse_held, refuse_unfinished
from orchestrator.domain.errors import Refused
from tests.samples import EXECUTION, NOW


def lock(kind=Kind.DEPLOYMENT, **changes):
    return EnvironmentLock(
        **{"fencing_token": 4, "execution": EXECUTION, "deployment": "d-1", "kind": kind, "taken_at": NOW} | changes
    )


def refusal(call, *arguments):
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value


@pytest.mark.parametrize(
    ("kind", "wait", "abort"),
    [
        (Kind.DEPLOYMENT, "`orchestrator watch d-1 --env prod`", True),
        (Kind.ROLLBACK, "`orchestrator watch d-1 --env prod`", False),
        (Kind.RESTORE, "`orchestrator explain d-1 --env prod`", False),
        (Kind.DRILL, "`orchestrator explain d-1 --env prod`", False),
    ],
)
def test_a_held_lock_says_who_holds_it_since_when_and_what_to_do(kind, wait, abort):
    refused = refusal(refuse_held, lock(kind), "ann", "prod")
    assert refused.field == "lock"
    assert refused.value == f"held by {kind} d-1, requested by ann, since 2026-11-23 03:00:00 UTC"
    assert wait in refused.remedy
    assert ("orchestrator abort d-1" in refused.remedy) is abort
    assert "orchestrator rollback" not in refused.remedy, "that would destroy a colleague's healthy deployment"


def test_a_holder_without_a_record_is_named_by_its_id():
    assert refusal(refuse_held, lock(taken_at=None), "", "prod").value == "held by deployment d-1"


def test_a_dead_holder_is_said_to_be_rolled_back_soon():
    refused = refusal(refuse_unfinished, lock(), "prod")
    assert refused.value == "held by deployment d-1, since 2026-11-23 03:00:00 UTC"
    assert "its rollback starts within a minute" in refused.remedy
