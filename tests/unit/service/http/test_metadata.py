"""Health, version and the metadata of the service."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.unit.service.http.failures import raising

OPEN_DOCUMENTS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/userinfo",
]


ISSUER = "https://auth.example"


def test_the_metadata_tell_one_environment_from_another(service):
    for path in OPEN_DOCUMENTS[:2]:
        assert service.call("public", "GET", path).json["environment"] == service.variables["ENVIRONMENT"]


def test_health_does_no_io_and_deep_health_does(service, monkeypatch):
    for operation in ("get_item", "batch_get_item"):
        monkeypatch.setattr(service.aws.dynamodb, operation, raising(EndpointConnectionError(endpoint_url="x")))
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
