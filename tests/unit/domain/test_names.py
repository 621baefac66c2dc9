"""Names that are one set in all regions: within AWS's limits, each its own, and matched by the patterns of rights."""

from fnmatch import fnmatchcase

import pytest

from orchestrator.domain.names import (
    bucket_name,
    event_bus_name,
    global_name,
    is_of_environment,
    resource_name,
    role_beginning,
    short_name,
    state_machine_arn,
)

LONGEST, FARTHEST = "staging-of-sixte", "ap-southeast-2"
ROLES = (
    "token",
    "machine-deployment",
    "event-take-configuration-snapshot",
    "event-take-configuration-something-else",
    "event-rotate-signing-keys",
)
BUCKETS = ("evidence", "evidence-heads", "evidence-tails", "exports", "signing", "trail", "config")
ACCOUNT = "123456789012"


def role(name, environment=LONGEST, region=FARTHEST):
    return global_name(f"ib-oauth-{name}-{environment}", environment, region)


def test_the_name_of_a_resource_has_that_of_the_environment_at_its_end_and_gives_the_short_name_again():
    name = resource_name("keys", "prod")

    assert name == "ib-oauth-keys-prod"
    assert short_name(name, "prod") == "keys"
    assert is_of_environment(name, "prod")


@pytest.mark.parametrize("name", ["keys-prod", "ib-oauth-keys-staging", "other-ib-oauth-keys-prod"])
def test_another_name_is_of_no_environment_of_ours(name):
    assert not is_of_environment(name, "prod")


def test_state_machines_and_the_event_bus_have_names_of_the_same_form():
    arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:ib-oauth-drill-prod"

    assert state_machine_arn("drill", "prod", ACCOUNT, "eu-central-1") == arn
    assert event_bus_name("prod") == "ib-oauth-prod"


def test_a_name_that_fits_has_the_region_at_its_end_and_none_without_a_failover():
    assert role("token", "prod", None) == "ib-oauth-token-prod"
    assert role("token", "prod") == "ib-oauth-token-prod-ap-southeast-2"
    assert bucket_name("evidence", "prod", ACCOUNT, None) == "ib-oauth-evidence-prod-123456789012"
    assert bucket_name("evidence", "prod", ACCOUNT, FARTHEST) == "ib-oauth-evidence-prod-123456789012-ap-southeast-2"
    assert global_name("-prod", "prod", FARTHEST) == "-prod-ap-southeast-2"


def test_a_name_that_would_be_too_long_is_shortened_before_its_environment():
    names = [role(name) for name in ROLES]
    assert max(map(len, names)) == 64
    assert len(set(names)) == len(ROLES)
    assert all(fnmatchcase(name, role("*")) for name in names)
    assert fnmatchcase(role("machine-deployment"), role("machine-*"))
    buckets = [bucket_name(name, LONGEST, ACCOUNT, FARTHEST) for name in BUCKETS]
    assert max(map(len, buckets)) == 63
    assert len(set(buckets)) == len(BUCKETS)


def test_a_name_does_not_depend_on_what_stands_for_the_account_in_a_template():
    name, token = bucket_name("evidence-heads", LONGEST, ACCOUNT, FARTHEST), "${Token[AWS.AccountId.3]}"
    assert bucket_name("evidence-heads", LONGEST, token, FARTHEST) == name.replace(ACCOUNT, token)


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize(("environment", "region"), [("prod", None), ("dev", "eu-west-1"), (LONGEST, FARTHEST)])
def test_a_role_begins_alike_in_every_environment_and_region(name, environment, region):
    assert role(name, environment, region).startswith(role_beginning(name))
    assert len(role_beginning(name)) >= len("ib-oauth-token-")
