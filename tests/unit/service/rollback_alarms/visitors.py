"""What an anonymous visitor may send."""

from __future__ import annotations

from tests.unit.service.rollback_alarms.conftest import Attack


def token_request(**form: str) -> Attack:
    return lambda service, _: service.call("token", "POST", "/token", form=form)


def send(function: str, method: str, path: str, **request) -> Attack:
    return lambda service, _: service.call(function, method, path, **request)


VISITOR: dict[str, Attack] = {
    "garbage refresh token": token_request(grant_type="refresh_token", client_id="native", refresh_token="garbage"),
    "invented refresh token": token_request(
        grant_type="refresh_token", client_id="native", refresh_token=f"ibr_{'A' * 22}.{'A' * 43}"
    ),
    "invented code": lambda service, _: service.redeem(f"ibc_{'A' * 43}"),
    "unknown client": token_request(grant_type="refresh_token", client_id="nobody", refresh_token="x"),
    "wrong secret": token_request(
        grant_type="refresh_token", client_id="web", client_secret="wrong", refresh_token="x"
    ),
    "nothing at all": token_request(),
    "unknown grant type": token_request(grant_type="password", client_id="native"),
    "body that is no form": send("token", "POST", "/token", body="{}", headers={"content-type": "text/plain"}),
    "invented token to revoke": send("token", "POST", "/revoke", form={"client_id": "native", "token": "x" * 99}),
    "introspection without a secret": send("token", "POST", "/introspect", form={"client_id": "native", "token": "x"}),
    "registration without a token": send("token", "POST", "/register", body="{}"),
    "unknown redirect": lambda service, _: service.authorize(redirect="https://evil.example/"),
    "authorization without PKCE": lambda service, _: service.authorize(code_challenge="", code_challenge_method="plain"),
    "unfinished logins": lambda service, _: service.authorize(),
    "cookies that were never set": send(
        "authorize", "GET", "/login/poll", query={"transaction": "x"},
        headers={"cookie": 'consent={"a":1}; __Host-ib-oauth-browser="\\015\\012X: 1"'},
    ),
    "invented transaction": send("authorize", "POST", "/login", form={"transaction": f"ibl_{'A' * 43}"}),
    "invented access token": lambda service, _: service.userinfo("a.b.c"),
    "unknown address": send("public", "GET", "/nothing"),
    "one source beyond its rate": lambda service, _: [service.authorize() for _ in range(3)],
    "a document that is not there": lambda service, turn: service.authorize(
        client=f"https://127.0.0.1/{turn}", redirect="https://127.0.0.1/cb"
    ),
}  # fmt: skip
