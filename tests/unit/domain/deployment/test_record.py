import msgspec
import pytest

from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase, Shift
from orchestrator.domain.environment_lock import EnvironmentLock
from tests.samples import NOW, deployment, functions, seconds


def test_a_lock_without_an_execution_has_no_holder():
    assert not EnvironmentLock(3).held
    assert EnvironmentLock(3, "arn").held


def test_the_first_shift_is_when_canary_got_its_first_traffic():
    shifted = deployment(shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW + seconds(30))))
    assert deployment().first_shift_at is None
    assert shifted.first_shift_at == NOW
    assert shifted.shifted_at(1) == NOW + seconds(30)
    assert shifted.shifted_at(2) is None


def test_a_deployment_survives_the_ledgers_json():
    record = deployment(shifts=(Shift(0, 10, NOW),), running={"metrics": {"watches": {"a": [1, 2.5, None]}}})
    assert msgspec.json.decode(msgspec.json.encode(record), type=Deployment) == record


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shifts": (Shift(0, 10, NOW), Shift(1, 50, NOW))}, "50 % on authorize:2, public:2, token:2"),
        ({}, "0 % on authorize:2, public:2, token:2"),
        ({"functions": functions("2", "2")}, "0 % on no changed function"),
    ],
)
def test_what_clients_are_exposed_to_is_reported_by_weight_and_version(changes, text):
    assert deployment(**changes).exposure == text


@pytest.mark.parametrize(
    ("phase", "ended_at", "under_way"),
    [
        (DeploymentPhase.SHIFTING, None, True),
        (DeploymentPhase.ENDED, NOW, False),
        (DeploymentPhase.ROLLING_BACK, NOW, True),
        (DeploymentPhase.ROLLING_BACK, None, True),
    ],
)
def test_a_deployment_that_is_rolled_back_after_its_end_is_under_way(phase, ended_at, under_way):
    assert deployment(phase=phase, ended_at=ended_at).under_way is under_way


@pytest.mark.parametrize("phase", list(DeploymentPhase))
def test_a_deployment_is_accepted_once_its_checks_have_let_it_through(phase):
    waiting = phase in {DeploymentPhase.PLANNED, DeploymentPhase.LOCKED}
    assert deployment(phase=phase).accepted is not waiting
    assert not deployment(phase=phase, outcome=DeploymentOutcome.REFUSED).accepted
