"""Drills of a table without a stream and of a table that lacks a row, under traffic and with Lambda roles held to their policies.

They have a local cloud of their own, so that they run at the same time as those of test_least_privilege.py.
"""

import pytest

from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Outcome
from orchestrator.local.cloud import ACCOUNT
from orchestrator.local.deployed_environment import ENVIRONMENT, local_environment
from orchestrator.local.traffic_generator import Traffic
from tests.e2e.drills import tables_of_drills, verdicts
from tests.infrastructure.permissions.recorded import check_calls, complete_record

pytestmark = [pytest.mark.repeated, pytest.mark.timeout(600)]  # tests/workflow and the contract tests show the parts


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with local_environment(tmp_path_factory.mktemp("local"), seed=3) as here:
        here.local.enforce_policies(True)
        with Traffic(here.api_url, here.platform_url, rate_per_second=20, seed=3):
            yield here


def test_where_a_stream_says_nothing_an_export_of_the_table_is_compared(here):
    table, dynamodb = f"ib-oauth-tokens-{ENVIRONMENT}", here.cloud.clients("dynamodb")
    dynamodb.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    here.start_drill("dr-export")
    recovery = here.wait_for_drill("dr-export", 300)
    both = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    dynamodb.update_table(TableName=table, StreamSpecification=both)
    assert recovery.outcome is RecoveryOutcome.SUCCEEDED, recovery.reason
    by = {
        one.check: one.figures["source_at_point"] for one in recovery.check_results if one.check.startswith("content.")
    }
    assert (by["content.tokens"], by["content.state"]) == ("export", "stream")
    bucket = f"ib-oauth-exports-{ENVIRONMENT}-{ACCOUNT}"
    assert "Contents" not in here.cloud.clients("s3").list_objects_v2(Bucket=bucket)


def test_a_row_that_is_missing_from_a_copy_turns_the_drill_red(here):
    here.start_drill("dr-missing", fault="missing-row")
    recovery = here.wait_for_drill("dr-missing", 240)
    assert recovery.outcome is RecoveryOutcome.FAILED
    bad = [check for check, verdict in verdicts(recovery).items() if verdict.outcome is not Outcome.PASS]
    assert bad in (["content.tokens"], ["content.state"]), recovery.reason
    assert "1 missing" in recovery.reason
    assert tables_of_drills(here) == []


@complete_record
def test_every_call_of_this_run_is_in_the_record(here):
    check_calls(here, "test_drill_checks")
