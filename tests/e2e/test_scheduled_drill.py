"""A drill that no person starts: its schedule fires by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.request import recovery_id, scheduled_key
from orchestrator.event_handlers.start_drill import SCHEDULE
from orchestrator.local.deployed_environment import ENVIRONMENT, local_environment

pytestmark = [pytest.mark.repeated, pytest.mark.timeout(900)]  # tests/contract and tests/workflow show the parts

NAME = f"ib-oauth-drill-{ENVIRONMENT}"
WRITABLE = ("Name", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target", "Description")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with local_environment(tmp_path_factory.mktemp("local"), seed=5) as here:
        here.local.enforce_policies(True)
        yield here


def set_schedule(here, expression, state):
    scheduler = here.cloud.clients("scheduler")
    deployed = scheduler.get_schedule(Name=NAME)
    kept = {name: deployed[name] for name in WRITABLE}
    scheduler.update_schedule(**kept, ScheduleExpression=expression, State=state)


def test_a_schedule_starts_a_drill_that_succeeds(here):
    begun = datetime.now(UTC)
    set_schedule(here, "rate(1 minute)", "ENABLED")
    try:
        started = here.wait_until(lambda: here.cloud.drills.find_newest(lambda _: True), 150, "a scheduled drill")
    finally:
        set_schedule(here, "rate(1 minute)", "DISABLED")
    recovery = here.wait_for_drill(started.id, 600)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    assert recovery.requested_by == SCHEDULE
    minutes = [begun + timedelta(seconds=seconds) for seconds in range(240)]
    assert recovery.id in {recovery_id(scheduled_key(minute.replace(microsecond=0), "")) for minute in minutes}
