"""What CloudWatch receives of every request: by function and version, at one second, business apart from what we do ourselves."""

from __future__ import annotations

import json

import pytest

from service.storage.conditional_writes import StoreUnavailable
from tests.unit.service.conftest import Service
from tests.unit.service.faults import faults_of
from tests.unit.service.story import STEPS, Stage

BUSINESS, OURS = "IbOauth", "IbOauth/Synthetic"
BY_FUNCTION = [["environment", "function"], ["environment", "function", "version"]]
BY_RESULT = [["environment", "function", "result"], ["environment", "function", "version", "result"]]
UNITS = {
    "Requests": "Count", "ServerErrors": "Count", "Latency": "Milliseconds", "Grants": "Count",
    "ColdStartLatency": "Milliseconds", "KnownGrants": "Count", "RefusedGrants": "Count", "UpstreamErrors": "Count",
}  # fmt: skip
NOT_ALWAYS = ("KnownGrants", "RefusedGrants", "UpstreamErrors")
"""Metrics of some requests only, with the dimensions of all."""
FUNCTIONS = {
    **dict.fromkeys(("/authorize", "/login", "/login/poll", "/login/synthetic"), "authorize"),
    **dict.fromkeys(("/token", "/register", "/revoke", "/introspect"), "token"),
    "/userinfo": "public",
}


@pytest.fixture
def stage(aws, variables):
    return Stage(aws, variables)


def record(capsys, route=None):
    """The last request's line, or the last one of a route."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line and route in {None, line["route"]}][-1]


def hold_emf(seen):
    """Hold a line to CloudWatch's embedded metric format, and to what the orchestrator asks for."""
    for directive in seen["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            assert metric == {"Name": metric["Name"], "Unit": UNITS[metric["Name"]], "StorageResolution": 1}
            assert isinstance(seen[metric["Name"]], int | float)
        for name in {one for dimensions in directive["Dimensions"] for one in dimensions}:
            assert isinstance(seen[name], str)
            assert seen[name]
    requests, *grants = seen["_aws"]["CloudWatchMetrics"]
    assert requests["Dimensions"] == BY_FUNCTION
    also = [name for name in NOT_ALWAYS if name in seen]
    latency = "ColdStartLatency" if "ColdStartLatency" in seen else "Latency"
    assert [metric["Name"] for metric in requests["Metrics"]] == ["Requests", "ServerErrors", latency, *also]
    assert [directive["Dimensions"] for directive in grants] == ([BY_RESULT] if "Grants" in seen else [])
    assert (seen["environment"], seen["version"], seen["Requests"]) == ("local", "42", 1)


@pytest.mark.strategy("Monitoring: Custom metrics", "Audit Trails: Performance metrics")
@pytest.mark.parametrize("step", STEPS)
def test_every_endpoint_is_counted_by_function_and_version_and_its_grants_by_result(stage, capsys, step):
    story, _ = stage.at(step)
    answer = story.tell(step)
    seen = record(capsys, STEPS[step].route)
    hold_emf(seen)
    function = FUNCTIONS[STEPS[step].route.split()[1]]
    assert (seen["function"], seen["route"]) == (function, STEPS[step].route)
    # The form's request is answered by a redirect, which the story follows.
    assert (seen["status"], seen["ServerErrors"]) == (303 if step == "authorize by form" else answer.status, 0)
    assert seen["Latency"] > 0
    granted = (1, "issued") if STEPS[step].route == "POST /token" else (None, None)
    assert (seen.get("Grants"), seen.get("result")) == granted
    known = (1, 0) if STEPS[step].route == "POST /token" else (None, None)
    assert (seen.get("KnownGrants"), seen.get("RefusedGrants")) == known
    # What the synthetic identity does is not business: a release must not pass on evidence made by its judge.
    namespaces = {one["Namespace"] for one in seen["_aws"]["CloudWatchMetrics"]}
    assert namespaces == {OURS if "synthetic" in step else BUSINESS}


def test_the_first_request_of_an_execution_environment_is_not_in_the_latency_of_warm_ones(service, capsys):
    token_request = {"form": {"grant_type": "password", "client_id": "native"}}
    for cold in (True, False, False):
        service.call("token", "POST", "/token", **token_request)
        seen = record(capsys)
        hold_emf(seen)
        assert ("ColdStartLatency" in seen) is cold
        assert seen.get("ColdStartLatency", seen["Latency"]) == seen["Latency"], "queries of the log find all latencies"
        names = {one["Name"] for directive in seen["_aws"]["CloudWatchMetrics"] for one in directive["Metrics"]}
        assert ("Latency" in names) is not cold
        assert "Requests" in names
    service.call("public", "GET", "/userinfo")
    assert "ColdStartLatency" in record(capsys), "each function has environments of its own"


@pytest.mark.parametrize("step", STEPS)
def test_a_request_that_could_not_be_answered_counts_as_a_server_error(stage, capsys, step):
    story, wire = stage.at(step)
    story.tell(step)
    first = wire.calls[0]
    failing, wire = stage.at(step)
    wire.fail(0, faults_of(*first)[0])
    assert failing.tell(step).status == 503
    seen = record(capsys)
    hold_emf(seen)
    assert (seen["status"], seen["Requests"], seen["ServerErrors"]) == (503, 1, 1)
    assert seen.get("result") == ("server_error" if STEPS[step].route == "POST /token" else None)


@pytest.mark.parametrize(
    ("form", "result"),
    [
        ({"grant_type": "authorization_code", "client_id": "native", "code": "x"}, "invalid_request"),
        ({"grant_type": "password", "client_id": "native"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_id": "nobody", "refresh_token": "x"}, "invalid_client"),
        ({"grant_type": "refresh_token", "client_id": "native", "refresh_token": "x"}, "invalid_grant"),
    ],
)
def test_a_refused_grant_is_counted_by_its_error_code(service, capsys, form, result):
    service.call("token", "POST", "/token", form=form)
    seen = record(capsys)
    hold_emf(seen)
    assert (seen["Grants"], seen["result"], seen["ServerErrors"]) == (1, result, 0)
    assert "KnownGrants" not in seen, "no alarm counts what anybody can make up"


def test_a_refused_grant_of_the_client_s_own_is_known_once(service, capsys):
    code = service.code()
    for expected in ((1, 1), (None, None)):
        assert service.redeem(code, code_verifier="w" * 43).status == 400
        seen = record(capsys)
        hold_emf(seen)
        assert (seen.get("KnownGrants"), seen.get("RefusedGrants")) == expected
    token = service.redeem(code).json["refresh_token"]
    assert record(capsys)["RefusedGrants"] == 0
    service.bump_epoch(9)
    for expected in ((1, 1), (None, None)):
        assert service.refresh(token).status == 400
        seen = record(capsys)
        assert (seen.get("KnownGrants"), seen.get("RefusedGrants")) == expected


def test_a_refusal_that_cannot_be_recorded_is_answered_alike_and_not_counted(service, capsys):
    code, mark = service.code(), service.store.mark_refused
    service.store.mark_refused = raising
    assert service.redeem(code, code_verifier="w" * 43).json["error"] == "invalid_grant"
    assert "KnownGrants" not in record(capsys)
    service.store.mark_refused = mark
    assert service.redeem(code).status == 200


def raising(*_):
    raise StoreUnavailable("ThrottlingException")


def test_a_name_that_a_client_makes_up_for_an_error_never_becomes_a_dimension(service, capsys):
    service.call("token", "POST", "/token", form={"grant_type": "x" * 300, "client_id": "native"})
    assert record(capsys)["result"] == "unsupported_grant_type"


def test_a_configured_client_is_named_once_it_is_known_to_be_that_one(service, capsys):
    service.call(
        "token", "POST", "/token", form={"grant_type": "refresh_token", "client_id": "native", "refresh_token": "x"}
    )
    assert record(capsys)["client"] == "native"
    service.call(
        "token", "POST", "/token", form={"grant_type": "refresh_token", "client_id": "web", "client_secret": "wrong"}
    )
    assert "client" not in record(capsys)


def test_a_client_that_describes_itself_is_not_named(aws, variables, capsys):
    service = Service(aws, {**variables, "CLIENT_DOCUMENTS": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile"})
    theirs = "https://a-person.example/app"
    service.call(
        "token", "POST", "/token", form={"grant_type": "refresh_token", "client_id": theirs, "refresh_token": "x"}
    )
    seen = record(capsys)
    assert (seen["client"], seen["result"]) == ("(self-described)", "invalid_grant")
    assert theirs not in json.dumps(seen)
