"""Requests drawn from the OpenAPI document, sent over HTTP: those that follow it, and those that break it.

What is drawn at random is refused at the first look. So part of each request is replaced by what is true: a client that there is,
a token that lives.
"""

from __future__ import annotations

import json
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.openapi.document import PATH

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(json.loads(PATH.read_text(encoding="utf-8")))
OPERATIONS = {
    GenerationMode.POSITIVE: [result.ok() for result in SCHEMA.get_all_operations()],
    # What takes nothing can be asked in no other way than as the document says.
    GenerationMode.NEGATIVE: [
        found.ok()
        for found in SCHEMA.get_all_operations()
        if {"parameters", "requestBody"} & set(found.ok().definition.raw)
    ],
}
AUTHORIZATION, COOKIE = "Authorization", "Cookie"
ALWAYS = {"x-ib-oauth-version", "strict-transport-security", "x-content-type-options", "content-security-policy"}


@pytest.fixture
def truths(service):
    """What a request may say that is true. The service in this process and the one behind HTTP have the same tables."""
    service.now = time.time()
    tokens = service.redeem(service.code()).json
    return {
        "client_id": "native",
        "redirect_uri": "http://127.0.0.1:5000/callback",
        "code": service.code(),
        "code_verifier": "v" * 43,
        "refresh_token": tokens["refresh_token"],
        "token": tokens["access_token"],
        "transaction": service.transaction(),
        "platform": "demo",
        "scope": "profile",
        AUTHORIZATION: f"Bearer {tokens['access_token']}",
        COOKIE: service.cookie,
    }


def partly_true(case, known):
    """Put what is true in place of what was drawn, where the request has such a member."""
    for members in (case.query, case.body):
        if isinstance(members, dict):
            members.update({name: value for name, value in known.items() if name in members})


def attack(base_url, truths, mode, max_examples):
    """Send requests to every operation. Return how many had which status."""
    statuses: dict[int, int] = {}
    for operation in OPERATIONS[mode]:

        @settings(
            max_examples=max_examples,
            derandomize=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), true=st.sets(st.sampled_from(sorted(truths))))
        def send(case, true):
            known = {name: truths[name] for name in true}
            partly_true(case, known)
            headers = {name: known[name] for name in (AUTHORIZATION, COOKIE) if name in known}
            response = case.call(base_url=base_url, headers=headers, allow_redirects=False, timeout=10)
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            case.validate_response(response, checks=CHECKS)
            assert set(response.headers) >= ALWAYS

        send()
    return statuses


@pytest.mark.strategy("Application Security: Input validation")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_request_is_answered_as_the_document_says(base_url, truths, mode):
    statuses = attack(base_url, truths, mode, 8)
    assert {400, 401} <= set(statuses), statuses


@pytest.mark.proof
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_request_is_answered_as_the_document_says_a_hundred_times_more(base_url, truths, mode):
    statuses = attack(base_url, truths, mode, 300)
    assert {200, 303, 400, 401} <= set(statuses), statuses
