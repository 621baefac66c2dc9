"""The account: whose credentials, bootstrapped, with enough concurrency, tags and the pipeline's role."""

import pytest

from orchestrator.domain.capacity.account_concurrency import Concurrency, Reservation
from orchestrator.domain.doctor import account
from orchestrator.domain.doctor.result import Level

CALLER, MINE, OTHER = "arn:aws:iam::123456789012:role/ops", "123456789012", "210987654321"


@pytest.mark.parametrize(
    ("expected", "local", "level"),
    [(MINE, False, Level.PASS), (OTHER, False, Level.FAIL), (None, False, Level.WARN), (None, True, Level.PASS)],
)
def test_credentials_must_be_of_the_account_that_the_settings_name(expected, local, level):
    result = account.check_account(CALLER, MINE, expected, local=local)
    assert result.level is level
    assert CALLER in result.reason
    assert bool(result.remedy) == (level is not Level.PASS)


@pytest.mark.parametrize(
    ("versions", "level", "remedy"),
    [
        ({"us-west-1": 6, "us-east-2": 21}, Level.PASS, ""),
        ({"us-west-1": 5}, Level.FAIL, f"npx cdk bootstrap aws://{MINE}/us-west-1"),
        ({"us-west-1": 21, "us-east-2": None}, Level.FAIL, f"npx cdk bootstrap aws://{MINE}/us-east-2"),
    ],
)
def test_every_region_must_be_bootstrapped(versions, level, remedy):
    result = account.check_bootstrap(versions, MINE)
    assert (result.level, result.remedy) == (level, remedy)


def test_the_reserved_concurrency_must_fit_the_account():
    wanted = Reservation({"token": 200}, {"token": 0})
    assert account.check_quotas(Concurrency(1000, 1000), wanted).level is Level.PASS
    result = account.check_quotas(Concurrency(250, 250), wanted)
    assert (result.level, "have the quota raised by 50" in result.remedy) == (Level.FAIL, True)


def test_tags_that_are_not_active_count_nothing():
    active = dict.fromkeys(account.COST_TAGS, "Active")
    assert account.check_cost_tags(active).level is Level.PASS
    result = account.check_cost_tags({**active, "owner": "Inactive", "service": "Active"})
    assert result.level is Level.WARN
    assert "TagKey=owner,Status=Active" in result.remedy
    assert "service" not in result.remedy
    assert account.check_cost_tags({}).reason.startswith("not active: component, environment, owner, service")


@pytest.mark.parametrize(
    ("provider", "role", "level", "missing"),
    [
        ("arn:p", "arn:r", Level.PASS, ()),
        (None, "arn:r", Level.FAIL, ("the OIDC provider arn:wanted",)),
        ("arn:p", None, Level.FAIL, ("the role ib-oauth-pipeline-prod",)),
        (None, None, Level.FAIL, ("the OIDC provider arn:wanted", "the role ib-oauth-pipeline-prod")),
    ],
)
def test_a_pipeline_needs_its_provider_and_its_role(provider, role, level, missing):
    result = account.check_pipeline(provider, role, "arn:wanted", "ib-oauth-pipeline-prod", "prod")
    assert result.level is level
    assert all(what in result.reason for what in missing)


def test_no_pipeline_is_no_pass():
    assert account.no_pipeline().level is Level.SKIPPED
