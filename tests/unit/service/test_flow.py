"""Whole flows through the three functions: login, code, tokens, refresh, replay, reuse, revocation epoch."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from service.login.flow import SYNTHETIC_SESSION_SECONDS
from service.oauth import codes, logins
from tests.unit.service.conftest import Service
from tests.unit.service.recorder import SHORTEST

ISSUER = "https://auth.example"
SECRET = "a-secret-of-the-confidential-client"


def test_a_person_logs_in_and_a_client_gets_tokens_that_name_them(service):
    tokens = service.redeem(service.code(scope="profile email"))
    assert tokens.status == 200
    assert tokens.json["token_type"] == "Bearer"
    assert tokens.json["expires_in"] == 600
    assert tokens.header("cache-control") == "no-store"
    person = service.userinfo(tokens.json["access_token"]).json
    assert (person["given_name"], person["family_name"], person["email"]) == ("Ada", "Lovelace", "ada@example.com")
    assert person["sub"].startswith("demo:")


def test_an_independent_library_verifies_the_access_token_with_the_published_keys(service):
    access_token = service.redeem(service.code()).json["access_token"]
    published = service.call("public", "GET", "/.well-known/jwks.json").json
    token = jwt.decode(access_token, KeySet.import_key_set(published), algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert token.claims["iss"] == token.claims["aud"] == ISSUER
    assert token.claims["exp"] - token.claims["iat"] == 600
    assert "sid" not in token.claims


def test_the_email_is_returned_only_to_a_client_that_requested_it(service):
    tokens = service.redeem(service.code(scope="profile"))
    assert "email" not in service.userinfo(tokens.json["access_token"]).json


def test_a_confidential_client_proves_itself(service):
    redirect = "https://web.example/cb?x=1"
    code = service.code(client="web", redirect=redirect)
    unproven = service.redeem(code, client_id="web", redirect_uri=redirect)
    assert (unproven.status, unproven.json["error"]) == (401, "invalid_client")
    assert unproven.header("www-authenticate") == 'Basic realm="ib-oauth"'
    assert service.redeem(code, client_id="web", redirect_uri=redirect, client_secret=SECRET).status == 200


def test_a_refresh_rotates_and_the_new_token_works(service):
    first = service.redeem(service.code()).json
    second = service.refresh(first["refresh_token"])
    assert second.status == 200
    assert second.json["refresh_token"] != first["refresh_token"]
    assert service.userinfo(second.json["access_token"]).status == 200
    assert service.refresh(second.json["refresh_token"]).status == 200


def test_reuse_of_a_refresh_token_ends_the_family(service):
    first = service.redeem(service.code()).json
    second = service.refresh(first["refresh_token"]).json
    reused = service.refresh(first["refresh_token"])
    assert (reused.status, reused.json["error"]) == (400, "invalid_grant")
    assert service.refresh(second["refresh_token"]).json["error"] == "invalid_grant"
    assert service.userinfo(second["access_token"]).status == 401


def test_a_replay_of_a_code_ends_the_family(service):
    code = service.code()
    tokens = service.redeem(code).json
    replay = service.redeem(code)
    assert (replay.status, replay.json["error"]) == (400, "invalid_grant")
    assert service.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert service.userinfo(tokens["access_token"]).status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"redirect_uri": "http://127.0.0.1:5001/callback"},
        {"client_id": "web", "client_secret": SECRET},
        {"client_id": "web", "client_secret": SECRET, "code_verifier": "x" * 43},
    ],
)
def test_a_redeemed_code_that_is_presented_wrongly_is_refused_and_its_owner_loses_nothing(service, changes):
    code = service.code()
    tokens = service.redeem(code).json
    replay = service.redeem(code, **changes)
    assert (replay.status, replay.json["error"]) == (400, "invalid_grant")
    assert service.userinfo(tokens["access_token"]).status == 200
    assert service.refresh(tokens["refresh_token"]).status == 200


def delete_what_is_due(service):
    """Delete every item whose time to live is over, as DynamoDB does."""
    for table in (service.variables["STATE_TABLE"], service.variables["TOKENS_TABLE"]):
        for item in service.aws.items(table):
            if int(item.get("delete_at", {"N": "9999999999"})["N"]) <= service.now:
                service.aws.dynamodb.delete_item(TableName=table, Key={"pk": item["pk"]})


@pytest.mark.parametrize("hours", [1, 30, 71])
def test_a_replay_long_after_the_code_has_expired_still_ends_the_family(service, hours):
    code = service.code()
    tokens = service.redeem(code).json
    service.now += hours * 3600
    delete_what_is_due(service)
    assert service.redeem(code).json["error"] == "invalid_grant"
    assert service.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"redirect_uri": "http://127.0.0.1:5001/callback"},
        {"client_id": "web", "client_secret": SECRET},
    ],
)
def test_a_code_presented_wrongly_is_refused_and_not_burnt(service, changes):
    code = service.code()
    assert service.redeem(code, **changes).json["error"] == "invalid_grant"
    assert service.redeem(code).status == 200


def test_an_expired_code_is_refused_although_its_item_is_still_there(service):
    code = service.code()
    service.now += 120
    assert service.redeem(code).json["error"] == "invalid_grant"


def test_a_family_ends_with_the_upstream_session(service):
    tokens = service.redeem(service.code()).json
    service.now += 24 * 3600 - 30
    late = service.refresh(tokens["refresh_token"])
    assert late.json["expires_in"] == 30
    service.now += 30
    assert service.refresh(late.json["refresh_token"]).json["error"] == "invalid_grant"
    assert service.userinfo(late.json["access_token"]).status == 401


def test_a_higher_epoch_ends_codes_and_tokens_of_before(service):
    tokens, code = service.redeem(service.code()).json, service.code()
    service.bump_epoch(1)
    assert service.redeem(code).json["error"] == "invalid_grant"
    assert service.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert service.userinfo(tokens["access_token"]).status == 401
    assert service.redeem(service.code()).status == 200


def test_a_refresh_narrows_the_scope_and_never_widens_it(service):
    tokens = service.redeem(service.code(scope="profile email")).json
    narrow = service.refresh(tokens["refresh_token"], scope="profile").json
    assert narrow["scope"] == "profile"
    wide = service.refresh(narrow["refresh_token"], scope="profile email admin")
    assert (wide.status, wide.json["error"]) == (400, "invalid_scope")
    assert service.refresh(narrow["refresh_token"]).json["scope"] == "profile email"


def test_a_refresh_token_of_another_client_is_refused_and_the_family_lives(service):
    tokens = service.redeem(service.code()).json
    other = service.refresh(tokens["refresh_token"], client_id="web", client_secret=SECRET)
    assert other.json["error"] == "invalid_grant"
    assert service.refresh(tokens["refresh_token"]).status == 200


def test_the_synthetic_identity_goes_the_whole_way_with_tokens_of_five_minutes(service):
    redirect = "https://synthetic.invalid/callback"
    tokens = service.redeem(service.synthetic_code(), client_id="synthetic", redirect_uri=redirect)
    assert tokens.json["expires_in"] == 300
    refreshed = service.refresh(tokens.json["refresh_token"], client_id="synthetic")
    assert service.userinfo(refreshed.json["access_token"]).json == {"sub": "synthetic"}
    service.now += 300
    assert service.userinfo(refreshed.json["access_token"]).status == 401
    service.now += SYNTHETIC_SESSION_SECONDS - 300
    assert service.refresh(refreshed.json["refresh_token"], client_id="synthetic").json["error"] == "invalid_grant"


def test_the_synthetic_identity_s_items_all_have_its_prefix_and_others_have_not(service, aws):
    service.redeem(service.synthetic_code(), client_id="synthetic", redirect_uri="https://synthetic.invalid/callback")
    tables = service.variables["STATE_TABLE"], service.variables["TOKENS_TABLE"]
    keys = [item["pk"]["S"] for table in tables for item in aws.items(table)]
    assert len(keys) == 3
    assert all(key.startswith("synthetic#") for key in keys)
    service.redeem(service.code())
    assert sum(item["pk"]["S"].startswith("synthetic#") for table in tables for item in aws.items(table)) == 3


@pytest.mark.parametrize("mac", ["", "AAAA", "not base64!", "ü", "A" * 43, "A" * 500])
def test_without_the_proof_there_is_no_synthetic_login(service, mac):
    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    assert service.prove(transaction, mac).status in {400, 403}


def test_the_proof_of_one_transaction_does_not_hold_for_a_person_s_login(service, aws):
    transaction = service.transaction()
    message = f"ib-oauth/synthetic/local/{transaction}".encode()
    import base64

    mac = aws.kms.generate_mac(
        KeyId=service.variables["SYNTHETIC_KEY_ID"], Message=message, MacAlgorithm="HMAC_SHA_256"
    )["Mac"]
    assert service.prove(transaction, base64.urlsafe_b64encode(mac).decode()).status == 403


def codes_of(service):
    return [item for item in service.aws.items(service.variables["STATE_TABLE"]) if "code#" in item["pk"]["S"]]


def logged_in(service, **arguments):
    """A login whose person has logged in, and the answer to the poll that learned of it first."""
    transaction = service.transaction(**arguments)
    service.log_in_upstream(service.login_page(transaction))
    return transaction, service.poll(transaction).json


def test_a_login_mints_exactly_one_code_and_its_browser_gets_it_again_until_it_is_used(service):
    transaction, first = logged_in(service)
    service.now += 5
    assert first["redirect"] is not None
    assert [service.poll(transaction).json for _ in range(2)] == [first, first]
    assert len(codes_of(service)) == 1
    assert service.redeem(parse_qs(urlsplit(first["redirect"]).query)["code"][0]).status == 200
    assert service.poll(transaction).json == {"phase": "complete", "redirect": None}


def test_no_other_browser_gets_the_code_again(service):
    transaction, _ = logged_in(service)
    service.cookie = f"__Host-ib-oauth-browser={'o' * 43}"
    assert service.poll(transaction).status == 404


def test_a_code_that_cannot_be_used_is_not_returned_again(service, aws):
    transaction, _ = logged_in(service)
    service.bump_epoch(1)
    assert service.poll(transaction).json == {"phase": "complete", "redirect": None}
    other, _ = logged_in(service)
    service.now += codes.LIFETIME_SECONDS
    assert service.poll(other).json == {"phase": "complete", "redirect": None}
    third, _ = logged_in(service)
    for item in codes_of(service):
        aws.dynamodb.delete_item(TableName=service.variables["STATE_TABLE"], Key={"pk": item["pk"]})
    assert service.poll(third).json == {"phase": "complete", "redirect": None}


def test_the_code_is_returned_again_as_long_as_it_lives_also_at_the_end_of_the_login_s_time(service):
    transaction = service.transaction()
    upstream_token = service.login_page(transaction)
    service.now += logins.LIFETIME_SECONDS - 1
    service.log_in_upstream(upstream_token)
    first = service.poll(transaction).json
    service.now += codes.LIFETIME_SECONDS - 1
    assert service.poll(transaction).json == first
    service.now += 1
    assert service.poll(transaction).status == 404


def test_a_login_that_an_earlier_release_completed_has_no_code_to_give_again(service, aws):
    transaction, _ = logged_in(service)
    (login,) = (item for item in aws.items(service.variables["STATE_TABLE"]) if "login#" in item["pk"]["S"])
    aws.dynamodb.update_item(
        TableName=service.variables["STATE_TABLE"], Key={"pk": login["pk"]}, UpdateExpression="REMOVE outcome"
    )
    assert service.poll(transaction).json == {"phase": "complete", "redirect": None}


def test_a_poll_that_another_poll_overtook_gets_the_same_code(service):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    complete, overtaken = service.store.__class__.complete_login, []

    def overtaking(store, login, code, nonce, now):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store.__class__, "complete_login", complete)
            service.now += 1
            overtaken.append(service.poll(transaction).json)
        return complete(store, login, code, nonce, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.store.__class__, "complete_login", overtaking)
        late = service.poll(transaction).json
    assert overtaken == [late]
    assert late["redirect"] is not None
    assert len(codes_of(service)) == 1


def without_redirect(service):
    """The same service after its client's redirect URI was withdrawn."""
    clients = [
        {**one, **({"redirect_uris": ["https://native.example/new"]} if one["client_id"] == "native" else {})}
        for one in json.loads(service.variables["CLIENTS"])
    ]
    after = Service(service.aws, {**service.variables, "CLIENTS": json.dumps(clients)}, cookie=service.cookie)
    after.now = service.now
    return after


@pytest.mark.parametrize("completed", [False, True])
def test_a_redirect_uri_that_was_withdrawn_during_a_login_gets_no_code(service, completed):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    if completed:
        assert service.poll(transaction).json["redirect"]
    after = without_redirect(service)
    answer = after.poll(transaction)
    assert (answer.status, "127.0.0.1:5000" in answer.body) == (404, False)


def test_a_redirect_uri_that_was_withdrawn_during_a_login_is_not_notified_of_a_denial(service):
    transaction = service.transaction()
    after = without_redirect(service)
    answer = after.call(
        "authorize", "POST", "/login", form={"transaction": transaction, "platform": "demo", "decision": "deny"},
        headers={"cookie": after.cookie},
    )  # fmt: skip
    assert (answer.status, answer.header("location")) == (400, None)


def test_polling_waits_until_the_person_has_logged_in(service):
    transaction = service.transaction()
    upstream_token = service.login_page(transaction)
    assert service.poll(transaction).json == {"phase": "waiting", "retry_after_seconds": 2}
    service.log_in_upstream(upstream_token)
    too_soon = service.poll(transaction)  # within the same second: not asked again
    assert (too_soon.status, too_soon.header("retry-after")) == (429, "2")
    service.now += 1
    assert service.poll(transaction).json["phase"] == "complete"


def test_a_login_belongs_to_the_browser_that_started_it(service):
    transaction = service.transaction()
    service.cookie = "__Host-ib-oauth-browser=another"
    assert service.poll(transaction).status == 404


def test_a_person_can_refuse_and_the_client_is_notified(service):
    transaction = service.transaction()
    form = {"transaction": transaction, "decision": "deny"}
    refused = service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})
    assert refused.status == 200
    assert (refused.answered["error"], refused.answered["iss"], refused.answered["state"]) == (
        "access_denied",
        ISSUER,
        "s",
    )
    again = service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})
    assert again.answered == refused.answered, "the first answer may have been lost"


def test_state_comes_back_byte_for_byte_next_to_the_issuer(service):
    state = "a b&c=d%20+ü\"<>'/?#"
    transaction = service.transaction(state=state)
    service.log_in_upstream(service.login_page(transaction))
    answered = parse_qs(urlsplit(service.poll(transaction).json["redirect"]).query, strict_parsing=True)
    assert answered["state"] == [state]
    assert answered["iss"] == [ISSUER]


def test_nothing_secret_is_stored_or_logged(service, aws, capsys):
    code = service.code(scope="profile email")
    tokens = service.redeem(code).json
    refreshed = service.refresh(tokens["refresh_token"]).json
    service.userinfo(refreshed["access_token"])
    service.redeem(code)
    tables = service.variables["STATE_TABLE"], service.variables["TOKENS_TABLE"]
    stored = json.dumps([aws.items(table) for table in tables], default=lambda octets: octets.decode("latin-1"))
    logged = capsys.readouterr()
    cookie = service.cookie.partition("=")[2]
    secrets = [code, tokens["refresh_token"], refreshed["refresh_token"], tokens["access_token"], "v" * 43, cookie]
    # What follows a prefix gives a secret away, too. A shorter text is in the log by chance: every character of a secret may be "_".
    secrets += [rest for secret in secrets if len(rest := secret.partition("_")[2]) >= SHORTEST]
    secrets += ["Lovelace", "ada@example.com"]
    for secret in secrets:
        assert secret not in stored
        assert secret not in logged.out + logged.err
    assert '"message":"request"' in logged.out
