"""The OpenAPI document says what the functions do, is served by them, and costs them nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from infrastructure.service.api import ROUTES
from orchestrator import environments
from orchestrator.packaging import assets
from service.openapi import answers, requests
from service.openapi.__main__ import main
from service.openapi.document import PATH, RoutesDiffer, document, refuse_differences, text
from service.openapi.models import Model
from service.openapi.operations import OPERATIONS

WRITTEN = json.loads(PATH.read_text(encoding="utf-8"))
EXAMPLES = [
    (model, example)
    for module in (answers, requests)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, Model)
    for example in (model.model_config.get("json_schema_extra") or {}).get("examples", ())
]


@pytest.mark.strategy("Documentation: API documentation")
def test_the_document_is_what_routes_and_models_say():
    assert PATH.read_text(encoding="utf-8") == text(), "write it with: python -m service.openapi"


def test_the_document_is_valid():
    assert list(OpenAPIV31SpecValidator(WRITTEN).iter_errors()) == []


def test_every_route_of_the_api_is_in_the_document_and_no_other():
    routed = {(method, path) for routes in ROUTES.values() for path, methods in routes for method in methods}
    written = {(method.upper(), path) for path, methods in WRITTEN["paths"].items() for method in methods}
    assert written == routed


def test_a_route_without_a_description_is_refused_by_name():
    with pytest.raises(RoutesDiffer, match="GET /more has a route but no description"):
        refuse_differences([*OPERATIONS, ("GET", "/more")], OPERATIONS)


def test_a_description_without_a_route_is_refused_by_name():
    with pytest.raises(RoutesDiffer, match="POST /token has a description but no route"):
        refuse_differences(OPERATIONS.keys() - {("POST", "/token")}, OPERATIONS)


def test_a_document_that_is_behind_is_reported_with_the_remedy(tmp_path, monkeypatch):
    stale = tmp_path / "openapi.json"
    stale.write_text("{}")
    monkeypatch.setattr("service.openapi.__main__.PATH", stale)
    monkeypatch.setattr(sys, "argv", ["openapi", "--check"])
    with pytest.raises(SystemExit, match=r"python -m service\.openapi"):
        main()
    assert stale.read_text() == "{}"
    monkeypatch.setattr(sys, "argv", ["openapi"])
    main()
    assert json.loads(stale.read_text()) == document()
    monkeypatch.setattr(sys, "argv", ["openapi", "--check"])
    main()


@pytest.mark.parametrize(("model", "example"), EXAMPLES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_example_is_one(model, example):
    assert model(**example).model_dump(exclude_unset=True) == example


def test_there_are_examples_of_what_clients_send_and_get():
    assert {model.__name__ for model, _ in EXAMPLES} >= {"AuthorizationRequest", "CodeGrant", "RefreshGrant", "Tokens"}


def test_answers_may_grow_and_nothing_in_them_is_null_where_it_can_be_left_out():
    schemas = json.dumps({name: WRITTEN["components"]["schemas"][name] for name in ("Tokens", "Active", "Person")})
    assert "additionalProperties" not in schemas
    assert '"null"' not in schemas


def test_any_client_can_read_it_with_the_address_of_the_service_in_it(service):
    answer = service.call("public", "GET", "/openapi.json")
    assert answer.status == 200
    assert answer.json == {**WRITTEN, "servers": [{"url": service.settings.issuer}]}
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("cache-control") == "public, max-age=300"


def test_the_functions_import_neither_the_generator_nor_pydantic(variables, aws):
    code = (
        "import sys, service.handlers.authorize, service.handlers.token, service.handlers.public;"
        "print([name for name in sys.modules if name.split('.')[0] == 'pydantic' or name.startswith('service.openapi')])"
    )
    environment = {
        **variables,
        "PYTHONPATH": str(PATH.parents[1]),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-west-1",
    }
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    # Each function has logged that it started.
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_asset_has_the_document_and_not_the_generator():
    asset = assets.service_asset(environments.load("local"))
    assert (asset.folder / "service" / "openapi.json").read_bytes() == PATH.read_bytes()
    assert not (asset.folder / "service" / "openapi").exists()


# What the functions really answer. The models know every member that there is: one more, or one less, is found here.


def test_tokens_are_as_described(service):
    first = service.redeem(service.code())
    answers.Tokens.model_validate_json(first.body, strict=True)
    second = service.refresh(first.json["refresh_token"])
    answers.Tokens.model_validate_json(second.body, strict=True)
    userinfo = service.userinfo(second.json["access_token"])
    answers.Person.model_validate_json(userinfo.body, strict=True)
    refused = service.refresh(first.json["refresh_token"])
    answers.OAuthError.model_validate_json(refused.body, strict=True)
    challenged = service.userinfo(second.json["access_token"])
    answers.Challenge.model_validate_json(challenged.body, strict=True)
    assert (refused.status, challenged.status) == (400, 401)


def test_what_introspection_returns_is_as_described(service):
    basic = {"client_id": "web", "client_secret": "a-secret-of-the-confidential-client"}
    redirect = "https://web.example/cb?x=1"
    tokens = service.redeem(service.code(client="web", redirect=redirect), redirect_uri=redirect, **basic).json

    def introspect(token):
        return service.call("token", "POST", "/introspect", form={**basic, "token": token})

    for token in (tokens["access_token"], tokens["refresh_token"]):
        answers.Active.model_validate_json(introspect(token).body, strict=True)
    revoked = service.call("token", "POST", "/revoke", form={**basic, "token": tokens["refresh_token"]})
    answers.Nothing.model_validate_json(revoked.body, strict=True)
    answers.Inactive.model_validate_json(introspect(tokens["access_token"]).body, strict=True)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/.well-known/oauth-authorization-server", answers.AuthorizationServer),
        ("/.well-known/openid-configuration", answers.OpenIdConfiguration),
        ("/.well-known/oauth-protected-resource", answers.ProtectedResource),
        ("/.well-known/jwks.json", answers.Jwks),
        ("/health", answers.Health),
        ("/health/deep", answers.DeepHealth),
        ("/version", answers.Version),
    ],
)
def test_what_any_client_may_read_is_as_described(service, path, model):
    answer = service.call("public", "GET", path)
    assert answer.status == 200
    model.model_validate_json(answer.body, strict=True)


@pytest.mark.strategy("Application Security: Error handling")
@pytest.mark.parametrize(("function", "path"), [("public", "/nowhere"), ("authorize", "/login/poll")])
def test_problems_are_as_described(service, function, path):
    answers.Problem.model_validate_json(service.call(function, "GET", path).body, strict=True)
