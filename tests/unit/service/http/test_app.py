"""What stands around the flows: headers, errors in their forms, CORS, health, pages, malformed requests."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.unit.service.http.failures import raising

OPEN_DOCUMENTS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/userinfo",
]
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
        patch.setattr(service.aws.dynamodb, "update_item", raising(error))
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
        patch.setattr(service.aws.kms, "sign", raising(error))
        assert service.redeem(code).status == 503
        assert service.refresh(first["refresh_token"]).status == 503
    assert service.redeem(code).status == 200
    assert service.refresh(first["refresh_token"]).status == 200


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
        patch.setattr(service.aws.dynamodb, "transact_write_items", raising(error))
        assert service.poll(transaction).status == 503
    service.now += 1
    assert service.poll(transaction).json["redirect"] is not None


def test_a_mac_key_that_fails_is_503_and_no_refusal(service):
    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    error = ClientError({"Error": {"Code": "KMSInternalException"}}, "VerifyMac")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.aws.kms, "verify_mac", raising(error))
        assert service.prove(transaction, "A" * 43).status == 503


def test_no_attribute_that_an_expression_names_is_a_reserved_word_of_dynamodb(service):
    from pathlib import Path

    from ministack.services._dynamodb_keywords import AWS_KEYWORDS

    folder = Path(__import__("service.storage.grants", fromlist=["storage"]).__file__).parent
    source = "".join((folder / name).read_text() for name in ("conditional_writes.py", "grants.py"))
    expressions = " ".join(re.findall(r'"((?:SET|phase|attribute|refresh_hash|expires_at| AND)[^"]*)"', source))
    functions = {"SET", "ADD", "REMOVE", "AND", "attribute_exists", "attribute_not_exists", "if_not_exists"}
    names = set(re.findall(r"(?<![:\w])[a-z_A-Z]+", expressions)) - functions
    assert {"phase", "refresh_hash", "family_id", "redeemed_by"} <= names
    assert {name for name in names if name.upper() in AWS_KEYWORDS} == set()
