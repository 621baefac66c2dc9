import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import KEY, deployment_id, new_key, refuse_other_request
from tests.samples import NOW

EXECUTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def test_the_same_key_is_the_same_deployment():
    assert deployment_id("2026-11-23_a") == "d-2026-11-23_a"


@pytest.mark.parametrize("key", ["", "-a", "a b", "a:b", "ä", "a" * 49, "a\n"])
def test_a_key_that_cannot_stand_in_a_name_is_refused(key):
    with pytest.raises(Refused) as refused:
        deployment_id(key)
    assert refused.value.field == "idempotency_key"


@given(st.from_regex(KEY, fullmatch=True))
def test_the_last_rollback_of_every_deployment_has_a_name_that_step_functions_takes(key):
    assert EXECUTION_NAME.fullmatch(f"rollback-{deployment_id(key)}-50")


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2120, 1, 1)), st.binary(max_size=9))  # noqa: DTZ001 - UTC is added
def test_a_new_key_can_be_used_and_keys_read_in_order_of_time(at, salt):
    key = new_key(at.replace(tzinfo=UTC), salt)
    assert deployment_id(key) == f"d-{key}"
    assert key[:16] <= new_key(datetime(2121, 1, 1, tzinfo=UTC), salt)[:16]


def test_two_keys_of_the_same_second_differ_by_their_salt():
    assert new_key(NOW, b"a") != new_key(NOW, b"b")


EARLIER = {"requested_by": "ann", "strategy": {"type": "canary", "steps": [{"weight_percent": 10}]}, "force": False}


@pytest.mark.parametrize(
    "later",
    [
        EARLIER,
        {**EARLIER, "requested_by": "bob"},
        {**EARLIER, "requested_as": "arn:aws:sts::123456789012:assumed-role/deploy/bob"},
        {**EARLIER, "idempotency_key": "k"},
        {name: value for name, value in EARLIER.items() if name != "force"},
        {**EARLIER, "release": ""},
    ],
)
def test_the_same_request_may_be_repeated_by_another_requester(later):
    refuse_other_request("k", EARLIER, later)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"strategy": {"type": "canary", "steps": [{"weight_percent": 50}]}}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"force": True}, "force"),
        ({"release": "sha256:a", "checklist": {"tests": "x"}}, "checklist, release"),
    ],
)
def test_another_request_under_the_same_key_is_refused_by_what_differs(changes, fields):
    with pytest.raises(Refused, match=f"another {fields}: give another key") as refused:
        refuse_other_request("k", EARLIER, {**EARLIER, **changes})
    assert (refused.value.field, refused.value.value) == ("idempotency_key", "k")
