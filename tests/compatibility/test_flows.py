"""A client whose every request may reach either release gets what it would get from one.

During a shift, and for as long as a rollback may come, two adjacent releases serve the same logins out of the same tables.
"""

from __future__ import annotations

import base64
import shutil
from itertools import combinations, product

import pytest

from service.keys import key_ring
from service.oauth import tokens
from tests.compatibility.conftest import ROOT, served
from tests.compatibility.walks import (
    CURRENT,
    ENDS,
    IDENTITY,
    ISSUES,
    ONLY_HERE,
    PREVIOUS,
    SIDES,
    SYNTHETIC,
    Incompatible,
    Walk,
    all_mixtures,
    mixtures,
)


def test_each_three_steps_go_through_in_all_combinations_of_releases(both, platform_url):
    for sides in mixtures((*ISSUES, *ENDS["replayed"])):
        Walk(both, platform_url, sides).go("replayed")


@pytest.mark.parametrize("end", ["reused", "revoked"])
def test_a_grant_that_ends_at_one_release_is_over_for_both(both, platform_url, end):
    for sides in mixtures((*ISSUES, *ENDS[end]))[::3]:
        Walk(both, platform_url, {**sides, **dict.fromkeys(ONLY_HERE, CURRENT)}).go(end)


def test_the_synthetic_identity_s_flow_goes_through_likewise(both, platform_url, aws, keys):
    """It is what the orchestrator judges a release by, before traffic and where there is too little of it."""

    def proof(transaction):
        message = f"ib-oauth/synthetic/local/{transaction}".encode()
        mac = aws.kms.generate_mac(KeyId=keys["SYNTHETIC_KEY_ID"], Message=message, MacAlgorithm="HMAC_SHA_256")["Mac"]
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    for sides in mixtures(SYNTHETIC):
        Walk(both, platform_url, sides, IDENTITY).go_as_synthetic(proof)


def test_a_next_signing_key_that_is_published_disturbs_neither_release(both, platform_url, aws, keys, variables):
    """The frozen release knows no ring and signs with the stack's key, which signs until the ring turns on."""
    phases = {keys["SIGNING_KEY_ID"]: "signing", aws.new_key("ECC_NIST_P256", "SIGN_VERIFY"): "published"}
    entries = [
        {"M": {"key_id": {"S": key_id}, "kid": {"S": kid_of(aws, key_id)}, "phase": {"S": phase}, "since": {"N": "1"}}}
        for key_id, phase in phases.items()
    ]
    ring = {"pk": {"S": key_ring.RING_KEY}, "schema": {"N": "1"}, "version": {"N": "1"}, "keys": {"L": entries}}
    aws.dynamodb.put_item(TableName=variables["KEYS_TABLE"], Item=ring)
    for sides in mixtures((*ISSUES, *ENDS["replayed"]))[::4]:
        Walk(both, platform_url, sides).go("replayed")


def kid_of(aws, key_id):
    return tokens.parse_public_key(aws.kms.get_public_key(KeyId=key_id)["PublicKey"]).thumbprint


@pytest.mark.proof
@pytest.mark.parametrize("end", ENDS)
def test_all_steps_up_to_the_last_refresh_go_through_in_all_combinations(both, platform_url, end):
    for sides in all_mixtures(ISSUES):
        other = next(side for side in SIDES if side != sides[ISSUES[-1]])
        ending = {**dict.fromkeys(ENDS[end], other), **dict.fromkeys(ONLY_HERE, CURRENT)}
        Walk(both, platform_url, {**sides, **ending}).go(end)


def test_a_release_that_renames_an_attribute_works_alone_and_fails_next_to_the_one_before(
    aws, variables, previous, platform_url, tmp_path
):
    renaming = tmp_path / "renaming"
    shutil.copytree(ROOT / "service", renaming / "service")
    items = renaming / "service" / "storage" / "item_codec.py"
    text = items.read_text()
    of_code, to_code = (
        "code_challenge=code.code_challenge",
        'code_challenge=item["code_challenge"]["S"],\n        session=',
    )
    assert text.count(of_code) == text.count(to_code) == 1
    text = text.replace(of_code, "challenge=code.code_challenge")
    items.write_text(text.replace(to_code, 'code_challenge=item["challenge"]["S"],\n        session='))
    with (
        served(renaming, tmp_path / "log of the new", variables, aws) as new,
        served(previous, tmp_path / "log of the old", variables, aws) as old,
    ):
        urls = {CURRENT: new, PREVIOUS: old}
        alone = dict.fromkeys((*ISSUES, *ENDS["replayed"]), CURRENT)
        Walk(urls, platform_url, alone).go("replayed")
        with pytest.raises(Incompatible, match="redeem by previous: answered 500"):
            Walk(urls, platform_url, {**alone, "redeem": PREVIOUS}).go("replayed")


def test_the_mixtures_have_every_three_steps_in_all_combinations_equally_often():
    steps = tuple("abcdefghijklmnop")
    rows = mixtures(steps)
    for three in combinations(steps, 3):
        seen = [tuple(row[step] for step in three) for row in rows]
        assert {combination: seen.count(combination) for combination in product(SIDES, repeat=3)} == dict.fromkeys(
            product(SIDES, repeat=3), 4
        )


def test_more_steps_than_the_mixtures_can_hold_are_refused():
    with pytest.raises(ValueError, match="17 steps"):
        mixtures(tuple("abcdefghijklmnopq"))
