"""How a redirect URI differs from the registered ones, in words that a developer can act on."""

from __future__ import annotations

import pytest

from orchestrator.domain.clients.redirects import allows, explain_mismatch, is_registrable

REGISTERED = ("https://o.example/cb", "https://o.example:8443/other?x=1", "http://127.0.0.1/cb")


@pytest.mark.parametrize("uri", [*REGISTERED, "http://127.0.0.1:5000/cb"])
def test_a_registered_uri_is_allowed_and_on_a_loopback_host_with_any_port(uri):
    assert allows(REGISTERED, uri)


@pytest.mark.parametrize(
    ("uri", "difference"),
    [
        ("https://o.example/cb/", "a slash at the end of the path"),
        ("https://o.example/CB", "upper and lower case of the path"),
        ("https://o.example/callback", "the path (/callback instead of /cb)"),
        ("https://o.example", "the path (none instead of /cb)"),
        ("https://p.example/cb", "the host (p.example instead of o.example)"),
        ("https://o.example:444/cb", "the port (444 instead of none)"),
        ("https://o.example/cb?a=b", "the query"),
        ("https://O.example/cb", "the spelling of the host"),
        ("com.example:/cb", "the scheme (com.example instead of http"),
        ("http://o.example/cb", "no client may use it"),
        ("https://o.example/#", "no client may use it"),
        ("https://o.example:99999/cb", "no client may use it"),
    ],
)
def test_a_mismatch_names_what_differs(uri, difference):
    assert not allows(REGISTERED, uri)
    assert difference in explain_mismatch(REGISTERED, uri)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_port_that_does_not_exist_cannot_be_registered_on_a_loopback_host(host):
    assert is_registrable(f"http://{host}:65535/cb")
    assert not is_registrable(f"http://{host}:65536/cb")
    assert not is_registrable(f"http://{host}:99999/cb")


def test_a_registered_uri_that_cannot_be_split_is_not_compared():
    broken = "http://127.0.0.1:99999/cb"
    assert "the path (/x instead of /cb)" in explain_mismatch((broken, "https://o.example/cb"), "https://o.example/x")
    assert "no registered URI can be compared" in explain_mismatch((broken,), "https://o.example/x")


@pytest.mark.parametrize(
    ("uri", "differences"),
    [
        ("http://127.0.0.1:5000/callback", "the path (/callback instead of /cb)"),
        ("http://localhost:5000/cb", "the host (localhost instead of 127.0.0.1)"),
        ("http://127.0.0.1:5000/cb?", "a question mark at the end"),
        ("http://127.0.0.1:3000/cb?", "a question mark at the end"),
    ],
)
def test_the_port_of_a_loopback_uri_is_not_to_blame(uri, differences):
    registered = "http://127.0.0.1:3000/cb"
    assert not allows((registered,), uri)
    assert explain_mismatch((registered,), uri) == (
        f"it differs from {registered} in {differences}; on a loopback host only the port may differ"
    )


def test_the_nearest_registered_uri_is_compared():
    assert "https://o.example:8443/other?x=1" in explain_mismatch(REGISTERED, "https://o.example:8443/other")


def test_a_resource_server_has_no_redirect_uri():
    assert "resource server" in explain_mismatch((), "https://o.example/cb")
