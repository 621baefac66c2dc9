"""Names that are one set in all regions: within AWS's limits, each its own, and matched by the patterns of rights."""

from fnmatch import fnmatchcase

import pytest

from orchestrator.domain.names import bucket_name, global_name, role_beginning

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
