"""The stacks: deployed, in a good state, with the policies that protect traffic and data."""

import pytest

from orchestrator.domain.doctor.result import Level
from orchestrator.domain.doctor.stacks import check_stack_policies, check_stacks

NAMES = ("ib-oauth-security-prod", "ib-oauth-stack-prod")


@pytest.mark.parametrize(
    ("states", "level", "reason", "remedy"),
    [
        (("CREATE_COMPLETE", "UPDATE_COMPLETE"), Level.PASS, "2 stacks are complete", ""),
        (("CREATE_COMPLETE", None), Level.FAIL, "not deployed: ib-oauth-stack-prod", "npx cdk deploy --all -c environment=prod"),
        (("CREATE_COMPLETE", "ROLLBACK_COMPLETE"), Level.FAIL, "creation failed: ib-oauth-stack-prod (ROLLBACK_COMPLETE)", "orchestrator remove-failed-stacks --env prod"),
        (("CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED"), Level.FAIL, "in a state that is not good", "docs/runbooks/infrastructure-rollback.md"),
        (("CREATE_COMPLETE", "A_STATE_OF_THE_FUTURE"), Level.FAIL, "in a state that is not good", "docs/runbooks/infrastructure-rollback.md"),
        (("CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"), Level.WARN, "the last change was rolled back", "npx cdk deploy --all"),
        (("CREATE_COMPLETE", "UPDATE_IN_PROGRESS"), Level.WARN, "being changed", "wait for its end"),
        (("UPDATE_FAILED", "UPDATE_IN_PROGRESS"), Level.FAIL, "not good: ib-oauth-security-prod (UPDATE_FAILED)", "docs/runbooks"),
    ],
)  # fmt: skip
def test_every_stack_must_be_complete(states, level, reason, remedy):
    found = {name: state for name, state in zip(NAMES, states, strict=True) if state}
    result = check_stacks(NAMES, found, "prod")
    assert result.level is level
    assert reason in result.reason
    assert remedy in result.remedy


def test_stack_policies_must_be_those_of_the_files():
    policy, files = {"Statement": [{"Effect": "Deny"}]}, {"a": "x/a.json", "b": "x/b.json"}
    wanted = {"a": policy, "b": policy}
    assert check_stack_policies({"a": policy, "b": policy}, wanted, files).level is Level.PASS
    absent = check_stack_policies({"a": policy, "b": None}, wanted, files)
    assert (absent.level, absent.reason) == (Level.FAIL, "not set: b")
    assert absent.remedy == "aws cloudformation set-stack-policy --stack-name b --stack-policy-body file://x/b.json"
    other = check_stack_policies({"a": {"Statement": []}, "b": policy}, wanted, files)
    assert (other.level, other.reason) == (Level.FAIL, "different: a")
