"""A release that was built once: its name, its proof, and what is refused on the way to the next environment."""

from dataclasses import replace

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome, Release
from orchestrator.domain.deployment.release import (
    PromotionAttestation,
    ReleaseManifest,
    attest,
    manifest_digest,
    refuse_other_build,
    refuse_unattested,
)
from orchestrator.domain.errors import Refused
from tests.samples import deployment

ASSETS = {"service": "ab" * 32, "orchestrator": "cd" * 32}
MANIFEST = ReleaseManifest(manifest_digest(ASSETS), "c0ffee", ASSETS, {})
CODE = {"token": "sha-1"}
PROOF = PromotionAttestation("staging", MANIFEST.digest, "d-1", CODE)


def test_a_release_is_named_by_what_is_in_it_in_whatever_order():
    assert manifest_digest(ASSETS) == manifest_digest(dict(reversed(ASSETS.items())))
    assert manifest_digest(ASSETS) != manifest_digest({**ASSETS, "service": "ef" * 32})
    assert MANIFEST.build == "ab" * 8


@pytest.mark.parametrize("outcome", [DeploymentOutcome.SUCCEEDED, DeploymentOutcome.NOTHING_TO_SHIP])
def test_a_release_that_became_stable_is_proved_with_its_code(outcome):
    ended = replace(deployment(), outcome=outcome, release=Release("sha256:1", code=CODE))
    assert attest(MANIFEST, ended) == PromotionAttestation(ended.environment, MANIFEST.digest, ended.id, CODE)


@pytest.mark.parametrize("outcome", [None, DeploymentOutcome.ROLLED_BACK, DeploymentOutcome.REFUSED])
def test_one_that_did_not_proves_nothing(outcome):
    with pytest.raises(Refused, match="only a release that became stable can be attested"):
        attest(MANIFEST, replace(deployment(), outcome=outcome))


def test_a_release_is_announced_only_where_latest_holds_it():
    refuse_other_build(MANIFEST, {"token": MANIFEST.build}, "prod")
    with pytest.raises(
        Refused, match=r"public:\$LATEST: 'other' is refused: the release is build abab.*assemblies/prod"
    ):
        refuse_other_build(MANIFEST, {"token": MANIFEST.build, "public": "other"}, "prod")


def test_a_release_goes_on_with_the_proof_of_the_environment_before_and_the_same_code():
    refuse_unattested(MANIFEST, PROOF, "staging", CODE)


@pytest.mark.parametrize(
    ("proof", "code", "refused"),
    [
        (None, CODE, "--after: 'staging' is refused: promote it there first"),
        (
            replace(PROOF, environment="dev"),
            CODE,
            "in dev' is refused: this is release .*, which needs an attestation of staging",
        ),
        (replace(PROOF, digest="0" * 64), CODE, "proof: 'release 0000000000000000 in staging' is refused"),
        (PROOF, {"token": "sha-2"}, r"token:\$LATEST: 'sha-2' is refused: the code in staging was sha-1"),
        (PROOF, {"public": "sha-1"}, "the code in staging was None"),
    ],
)
def test_without_that_it_does_not(proof, code, refused):
    with pytest.raises(Refused, match=refused):
        refuse_unattested(MANIFEST, proof, "staging", code)
