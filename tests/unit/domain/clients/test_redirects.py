"""How a redirect URI differs from the registered ones, in words that a developer can act on."""

from __future__ import annotations

import pytest

from orchestrator.domain.clients.redirects import allows, explain_mismatch

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


def test_the_nearest_registered_uri_is_compared():
    assert "https://o.example:8443/other?x=1" in explain_mismatch(REGISTERED, "https://o.example:8443/other")


def test_a_resource_server_has_no_redirect_uri():
    assert "resource server" in explain_mismatch((), "https://o.example/cb")
