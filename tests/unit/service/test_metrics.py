"""What CloudWatch is told of every request: by function and version, at one second, business apart from what we do ourselves."""

from __future__ import annotations

import json

import pytest

from tests.unit.service.conftest import Service
from tests.unit.service.faults import faults_of
from tests.unit.service.story import STEPS, Stage

BUSINESS, OURS = "IbOauth", "IbOauth/Synthetic"
BY_FUNCTION = [["environment", "function"], ["environment", "function", "version"]]
BY_RESULT = [["environment", "function", "result"], ["environment", "function", "version", "result"]]
UNITS = {"Requests": "Count", "ServerErrors": "Count", "Latency": "Milliseconds", "Grants": "Count"}
FUNCTIONS = {
    **dict.fromkeys(("/authorize", "/login", "/login/poll", "/login/synthetic"), "authorize"),
    **dict.fromkeys(("/token", "/register", "/revoke", "/introspect"), "token"),
    "/userinfo": "public",
}


@pytest.fixture
def stage(aws, variables):
    return Stage(aws, variables)


def record(capsys):
    """The last request's line."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line][-1]


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
    assert [metric["Name"] for metric in requests["Metrics"]] == ["Requests", "ServerErrors", "Latency"]
    assert [directive["Dimensions"] for directive in grants] == ([BY_RESULT] if "Grants" in seen else [])
    assert (seen["environment"], seen["version"], seen["Requests"]) == ("local", "42", 1)


@pytest.mark.parametrize("step", STEPS)
def test_every_endpoint_is_counted_by_function_and_version_and_its_grants_by_result(stage, capsys, step):
    story, _ = stage.at(step)
    answer = story.tell(step)
    seen = record(capsys)
    hold_emf(seen)
    function = FUNCTIONS[STEPS[step].route.split()[1]]
    assert (seen["function"], seen["route"]) == (function, STEPS[step].route)
    assert (seen["status"], seen["ServerErrors"]) == (answer.status, 0)
    assert seen["Latency"] > 0
    granted = (1, "issued") if STEPS[step].route == "POST /token" else (None, None)
    assert (seen.get("Grants"), seen.get("result")) == granted
    # What the synthetic identity does is not business: a release must not pass on evidence made by its judge.
    namespaces = {one["Namespace"] for one in seen["_aws"]["CloudWatchMetrics"]}
    assert namespaces == {OURS if "synthetic" in step else BUSINESS}


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
