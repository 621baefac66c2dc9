"""What serves a drill: the live version's code, other settings, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.isolated_service import (
    RestoredTables,
    isolated_variables,
    issuer_of,
    judge_code,
    judge_settings,
    readable_variables,
    refuse_unsafe,
)
from orchestrator.domain.recovery.token_sanitization import (
    RotatedPolicy,
    check_result_of,
    count_dispositions,
    initial_state,
    with_progress,
    with_read_back,
)
from orchestrator.domain.verdict import Outcome

COPY = RestoredTables(
    "drill-state",
    "drill-tokens",
    "https://dr-1.drill.invalid",
    "arn:key",
    4,
    [{"kid": "k", "x": "X", "y": "Y"}],
    "https://live",
)
LIVE = {
    "ENVIRONMENT": "prod", "ISSUER": "https://live", "STATE_TABLE": "state", "TOKENS_TABLE": "tokens", "REVOCATIONS_TABLE": "log",
    "SIGNING_KEY_ID": "arn:live", "KEYS_TABLE": "ring", "PLATFORMS": '{"p": {}}', "CLIENT_DOCUMENTS": "on", "REGISTRATION": "on",
    "CLIENTS": "[]", "SYNTHETIC_KEY_ID": "arn:synthetic",
}  # fmt: skip
SAFE = with_read_back(
    with_progress(
        initial_state("dr-1", "s", [3], RotatedPolicy.REVOKE, 1, source_readable=True), {}, 1, count_dispositions([])
    ),
    {},
    0,
    [],
)


def test_where_it_looks_who_it_is_and_whom_it_asks_are_its_own_and_all_else_is_the_live_version_s():
    changed = {name: value for name, value in isolated_variables(LIVE, COPY).items() if LIVE.get(name) != value}
    published = changed.pop("PUBLISHED_KEYS")
    assert changed == {
        "ISSUER": "https://dr-1.drill.invalid", "STATE_TABLE": "drill-state", "TOKENS_TABLE": "drill-tokens",
        "REVOCATIONS_TABLE": "drill-tokens", "SIGNING_KEY_ID": "arn:key", "KEYS_TABLE": "none", "PLATFORMS": "none",
        "CLIENT_DOCUMENTS": "off", "REGISTRATION": "off", "LEAST_EPOCH": "4",
    }  # fmt: skip
    assert json.loads(published) == {"issuer": "https://live", "keys": [{"x": "X", "y": "Y"}]}


def test_a_function_does_not_get_what_its_version_does_not_know():
    assert "PLATFORMS" not in isolated_variables({"ISSUER": "https://live"}, COPY)


def test_a_drill_s_issuer_is_a_host_that_does_not_resolve():
    assert issuer_of("dr-20261124T050000Z") == "https://dr-20261124t050000z.drill.invalid"


def test_variables_are_read_from_a_configuration():
    assert readable_variables({"Environment": {"Variables": {"A": "1"}}}) == {"A": "1"}


@pytest.mark.parametrize("configuration", [{"Environment": {"Error": {"ErrorCode": "AccessDenied"}}}, {}])
def test_variables_that_cannot_be_read_are_not_taken_for_none(configuration):
    with pytest.raises(Refused, match="key that encrypts them"):
        readable_variables(configuration)


def test_other_code_than_the_live_version_s_is_found():
    same, figures = judge_code({"token": "a", "public": "b"}, {"token": "a", "public": "b"})
    assert same.outcome is Outcome.PASS
    assert figures["token"] == {"live": "a", "served": "a"}
    other, _ = judge_code({"token": "a", "public": "b"}, {"token": "a"})
    assert (other.outcome, "public would be served" in other.reason) == (Outcome.FAIL, True)


def test_a_configuration_that_differs_in_more_than_settings_is_found():
    live = {"token": {"MemorySize": 512, "Role": "live", "Environment": {"A": "1"}}, "public": {"Timeout": 10}}
    served = {"token": {"MemorySize": 512, "Role": "drill", "Environment": {}}, "public": {"Timeout": 10}}
    assert judge_settings(live, served)[0].outcome is Outcome.PASS
    verdict, figures = judge_settings(live, {**served, "public": {"Timeout": 3, "Layers": ["x"]}})
    assert verdict.reason == "differs from the live version in more than its own settings: public: Layers, Timeout"
    assert figures == {"token": [], "public": ["Layers", "Timeout"]}
    assert judge_settings(live, {})[0].outcome is Outcome.FAIL


def test_a_copy_is_served_only_with_the_mark_of_its_own_recovery_that_says_that_it_is_safe():
    assert refuse_unsafe(SAFE, "dr-1") is SAFE
    for mark, why in (
        (None, "did not sanitize"),
        (replace(SAFE, recovery="dr-2"), "did not sanitize"),
        (initial_state("dr-1", "s", [3], RotatedPolicy.REVOKE, 1, source_readable=True), "not sanitized yet"),
        (replace(SAFE, wrong=("f",)), "valid that must not be"),
        (replace(SAFE, proven=7), "7 families read back"),
    ):
        with pytest.raises(Refused, match=why):
            refuse_unsafe(mark, "dr-1")


def test_what_is_found_of_a_copy_says_how_many_live_on_and_why_not():
    verdict, figures = check_result_of(SAFE)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.PASS,
        "0 of 0 families stay valid in epoch 4, and read back valid",
    )
    assert figures["policy"] == "revoke"
    assert check_result_of(replace(SAFE, wrong=("f",)))[0].outcome is Outcome.FAIL
