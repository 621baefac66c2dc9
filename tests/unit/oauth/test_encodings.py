"""What is encoded and decoded by our own few lines, in addition to the standard library's."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from service.oauth.credentials import base64url
from service.oauth.parameters import Parameters
from service.oauth.tokens import to_json

BODIES = st.text(st.sampled_from("ab=&+%20fFé;\x00 "), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.binary(max_size=100))
def test_base64url_is_base64_for_addresses_without_padding(octets):
    assert base64url(octets) == urlsafe_b64encode(octets).rstrip(b"=").decode()


@given(BODIES)
def test_a_form_is_read_as_the_standard_library_reads_it(body):
    expected = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        if value:
            expected.setdefault(name, []).append(value)
    assert Parameters.from_form(body)._values == expected


@given(VALUES)
def test_json_is_compact_and_reads_back(value):
    assert json.loads(to_json(value)) == value
    assert to_json(value) == json.dumps(value, separators=(",", ":"))
