import msgspec

from orchestrator.domain.records import Claim, Deployment, Shift
from tests.samples import NOW, deployment, seconds


def test_a_claim_without_an_execution_is_held_by_nobody():
    assert not Claim(3).held
    assert Claim(3, "arn").held


def test_the_first_shift_is_when_canary_got_its_first_traffic():
    shifted = deployment(shifts=(Shift(0, 10, NOW), Shift(1, 50, NOW + seconds(30))))
    assert deployment().first_shift_at is None
    assert shifted.first_shift_at == NOW
    assert shifted.shifted_at(1) == NOW + seconds(30)
    assert shifted.shifted_at(2) is None


def test_a_deployment_survives_the_ledgers_json():
    given = deployment(shifts=(Shift(0, 10, NOW),), running={"metrics": {"watches": {"a": [1, 2.5, None]}}})
    assert msgspec.json.decode(msgspec.json.encode(given), type=Deployment) == given
