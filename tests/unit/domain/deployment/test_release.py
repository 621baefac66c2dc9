import json
from dataclasses import replace

import pytest

from orchestrator.domain.deployment.release import FunctionVersion, refuse_role_change, release_commit, release_digest
from orchestrator.domain.errors import Refused

ONE = FunctionVersion(
    function_name="ib-oauth-token-test",
    version="$LATEST",
    revision="r1",
    code_sha256="abc",
    role="role",
    dead_letter="",
    configuration={"Environment": {"Variables": {"A": "1"}}, "MemorySize": 512},
    ready=True,
)


def test_the_same_content_has_the_same_name_whatever_its_revision():
    assert release_digest({"token": ONE}) == release_digest({"token": replace(ONE, revision="r2", version="7")})


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, code_sha256="abd"),
        replace(ONE, configuration={"Environment": {"Variables": {"A": "2"}}, "MemorySize": 512}),
        replace(ONE, configuration={}),
    ],
)
def test_other_code_or_another_setting_is_another_release(other):
    assert release_digest({"token": ONE}) != release_digest({"token": other})


def test_the_functions_names_belong_to_a_release():
    assert (
        release_digest({"token": ONE})
        != release_digest({"public": ONE})
        != release_digest({"public": ONE, "token": ONE})
    )


def test_versions_of_one_role_and_queue_can_share_an_alias():
    assert refuse_role_change("token", replace(ONE, version="4"), ONE) is None


@pytest.mark.parametrize(
    ("change", "field"), [({"role": "other"}, "role"), ({"dead_letter": "q"}, "dead-letter target")]
)
def test_versions_that_an_alias_cannot_hold_at_once_are_refused(change, field):
    with pytest.raises(Refused) as refused:
        refuse_role_change("token", replace(ONE, version="4"), replace(ONE, **change))
    assert refused.value.field == f"release.token.{field}"
    assert "version 4" in refused.value.remedy


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def built_from(*texts):
    return {
        f"f{number}": replace(ONE, configuration={"Environment": {"Variables": {"RELEASE": text}}})
        for number, text in enumerate(texts)
    }


def test_a_release_has_the_commit_that_all_its_functions_were_built_from():
    text = json.dumps({"commit": COMMIT, "build": "b"})
    assert release_commit(built_from(text, text)) == COMMIT


@pytest.mark.parametrize(
    "texts",
    [
        (json.dumps({"commit": f"{COMMIT}+"}),),  # with changes that were not committed
        (json.dumps({"commit": "unknown"}),),
        (json.dumps({"commit": COMMIT}), json.dumps({"commit": COMMIT[::-1]})),
        (json.dumps({"commit": 7}),),
        ("{}",),
        ("[]",),
        ("no JSON",),
        (7,),
    ],
)
def test_a_release_that_was_not_built_from_one_commit_has_none(texts):
    assert release_commit(built_from(*texts)) == ""


@pytest.mark.parametrize(
    "configuration", [{}, {"Environment": "x"}, {"Environment": {}}, {"Environment": {"Variables": 1}}]
)
def test_a_function_without_the_variable_has_no_commit(configuration):
    assert release_commit({"token": replace(ONE, configuration=configuration)}) == ""
