"""Which identifiers of resources are one: the equivalences of RFC 3986 §6.2.2 and §6.2.3, and no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.oauth.resources.identifiers import find_equivalent, is_resource, normalize

EQUIVALENT = [
    ("https://mcp.example.com", "https://mcp.example.com/"),
    ("https://MCP.Example.COM/", "https://mcp.example.com/"),
    ("HTTPS://mcp.example.com/a", "https://mcp.example.com/a"),
    ("https://mcp.example.com:443/a", "https://mcp.example.com/a"),
    ("http://mcp.example.com:80", "http://mcp.example.com/"),
    ("https://mcp.example.com:/a", "https://mcp.example.com/a"),
    ("wss://mcp.example.com:443", "wss://mcp.example.com/"),
    ("https://mcp.example.com/%7euser", "https://mcp.example.com/~user"),
    ("https://mcp.example.com/a%2fb", "https://mcp.example.com/a%2Fb"),
    ("https://mcp.example.com/%41?%62=%c3%a4", "https://mcp.example.com/A?b=%C3%A4"),
    ("https://mcp.%45xample.com/", "https://mcp.example.com/"),
    ("https://mcp.example.com/a/./b/../c", "https://mcp.example.com/a/c"),
    ("https://mcp.example.com/a/%2E%2e/b", "https://mcp.example.com/b"),
    ("https://mcp.example.com/a/..", "https://mcp.example.com/"),
    ("https://mcp.example.com/a/.", "https://mcp.example.com/a/"),
    ("https://mcp.example.com/../../a", "https://mcp.example.com/a"),
    ("https://mcp.example.com?x=1", "https://mcp.example.com/?x=1"),
    ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
    ("https://user%40@mcp.example.com/", "https://user%40@mcp.example.com"),
    ("URN:example:ledger", "urn:example:ledger"),
]
DIFFERENT = [
    "https://mcp.example.com",
    "http://mcp.example.com",
    "https://mcp.example.com:8443",
    "https://mcp.example.com:80",
    "https://other.example.com",
    "https://user@mcp.example.com",
    "https://mcp.example.com/A",
    "https://mcp.example.com/a",
    "https://mcp.example.com/a/",
    "https://mcp.example.com/a//",
    "https://mcp.example.com/a?x=1",
    "https://mcp.example.com/a?X=1",
    "https://mcp.example.com/a?",
    "https://mcp.example.com/a%2Fb",
    "https://mcp.example.com/a/b",
    "https://mcp.example.com/%252E%252E",
    "urn:example:ledger",
    "urn:example:Ledger",
    "mcp.example.com",
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_identifiers_have_one_normal_form(one, other):
    assert normalize(one) == normalize(other)


def test_no_two_of_different_identifiers_have_the_same_normal_form():
    assert len({normalize(identifier) for identifier in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize("text", ["", "api", "mcp.example.com", "/a/../b", "the issuer", "https", "https://a#f"])
def test_what_is_not_an_absolute_uri_stays_as_it_is(text):
    assert normalize(text) == text


@pytest.mark.parametrize("identifier", ["https://a:b:c/x", "https://[::1", "https://a:99x"])
def test_a_malformed_authority_is_compared_as_it_is(identifier):
    assert normalize(identifier).startswith(identifier.partition("/x")[0])


@given(st.text(alphabet="htps:/.%2eE5aAzZ?&=@[]1443~", max_size=40))
def test_a_normal_form_is_its_own(text):
    for identifier in (text, f"https://a/{text}", f"https://{text}"):
        assert normalize(normalize(identifier)) == normalize(identifier)


def test_the_found_one_is_returned_as_it_is_written_and_the_first_counts():
    candidates = ("urn:a", "https://API.example", "https://api.example/")
    assert find_equivalent("https://api.example:443/", candidates) == "https://API.example"
    assert find_equivalent("https://api.example/v1", candidates) is None
    assert find_equivalent("https://api.example", ()) is None


@pytest.mark.parametrize("text", ["https://api.example/v1?x=1", "urn:example:ledger", "HTTPS://API.example"])
def test_an_absolute_uri_is_a_resource(text):
    assert is_resource(text)


@pytest.mark.parametrize("text", ["", "/v1", "api.example", "https://api.example/#f", "https://ä.example", " ", "a:"])
def test_nothing_else_is(text):
    assert not is_resource(text)
