"""Deep health fails for every table that any endpoint needs, and reports the revocation epoch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.endpoints.health import DeepHealth
from service.storage.tables import NO_TABLE, TABLES

CHECKS = {role: "tokens_table_epoch" if role == "tokens" else f"{role}_table" for role in TABLES}


def deep(service):
    return service.call("public", "GET", "/health/deep")


@pytest.mark.parametrize("role", TABLES)
def test_a_table_that_is_gone_is_named(service, role):
    assert deep(service).status == 200
    service.aws.dynamodb.delete_table(TableName=service.variables[TABLES[role].variable])
    answer = deep(service)
    failed = {name for name, check in answer.json["checks"].items() if not check["healthy"]}
    assert (answer.status, answer.json["healthy"]) == (503, False)
    # Which key signs is in the table of keys.
    assert failed == {CHECKS[role], *(["signing_key"] if role == "keys" else [])}
    assert answer.json["checks"][CHECKS[role]]["error"] == "ResourceNotFoundException"


def test_where_revoking_is_impossible_health_is_not_good(service):
    tokens = service.redeem(service.code()).json
    service.aws.dynamodb.delete_table(TableName=service.variables["REVOCATIONS_TABLE"])
    form = {"client_id": "native", "token": tokens["refresh_token"]}
    assert service.call("token", "POST", "/revoke", form=form).status == 503
    assert deep(service).status == 503


def test_every_table_of_the_functions_variables_is_in_the_list(variables):
    assert {name for name in variables if name.endswith("_TABLE")} == {table.variable for table in TABLES.values()}


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_revocation_epoch_is_shown(service, epoch):
    if epoch:
        service.bump_epoch(epoch)
    assert deep(service).json["revocation_epoch"] == epoch


def test_an_epoch_that_cannot_be_read_is_null(service):
    service.aws.dynamodb.delete_table(TableName=service.variables["TOKENS_TABLE"])
    assert deep(service).json["revocation_epoch"] is None


@pytest.mark.parametrize("role", sorted(TABLES.keys() - {"tokens"}))
def test_a_table_that_the_settings_lack_is_not_healthy_and_one_that_a_drill_does_not_have_is_not_checked(service, role):
    def checks(name):
        function = service.functions["public"]
        settings = replace(function.settings, tables={**function.settings.tables, role: name})
        health = DeepHealth(function, service.store, service.keys)
        function.settings = settings
        return json.loads(health.respond().body)["checks"]

    unset = checks("")[CHECKS[role]]
    assert (unset["healthy"], unset["error"]) == (False, f"{TABLES[role].variable} is not set")
    assert CHECKS[role] not in checks(NO_TABLE)
