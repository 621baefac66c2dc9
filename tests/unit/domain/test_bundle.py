"""A release that was built once: its name, its proof, and what is refused on the way to the next environment."""

from dataclasses import replace

import pytest

from orchestrator.domain.bundle import Manifest, Proof, digest_of, prove, refuse_other_build, refuse_unproven
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Ending, Release
from tests.samples import deployment

ASSETS = {"service": "ab" * 32, "orchestrator": "cd" * 32}
MANIFEST = Manifest(digest_of(ASSETS), "c0ffee", ASSETS, {})
CODE = {"token": "sha-1"}
PROOF = Proof("staging", MANIFEST.digest, "d-1", CODE)


def test_a_release_is_named_by_what_is_in_it_in_whatever_order():
    assert digest_of(ASSETS) == digest_of(dict(reversed(ASSETS.items())))
    assert digest_of(ASSETS) != digest_of({**ASSETS, "service": "ef" * 32})
    assert MANIFEST.build == "ab" * 8


@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.NOTHING_TO_SHIP])
def test_a_release_that_became_stable_is_proved_with_its_code(ending):
    ended = replace(deployment(), ending=ending, release=Release("sha256:1", code=CODE))
    assert prove(MANIFEST, ended) == Proof(ended.environment, MANIFEST.digest, ended.id, CODE)


@pytest.mark.parametrize("ending", [None, Ending.ROLLED_BACK, Ending.REFUSED])
def test_one_that_did_not_proves_nothing(ending):
    with pytest.raises(Refused, match="only a release that became stable proves anything"):
        prove(MANIFEST, replace(deployment(), ending=ending))


def test_a_release_is_announced_only_where_latest_holds_it():
    refuse_other_build(MANIFEST, {"token": MANIFEST.build}, "prod")
    with pytest.raises(
        Refused, match=r"public:\$LATEST: 'other' is refused: the release is build abab.*assemblies/prod"
    ):
        refuse_other_build(MANIFEST, {"token": MANIFEST.build, "public": "other"}, "prod")


def test_a_release_goes_on_with_the_proof_of_the_environment_before_and_the_same_code():
    refuse_unproven(MANIFEST, PROOF, "staging", CODE)


@pytest.mark.parametrize(
    ("proof", "code", "refused"),
    [
        (None, CODE, "--after: 'staging' is refused: ship it there first"),
        (replace(PROOF, environment="dev"), CODE, "in dev' is refused: this is release .* has to be proved in staging"),
        (replace(PROOF, digest="0" * 64), CODE, "proof: 'release 0000000000000000 in staging' is refused"),
        (PROOF, {"token": "sha-2"}, r"token:\$LATEST: 'sha-2' is refused: in staging it was sha-1: not the same code"),
        (PROOF, {"public": "sha-1"}, "in staging it was None"),
    ],
)
def test_without_that_it_does_not(proof, code, refused):
    with pytest.raises(Refused, match=refused):
        refuse_unproven(MANIFEST, proof, "staging", code)
