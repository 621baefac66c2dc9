"""What HTTP clients do to the API, by mistake or on purpose, through API Gateway."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

pytestmark = pytest.mark.timeout(200)

TIMEOUT_SECONDS = 10
FORM = {"grant_type": "refresh_token", "client_id": "demo-client", "refresh_token": "unknown"}
AUTHORIZATION = {
    "response_type": "code",
    "client_id": "demo-client",
    "redirect_uri": "http://127.0.0.1:49152/callback",
    "state": "s",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}
REMAPPED = "x-amzn-remapped-www-authenticate"


@pytest.fixture
def ask(api):
    """Send a request to a path, as it is, and follow nothing."""

    def ask(method, path, **sent):
        return requests.request(method, f"{api}{path}", timeout=TIMEOUT_SECONDS, allow_redirects=False, **sent)

    return ask


def challenge(answer):
    """Return the challenge of an answer: a REST API gives it another name, and a client has to look there."""
    assert "www-authenticate" not in answer.headers
    return answer.headers[REMAPPED]


# Challenges (RFC 6750 §3, RFC 9728 §5.1)


def test_without_a_token_the_challenge_says_where_to_learn_more_and_names_no_error(ask, api):
    answer = ask("GET", "/userinfo")
    assert answer.status_code == 401
    assert challenge(answer) == (
        f'Bearer realm="ib-oauth", resource_metadata="{api}/.well-known/oauth-protected-resource/userinfo"'
    )
    assert REMAPPED.lower() in answer.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("path", ["", "/userinfo"])
def test_the_metadata_of_a_resource_name_it_as_it_was_requested_and_lead_to_the_service(ask, api, path):
    metadata = ask("GET", f"/.well-known/oauth-protected-resource{path}").json()
    assert metadata["resource"] == f"{api}{path}"  # RFC 9728 §3.3
    assert metadata["authorization_servers"] == [api]


def test_a_wrong_token_is_called_invalid(ask):
    answer = ask("GET", "/userinfo", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in challenge(answer)


def test_a_client_that_does_not_prove_itself_is_challenged_for_basic(ask):
    answer = ask("POST", "/token", data=FORM | {"client_id": "demo-server"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert challenge(answer).startswith("Basic ")


# Scripts of other origins


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/token", "POST"),
        ("/revoke", "POST"),
        ("/userinfo", "GET"),
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/.well-known/jwks.json", "GET"),
        ("/openapi.json", "GET"),
    ],
)
def test_a_script_of_any_origin_may_ask_without_credentials(ask, path, method):
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,mcp-protocol-version",
    }
    answer = ask("OPTIONS", path, headers=headers)
    assert answer.status_code == 204
    assert {"authorization", "mcp-protocol-version"} <= set(
        answer.headers["access-control-allow-headers"].replace(" ", "").split(",")
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/authorize", "/login", "/login/poll", "/introspect", "/register"])
def test_a_script_may_not_ask_where_a_person_or_a_server_does(ask, path):
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = ask("OPTIONS", path, headers=headers)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# What is not there


@pytest.mark.parametrize("path", ["/nowhere", "/Token", "/.well-known/openid-configuration/x", "/"])
def test_what_is_not_there_is_reported_in_both_forms(ask, path):
    answer = ask("GET", path)
    problem = answer.json()
    assert answer.status_code == 404
    assert (problem["error"], problem["status"], problem["title"]) == ("invalid_request", 404, "Not Found")


@pytest.mark.parametrize("path", ["/token/", "//token"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_spelling_of_an_address_is_not_there_and_its_function_says_so(ask, method, path):
    """API Gateway ignores these slashes when it looks for the resource, and passes the path on as it came."""
    answer = ask(method, path)
    assert (answer.status_code, answer.json()["error"]) == (404, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/token", "OPTIONS, POST"),
        ("PUT", "/token", "OPTIONS, POST"),
        ("HEAD", "/token", "OPTIONS, POST"),
        ("DELETE", "/userinfo", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/version", "GET, HEAD"),
        ("PATCH", "/login", "POST"),
        ("GET", "/introspect", "POST"),
    ],
)
def test_a_method_that_a_path_has_not_is_refused_with_those_that_it_has(ask, method, path, allowed):
    answer = ask(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/version", "/health", "/.well-known/openid-configuration", "/openapi.json"])
def test_head_is_answered_as_get_without_the_body(ask, path):
    got, head = ask("GET", path), ask("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers["content-length"] == str(len(got.content))


def test_head_has_no_challenge_of_its_own(ask):
    assert challenge(ask("HEAD", "/userinfo")) == challenge(ask("GET", "/userinfo"))


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_header_does_not_change_the_method(ask, header):
    assert ask("GET", "/version", headers={header: "DELETE"}).status_code == 200
    assert ask("POST", "/version", headers={header: "GET"}).status_code == 405


# What is too much, twice, or in another form


def test_what_is_not_a_form_is_reported_as_such(ask):
    answer = ask("POST", "/token", json=FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "application/x-www-form-urlencoded" in answer.json()["error_description"]


def test_a_parameter_that_stands_twice_is_refused(ask):
    answer = ask("POST", "/token", data=[*FORM.items(), ("scope", "profile"), ("scope", "email")])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_parameter_of_an_authorization_request_that_stands_twice_is_reported_to_the_client(ask):
    answer = ask("GET", f"/authorize?{urlencode([*AUTHORIZATION.items(), ('scope', 'profile'), ('scope', 'email')])}")
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.status_code == 303
    assert (back["error"], back["state"]) == (["invalid_request"], ["s"])


def test_a_client_id_that_stands_twice_redirects_nowhere(ask):
    answer = ask("GET", f"/authorize?{urlencode([*AUTHORIZATION.items(), ('client_id', 'demo-client')])}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "location" not in answer.headers


@pytest.mark.parametrize("number", [32, 33])
def test_a_request_has_at_most_thirty_two_parameters(ask, number):
    form = FORM | {f"p{serial}": "1" for serial in range(number - len(FORM))}
    expected = "invalid_grant" if number == 32 else "invalid_request"
    assert ask("POST", "/token", data=form).json()["error"] == expected


def test_a_body_of_a_megabyte_is_refused_and_not_read(ask):
    answer = ask("POST", "/token", data=FORM | {"padding": "x" * 1_000_000})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# Who the service is


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded"])
def test_the_issuer_is_what_is_configured_whatever_a_request_says(ask, api, header):
    value = "host=evil.example" if header == "Forwarded" else "evil.example"
    answer = ask("GET", "/.well-known/openid-configuration", headers={header: value})
    assert "evil.example" not in answer.text + str(answer.headers)
    assert answer.json()["issuer"] == api
