"""What stands around the flows: headers, errors in their forms, CORS, health, pages, malformed requests."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

ISSUER = "https://auth.example"
OPEN_DOCUMENTS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/userinfo",
]
METADATA_AT = f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource/userinfo"'
EVERYWHERE = [
    ("authorize", "GET", "/authorize"),
    ("authorize", "POST", "/login"),
    ("authorize", "GET", "/login/poll"),
    ("authorize", "POST", "/login/synthetic"),
    ("authorize", "GET", "/nothing"),
    ("token", "POST", "/token"),
    ("token", "GET", "/token"),
    ("token", "POST", "/revoke"),
    ("token", "POST", "/introspect"),
    ("public", "GET", "/userinfo"),
    ("public", "GET", "/health"),
    ("public", "GET", "/health/deep"),
    ("public", "GET", "/version"),
    *(("public", "GET", path) for path in OPEN_DOCUMENTS),
]


def test_the_metadata_tell_one_environment_from_another(service):
    for path in OPEN_DOCUMENTS[:2]:
        assert service.call("public", "GET", path).json["environment"] == service.variables["ENVIRONMENT"]


@pytest.mark.parametrize(("function", "method", "path"), EVERYWHERE)
def test_every_answer_carries_the_version_and_the_security_headers(service, function, method, path):
    answer = service.call(function, method, path)
    assert answer.header("x-ib-oauth-version") == "42"
    assert answer.header("strict-transport-security").startswith("max-age=63072000")
    assert answer.header("x-content-type-options") == "nosniff"
    assert "frame-ancestors 'none'" in answer.header("content-security-policy")
    assert answer.status < 500
    assert (answer.header("cache-control") == "no-store") is (path not in OPEN_DOCUMENTS)
    assert answer.header("pragma") == ("no-cache" if path not in OPEN_DOCUMENTS else None)  # RFC 6749 §5.1


@pytest.mark.parametrize(("function", "method", "path"), EVERYWHERE)
def test_every_request_is_one_line_of_metrics_by_version(service, capsys, function, method, path):
    answer = service.call(function, method, path)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    records = [line for line in lines if "_aws" in line]
    assert len(records) == 1
    record = records[0]
    assert (record["environment"], record["function"], record["version"]) == ("local", function, "42")
    assert (record["Requests"], record["ServerErrors"], record["status"]) == (1, 0, answer.status)
    assert record["Latency"] > 0
    assert record["route"] == f"{method} {path}"
    for directive in record["_aws"]["CloudWatchMetrics"]:
        assert {metric["StorageResolution"] for metric in directive["Metrics"]} == {1}
        assert all(dimension in record for dimensions in directive["Dimensions"] for dimension in dimensions)
        assert all(metric["Name"] in record for metric in directive["Metrics"])
    dimensions = record["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert dimensions == [["environment", "function"], ["environment", "function", "version"]]


def test_grants_are_counted_by_result_and_the_synthetic_identity_s_apart(service, capsys):
    service.redeem(service.code())
    service.redeem("ibc_" + "a" * 43)
    service.redeem(service.synthetic_code(), client_id="synthetic", redirect_uri="https://synthetic.invalid/callback")
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Grants"' in line]
    seen = [
        (record["_aws"]["CloudWatchMetrics"][1]["Namespace"], record["result"], record["Grants"]) for record in records
    ]
    assert seen == [("IbOauth", "issued", 1), ("IbOauth", "invalid_grant", 1), ("IbOauth/Synthetic", "issued", 1)]


def _namespace(capsys):
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Namespace"]


@pytest.mark.parametrize("path", ["/health", "/health/deep", "/version"])
def test_monitoring_is_left_out_of_the_business_metrics(service, capsys, path):
    service.call("public", "GET", path)
    assert _namespace(capsys) == "IbOauth/Synthetic"


@pytest.mark.parametrize(
    ("context", "namespace"),
    [
        ({"synthetic": True}, "IbOauth/Synthetic"),
        ({"synthetic": "true"}, "IbOauth"),
        ({}, "IbOauth"),
    ],
)
def test_a_probe_past_the_api_is_left_out_of_the_business_metrics(service, capsys, context, namespace):
    event = {"httpMethod": "GET", "path": "/authorize", "resource": "/authorize", "requestContext": {"stage": "live", **context},
             "headers": {}, "queryStringParameters": {"client_id": "native", "redirect_uri": "http://127.0.0.1:1/callback"}}  # fmt: skip
    assert service.functions["authorize"](event, None)["statusCode"] == 303
    assert _namespace(capsys) == namespace


# Errors


def test_a_store_that_fails_is_503_with_retry_after_and_the_code_is_not_burnt(service, capsys):
    code = service.code()
    error = ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "m"}}, "UpdateItem")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.aws.dynamodb, "update_item", _raiser(error))
        answer = service.redeem(code)
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert answer.json["error"] == "temporarily_unavailable"
    assert '"reason":"ProvisionedThroughputExceededException"' in capsys.readouterr().out
    assert service.redeem(code).status == 200


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="x"), ClientError({"Error": {"Code": "KMSInternalException"}}, "Sign")],
)
def test_a_key_that_fails_is_503_and_neither_code_nor_refresh_token_is_burnt(service, error):
    first = service.redeem(service.code()).json
    code = service.code()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.aws.kms, "sign", _raiser(error))
        assert service.redeem(code).status == 503
        assert service.refresh(first["refresh_token"]).status == 503
    assert service.redeem(code).status == 200
    assert service.refresh(first["refresh_token"]).status == 200


def _raiser(error):
    def fail(**_):
        raise error

    return fail


def test_a_bug_is_a_handled_500_that_quotes_nothing_of_the_request(service, monkeypatch, capsys):
    def bug(*_):
        raise ValueError("ibc_secret")

    monkeypatch.setattr("service.token_issuance.codes.effect", bug)
    answer = service.redeem(service.code())
    assert (answer.status, answer.json["error"]) == (500, "server_error")
    logged = capsys.readouterr().out
    assert "ibc_secret" not in logged
    error = next(json.loads(line) for line in logged.splitlines() if '"ERROR"' in line)
    assert (error["error"], error["version"]) == ("ValueError", "42")
    assert "issuance.py" in error["where"][-2]
    assert '"ServerErrors":1' in logged
    assert '"result":"server_error"' in logged


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"httpMethod": "GET"},
        {"httpMethod": "POST", "path": "/token", "requestContext": {}, "headers": None, "body": None},
    ],
)
def test_an_event_that_makes_no_sense_is_answered_and_never_raised(service, event):
    for edge in service.functions.values():
        assert edge(dict(event), None)["statusCode"] in {400, 401, 404, 500}


FAILING = [
    ("authorize", "GET", "/authorize", "text/html; charset=utf-8"),
    ("authorize", "POST", "/login", "text/html; charset=utf-8"),
    ("authorize", "GET", "/login/poll", "application/problem+json"),
    ("authorize", "POST", "/login/synthetic", "application/problem+json"),
    ("token", "POST", "/token", "application/json"),
    ("token", "POST", "/revoke", "application/json"),
    ("token", "POST", "/introspect", "application/json"),
    ("public", "GET", "/userinfo", "application/problem+json"),
    ("public", "GET", "/version", "application/problem+json"),
]


@pytest.mark.parametrize(("function", "method", "path", "form"), FAILING)
def test_a_failure_is_reported_in_the_form_that_suits_the_caller(service, monkeypatch, function, method, path, form):
    def bug(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr(service.functions[function].routes, "dispatch", bug)
    answer = service.call(function, method, path)
    assert (answer.status, answer.header("content-type")) == (500, form)
    assert "a bug" not in answer.body
    if form == "application/problem+json":
        assert answer.json == {
            "title": "Internal Server Error", "status": 500, "detail": "An internal error occurred. It has been logged.",
        }  # fmt: skip


@pytest.mark.parametrize(("function", "method", "path", "form"), FAILING)
def test_a_source_that_sends_too_many_requests_learns_when_to_retry_and_another_source_is_not_kept_out(
    request, variables, capsys, function, method, path, form
):
    variables |= {"SOURCE_REQUESTS_PER_SECOND": "1", "SOURCE_BURST_REQUESTS": "2"}
    service = request.getfixturevalue("service")
    answers = [service.call(function, method, path, source="192.0.2.1") for _ in range(3)]
    assert [answer.status == 429 for answer in answers] == [False, False, True]
    assert (answers[2].header("retry-after"), answers[2].header("content-type")) == ("1", form)
    assert answers[2].header("x-ib-oauth-version") == "42"
    assert service.call(function, method, path, source="192.0.2.2").status != 429
    service.now += 1
    assert service.call(function, method, path, source="192.0.2.1").status != 429
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines].count(429) == 1
    assert "192.0.2" not in json.dumps(lines)


def test_an_unknown_address_is_a_problem(service):
    answer = service.call("public", "GET", "/nothing")
    assert (answer.status, answer.header("content-type")) == (404, "application/problem+json")
    assert answer.json["status"] == 404


def test_parameters_in_the_query_or_as_json_are_not_read_by_the_token_endpoint(service):
    form = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": "x"}
    assert service.call("token", "POST", "/token", query=form).json["error"] == "invalid_client"
    answer = service.call("token", "POST", "/token", headers={"content-type": "application/json"})
    assert answer.json["error"] == "invalid_client"


def test_a_body_in_base64_is_read_the_same(service):
    import base64

    body = base64.b64encode(b"grant_type=password&client_id=native").decode()
    event = {
        "resource": "/token", "path": "/token", "httpMethod": "POST", "body": body, "isBase64Encoded": True,
        "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "requestContext": {"stage": "s"},
    }  # fmt: skip
    assert json.loads(service.functions["token"](event, None)["body"])["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
def test_a_body_that_is_no_form_is_reported_as_such_and_not_taken_for_a_client_that_says_nothing(service, path):
    body = '{"grant_type": "refresh_token", "client_id": "web"}'
    answer = service.call("token", "POST", path, body=body, headers={"content-type": "application/json; charset=utf-8"})
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert "application/x-www-form-urlencoded" in answer.json["error_description"]


def test_a_repeated_parameter_is_an_invalid_request(service):
    answer = service.call(
        "token", "POST", "/token", form=[("client_id", "native"), ("grant_type", "a"), ("grant_type", "b")]
    )
    assert answer.json["error"] == "invalid_request"


# CORS


@pytest.mark.parametrize("path", ["/token", "/revoke", "/userinfo", *OPEN_DOCUMENTS])
def test_browsers_of_any_origin_may_call_the_open_endpoints_without_credentials(service, path):
    function = "token" if path in {"/token", "/revoke"} else "public"
    preflight = service.call(function, "OPTIONS", path)
    assert (preflight.status, preflight.header("access-control-allow-origin")) == (204, "*")
    allowed = {name.strip() for name in preflight.header("access-control-allow-headers").split(",")}
    assert allowed >= {"authorization", "content-type", "mcp-protocol-version", "*"}
    assert preflight.header("access-control-allow-credentials") is None
    method = "POST" if function == "token" else "GET"
    assert method in preflight.header("access-control-allow-methods").split(", ")
    answer = service.call(function, "DELETE", path)
    methods = {*preflight.header("access-control-allow-methods").split(", "), "OPTIONS"}
    assert (answer.status, set(answer.header("allow").split(", "))) == (405, methods)
    assert service.call(function, method, path).header("access-control-allow-origin") == "*"


def test_no_other_origin_may_read_the_login(service):
    transaction = service.transaction()
    for answer in (service.authorize(), service.poll(transaction)):
        assert answer.header("access-control-allow-origin") is None


# Authorization errors and pages


@pytest.mark.parametrize(
    "query", [{}, {"client_id": "stranger"}, {"client_id": "native", "redirect_uri": "https://evil.example/<script>"}]
)
def test_an_untrusted_request_is_a_page_and_never_a_redirect(service, query):
    answer = service.call("authorize", "GET", "/authorize", query=query)
    assert (answer.status, answer.header("location")) == (400, None)
    assert answer.header("content-type").startswith("text/html")
    assert "<script>" not in answer.body


def test_too_many_parameters_are_refused_with_a_page(service):
    answer = service.call("authorize", "GET", "/authorize", query=[(f"p{number}", "v") for number in range(40)])
    assert answer.status == 400


def test_a_wrong_request_of_a_known_client_goes_back_to_it(service):
    answer = service.authorize(response_type="token")
    assert answer.status == 303
    assert answer.header("location").startswith("http://127.0.0.1:5000/callback?")
    assert (answer.redirect["error"], answer.redirect["state"], answer.redirect["iss"]) == (
        "unsupported_response_type",
        "s",
        ISSUER,
    )


def test_the_page_names_client_and_host_escaped_and_runs_nothing_but_its_own(service):
    page = service.authorize()
    assert "Native &lt;app&gt;" in page.body
    assert "127.0.0.1" in page.body
    policy = page.header("content-security-policy")
    nonces = set(re.findall(r'nonce="([^"]+)"', page.body))
    assert nonces == set(re.findall(r"nonce-([^']+)'", policy))
    assert "default-src 'none'" in policy
    assert "form-action 'self';" in policy
    assert nonces.isdisjoint(re.findall(r'nonce="([^"]+)"', service.authorize().body))


def test_the_cookie_is_bound_to_the_host_and_kept_for_the_next_login(service):
    cookie = service.authorize().header("set-cookie")
    assert cookie.startswith("__Host-ib-oauth-browser=")
    assert cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    value = cookie.partition(";")[0]
    again = service.call(
        "authorize", "GET", "/authorize", headers={"Cookie": value},
        query={"response_type": "code", "client_id": "native", "redirect_uri": "http://127.0.0.1:5000/callback",
               "code_challenge": "c" * 43, "code_challenge_method": "S256"},
    )  # fmt: skip
    assert again.header("set-cookie").partition(";")[0] == value


@pytest.mark.parametrize(
    "cookie", ["", "other=1", "__Host-ib-oauth-browser=" + "a" * 65, "__Host-ib-oauth-browser", "=;\x00"]
)
def test_a_login_without_its_cookie_is_not_found(service, cookie):
    transaction = service.transaction()
    service.cookie = cookie
    assert service.poll(transaction).status == 404


@pytest.mark.parametrize(
    "form", [{}, {"transaction": "ibl_" + "a" * 43, "platform": "demo"}, {"transaction": "nonsense"}]
)
def test_a_login_that_does_not_exist_is_a_page(service, form):
    assert service.call("authorize", "POST", "/login", form=form, headers={"cookie": "x=y"}).status == 400


def test_an_unknown_platform_is_a_page(service):
    form = {"transaction": service.transaction(), "platform": "other"}
    assert service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie}).status == 400


def test_the_synthetic_identity_has_no_business_at_a_platform(service):
    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    form = {"transaction": transaction, "platform": "demo"}
    assert service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie}).status == 400


def test_a_proof_used_twice_mints_one_code(service, aws):
    import base64

    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    message = f"ib-oauth/synthetic/local/{transaction}".encode()
    key = service.variables["SYNTHETIC_KEY_ID"]
    mac = base64.urlsafe_b64encode(aws.kms.generate_mac(KeyId=key, Message=message, MacAlgorithm="HMAC_SHA_256")["Mac"])
    first, again = service.prove(transaction, mac.decode()), service.prove(transaction, mac.decode())
    assert (first.status, again.status) == (303, 303)
    assert first.header("location") == again.header("location"), "the first answer may have been lost"
    form = {"client_id": "synthetic", "redirect_uri": "https://synthetic.invalid/callback"}
    assert service.redeem(first.redirect["code"], **form).status == 200
    assert service.prove(transaction, mac.decode()).status == 409


# Bearer tokens


def test_userinfo_without_a_token_is_challenged_without_an_error(service):
    answer = service.call("public", "GET", "/userinfo")
    assert (answer.status, answer.header("www-authenticate")) == (401, f'Bearer realm="ib-oauth", {METADATA_AT}')
    assert answer.json == {"error": "invalid_token", "error_description": "a bearer token is required"}


def test_userinfo_refuses_a_token_in_the_query(service):
    answer = service.call("public", "GET", "/userinfo", query={"access_token": "a.b.c"})
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_userinfo_refuses_a_token_that_another_key_signed_or_none(service):
    header, claims, signature = service.redeem(service.code()).json["access_token"].split(".")
    import base64

    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt","kid":"x"}').rstrip(b"=").decode()
    for forged in (
        f"{header}.{claims}.{'A' * 86}",
        f"{header}.{claims}.{signature[:40]}",
        f"{none}.{claims}.",
        "x",
        f"{header}.{claims[:-4]}.{signature}",
    ):
        answer = service.userinfo(forged)
        assert answer.status in {400, 401}
        assert 'error="inv' in answer.header("www-authenticate")


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("email", {"email": "ada@example.com"}),
        ("profile", {"given_name": "Ada", "family_name": "Lovelace"}),
        ("profile email", {"given_name": "Ada", "family_name": "Lovelace", "email": "ada@example.com"}),
        ("openid", {}),
        ("openid email", {"email": "ada@example.com"}),
    ],
)
def test_what_was_agreed_to_can_be_read_and_the_subject_always(service, scope, claims):
    tokens = service.redeem(service.code(scope=scope)).json
    answer = service.userinfo(tokens["access_token"])
    assert answer.status == 200, answer.body
    subject = answer.json["sub"]
    assert subject.startswith("demo:")
    assert answer.json == {"sub": subject, **claims}


def test_nothing_of_the_session_is_decrypted_for_a_token_that_may_read_nothing_of_it(service, monkeypatch):
    tokens = service.redeem(service.code(scope="openid")).json
    monkeypatch.setattr(service.aws.kms, "decrypt", _raiser(EndpointConnectionError(endpoint_url="x")))
    assert service.userinfo(tokens["access_token"]).status == 200


def test_userinfo_by_post_is_the_same(service):
    tokens = service.redeem(service.code()).json
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert service.call("public", "POST", "/userinfo", headers=headers).json["given_name"] == "Ada"


# Health and metadata


def test_health_does_no_io_and_deep_health_does(service, monkeypatch):
    for operation in ("get_item", "batch_get_item"):
        monkeypatch.setattr(service.aws.dynamodb, operation, _raiser(EndpointConnectionError(endpoint_url="x")))
    assert service.call("public", "GET", "/health").json == {"healthy": True, "version": "42"}
    deep = service.call("public", "GET", "/health/deep")
    assert deep.status == 503
    checks = deep.json["checks"]
    assert not any(check["healthy"] for check in checks.values())
    assert checks["state_table"]["error"] == "EndpointConnectionError"
    # Which key signs is in a table, too.
    assert checks["signing_key"]["error"] == "the key ring cannot be read: EndpointConnectionError"


def test_deep_health_names_each_check_with_its_milliseconds(service):
    answer = service.call("public", "GET", "/health/deep")
    assert answer.status == 200
    assert set(answer.json["checks"]) == {
        "state_table", "tokens_table_epoch", "keys_table", "revocations_table", "signing_key",
    }  # fmt: skip
    assert all(check["ms"] >= 0 for check in answer.json["checks"].values())


def test_deep_health_begins_no_check_after_its_deadline(service, monkeypatch):
    monkeypatch.setattr("service.endpoints.health.DEADLINE_SECONDS", 0.0)
    answer = service.call("public", "GET", "/health/deep")
    assert answer.status == 503
    assert {check["error"] for check in answer.json["checks"].values()} == {"deadline"}


def test_version_says_what_is_running(service):
    assert service.call("public", "GET", "/version").json == {
        "function": "public", "version": "42", "commit": "abc123", "build": "7", "configuration": "sha256:0",
        "items": {"writes": 1, "reads": [1]},
    }  # fmt: skip


@pytest.mark.parametrize("path", OPEN_DOCUMENTS[:2])
def test_the_issuer_is_the_configured_one_whatever_the_host_header(service, path):
    document = service.call(
        "public", "GET", path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    ).json
    assert document["issuer"] == ISSUER
    assert "evil" not in json.dumps(document)
    assert document["scopes_supported"] == ["email", "openid", "profile"]


def test_the_key_set_has_public_members_only(service):
    keys = service.call("public", "GET", "/.well-known/jwks.json").json["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "use", "alg", "kid"}]


# What cannot be, and what comes late


@pytest.mark.parametrize(
    "refresh_token", ["nonsense", f"ibr_{'a' * 22}.{'b' * 43}", f"ibrs_{'a' * 22}.{'b' * 43}", "ibc_" + "a" * 43]
)
def test_a_refresh_token_that_was_never_issued_is_refused(service, refresh_token):
    assert service.refresh(refresh_token).json["error"] == "invalid_grant"


@pytest.mark.parametrize("code", ["nonsense", "ibc_" + "a" * 43, "ibcs_" + "a" * 43, f"ibr_{'a' * 22}.{'b' * 43}"])
def test_a_code_that_was_never_issued_is_refused(service, code):
    assert service.redeem(code).json["error"] == "invalid_grant"


def test_a_code_of_the_synthetic_identity_is_nothing_to_another_client(service):
    code = service.synthetic_code()
    assert service.redeem(code, redirect_uri="https://synthetic.invalid/callback").json["error"] == "invalid_grant"


def test_a_store_that_holds_keys_back_decides_nothing(service):
    tokens = service.redeem(service.code()).json

    def throttled(**arguments):
        return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.aws.dynamodb, "batch_get_item", throttled)
        assert service.refresh(tokens["refresh_token"]).status == 503
    assert service.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="x"),
        ClientError({"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": [{"Code": "TransactionConflict"}]}, "T"),
    ],
)  # fmt: skip
def test_a_login_whose_end_could_not_be_written_can_still_end(service, error):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.aws.dynamodb, "transact_write_items", _raiser(error))
        assert service.poll(transaction).status == 503
    service.now += 1
    assert service.poll(transaction).json["redirect"] is not None


def test_a_mac_key_that_fails_is_503_and_no_refusal(service):
    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    error = ClientError({"Error": {"Code": "KMSInternalException"}}, "VerifyMac")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.aws.kms, "verify_mac", _raiser(error))
        assert service.prove(transaction, "A" * 43).status == 503


def test_userinfo_of_a_family_that_is_gone_is_refused(service, aws):
    tokens = service.redeem(service.code()).json
    for item in aws.items(service.variables["TOKENS_TABLE"]):
        aws.dynamodb.delete_item(TableName=service.variables["TOKENS_TABLE"], Key={"pk": item["pk"]})
    assert service.userinfo(tokens["access_token"]).status == 401


def test_no_attribute_that_an_expression_names_is_a_reserved_word_of_dynamodb(service):
    from pathlib import Path

    from ministack.services._dynamodb_keywords import AWS_KEYWORDS

    source = Path(__import__("service.storage.grants", fromlist=["storage"]).__file__).read_text()
    expressions = " ".join(re.findall(r'"((?:SET|phase|attribute|refresh_hash|expires_at| AND)[^"]*)"', source))
    functions = {"SET", "ADD", "REMOVE", "AND", "attribute_exists", "attribute_not_exists", "if_not_exists"}
    names = set(re.findall(r"(?<![:\w])[a-z_A-Z]+", expressions)) - functions
    assert {"phase", "refresh_hash", "family_id", "redeemed_by"} <= names
    assert {name for name in names if name.upper() in AWS_KEYWORDS} == set()
