"""The clients of the service in every environment."""

import json

import pytest

from orchestrator import environments
from tests.infrastructure.service_stack import FUNCTIONS, variables
from tests.infrastructure.templates import changed, synthesise


def test_clients_are_written_without_what_they_do_not_have(local):
    clients = {client["client_id"]: client for client in json.loads(variables(local, "token")["CLIENTS"])}

    assert clients["demo-client"] == {
        "client_id": "demo-client",
        "name": "Demo client",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "scopes": ["profile", "email"],
    }
    assert clients["synthetic"]["synthetic"] is True
    assert "secret_sha256" in clients["demo-server"]
    assert set(clients["demo-api"]) == {"client_id", "name", "scopes", "identifies_as", "secret_sha256"}
    assert clients["demo-server"]["resources"] == clients["demo-api"]["identifies_as"]


def test_clients_without_configuration_are_switched_on_by_the_environment(every):
    documents, registration = every.name in {"local", "dev"}, every.name == "local"

    for name in FUNCTIONS:
        values = variables(every, name)
        assert (values["CLIENT_DOCUMENTS"] == "on", values["REGISTRATION"] == "on") == (documents, registration)
        assert values["SELF_DESCRIBED_CLIENT_SCOPES"].startswith("profile")
        assert (values["MANAGED_CLIENTS"] == "on") == (every.name == "local")


def test_the_token_function_alone_knows_by_what_clients_register(tmp_path):
    one = synthesise(tmp_path, changed(environments.load("prod"), registration_token_sha256="a" * 64))

    assert {variables(one, name)["REGISTRATION"] for name in FUNCTIONS} == {"on"}
    assert [name for name in FUNCTIONS if "REGISTRATION_TOKEN_SHA256" in variables(one, name)] == ["token"]


def client(number: int = 0, **changes) -> environments.ClientSettings:
    described = {"client_id": f"client-{number}", "name": "A client", "redirect_uris": ("https://c.example/callback",)}
    return environments.ClientSettings(**{**described, "scopes": ("profile",), **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"redirect_uris": ("http://c.example/cb",)}, "redirect_uris: http://c.example/cb must use https"),
        ({"redirect_uris": ("https://c.example/cb#f",)}, "redirect_uris: "),
        ({"name": "two\nlines"}, "name"),
        ({"scopes": ("two words",)}, "scopes"),
        ({"resources": ("api.example",)}, "resources must be absolute URIs"),
        ({"identifies_as": ("https://api.example/",)}, "identifies_as needs secret_sha256"),
    ],
)
def test_a_client_that_no_function_would_accept_is_refused_by_its_place(tmp_path, changes, said):
    prod = environments.load("prod")
    wrong = changed(prod, clients=(*prod.service.clients, client(**changes)))

    with pytest.raises(environments.EnvironmentRefused) as refused:
        synthesise(tmp_path, wrong)

    assert "prod.service.clients[1]: 'client-0' is refused: " in str(refused.value)
    assert said in str(refused.value)


def test_more_clients_than_lambda_takes_are_refused_with_the_remedy(tmp_path):
    prod = environments.load("prod")
    many = changed(prod, clients=(*prod.service.clients, *(client(number) for number in range(40))))

    with pytest.raises(
        environments.EnvironmentRefused, match=r"prod\.service\.clients: '\d+ bytes.*4096.*client_metadata_documents"
    ):
        synthesise(tmp_path, many)
