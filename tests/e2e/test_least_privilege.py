"""Every Lambda role is held to its policies while a release is promoted and another is rung back."""

import pytest

from orchestrator.domain.records import Ending
from orchestrator.local.stage import ENVIRONMENT, stage
from orchestrator.local.traffic import Traffic

pytestmark = pytest.mark.timeout(280)
STEPS = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 8}]}
ALARM = f"ib-oauth-token-server-errors-{ENVIRONMENT}"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with stage(tmp_path_factory.mktemp("local"), seed=2) as here:
        here.put_into_latest("good")
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=20, seed=2):
            yield here


def denials(here, deployment):
    entries = here.cloud.ledger.decisions(deployment)
    reasons = [entry.decision.reason for entry in entries]
    reasons += [one.verdict.reason for entry in entries for one in entry.evidence]
    return [reason for reason in reasons if "AccessDenied" in reason or "not authorized" in reason]


def test_a_release_is_promoted_and_no_probe_was_denied_anything(here):
    here.start("d-good", strategy=STEPS)
    ended = here.ended("d-good", 200)
    assert denials(here, "d-good") == []
    assert ended.ending is Ending.SUCCEEDED, ended.reason


def test_an_alarm_takes_it_back_within_the_rollback_window(here):
    here.cloud.clients("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")

    def undone():
        found = here.cloud.ledger.deployment("d-good")
        return found if found.ending is Ending.ROLLED_BACK else None

    ended = here.until(undone, 60, "the rollback")
    assert ended.rollback.restored_at is not None
    assert denials(here, "d-good") == []
