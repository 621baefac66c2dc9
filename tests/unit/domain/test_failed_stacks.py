"""What goes with a stack whose creation failed, and what is never removed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.failed_stacks import (
    CREATION_FAILED,
    FailedStack,
    StackRemoval,
    StackResource,
    plan_removal,
    refuse_older_table,
)

BEGAN = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)
STACK = FailedStack(
    name="ib-oauth-stack-prod",
    phase="ROLLBACK_FAILED",
    created_at=BEGAN,
    protected=True,
    resources=(
        StackResource("TokensTable", "AWS::DynamoDB::Table", "ib-oauth-tokens-prod", "DELETE_FAILED"),
        StackResource("StateTable", "AWS::DynamoDB::GlobalTable", "ib-oauth-state-prod", "DELETE_FAILED"),
        StackResource("DataKey", "AWS::KMS::Key", "0f1e", "CREATE_COMPLETE"),
        StackResource("SigningKey", "AWS::KMS::Key", "2d3c", "DELETE_COMPLETE"),
        StackResource("TokenLogs", "AWS::Logs::LogGroup", "/aws/lambda/ib-oauth-token-prod", "CREATE_COMPLETE"),
        StackResource("TokenFirstVersion", "AWS::Lambda::Version", "arn:1", "DELETE_SKIPPED"),
        StackResource("Broken", "AWS::CE::AnomalyMonitor", "", "CREATE_FAILED"),
        StackResource("Role", "AWS::IAM::Role", "ib-oauth-token-prod", "CREATE_COMPLETE"),
    ),
)


@pytest.mark.parametrize("phase", sorted(CREATION_FAILED))
def test_what_the_rollback_could_not_delete_goes_with_the_stack(phase):
    assert plan_removal(replace(STACK, phase=phase)) == StackRemoval(
        stack="ib-oauth-stack-prod",
        protected=True,
        tables=("ib-oauth-tokens-prod", "ib-oauth-state-prod"),
        keys=("0f1e",),
        log_groups=("/aws/lambda/ib-oauth-token-prod",),
    )


@pytest.mark.parametrize(
    "phase",
    ["CREATE_COMPLETE", "CREATE_IN_PROGRESS", "CREATE_FAILED", "DELETE_FAILED", "IMPORT_COMPLETE", "UPDATE_COMPLETE",
     "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS"],
)  # fmt: skip
def test_a_stack_that_was_created_once_is_never_removed(phase):
    with pytest.raises(Refused, match=f"it is in {phase}: remove only a stack whose creation failed"):
        plan_removal(replace(STACK, phase=phase))


@pytest.mark.parametrize(("kind", "what"), [("AWS::S3::Bucket", "bucket"), ("AWS::Backup::BackupVault", "vault")])
def test_what_may_hold_records_is_emptied_by_a_person(kind, what):
    full = StackResource("Trail", kind, "ib-oauth-trail-prod", "DELETE_FAILED")
    with pytest.raises(
        Refused, match=rf"ib-oauth-stack-prod\.Trail: 'ib-oauth-trail-prod' is refused: empty the {what}"
    ):
        plan_removal(replace(STACK, resources=(full,)))
    assert plan_removal(replace(STACK, resources=(replace(full, phase="DELETE_COMPLETE"),))).tables == ()


def test_a_table_that_was_there_before_the_stack_is_kept():
    refuse_older_table(STACK, "ib-oauth-tokens-prod", BEGAN)
    with pytest.raises(Refused, match="it is older than ib-oauth-stack-prod: keep it, and import it"):
        refuse_older_table(STACK, "ib-oauth-tokens-prod", BEGAN - timedelta(seconds=1))
