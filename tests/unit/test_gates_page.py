"""The examples of docs/guides/gates.md: settings are accepted, a signature is verified, an answer passes."""

import json
import re
import time
import tomllib
from pathlib import Path

import pytest

from orchestrator import environments
from orchestrator.aws.hooks import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from orchestrator.domain.deployment.hooks import HookCall, read_answer
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.schema import SettingsReader
from orchestrator.environments.settings_document import merge

PAGE = (Path(__file__).resolve().parents[2] / "docs/guides/gates.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_example_of_settings_is_accepted_in_prod(text):
    settings = tomllib.loads(environments.settings_file().read_text(encoding="utf-8"))
    prod = merge(merge(settings["defaults"], settings["prod"]), tomllib.loads(text)["prod"])
    environment = environments.read_environment("prod", SettingsReader("prod", prod))
    policy = DeliveryPolicy.parse(environment.delivery)
    named = tomllib.loads(text)["prod"]
    assert len(policy.checks) == len(named.get("delivery", {}).get("checks", []))
    for strategy in named.get("strategies", {}):
        assert Plan.from_strategy(read_strategy(strategy, policy), policy).gates


def test_the_examples_are_there():
    assert [len(blocks(language)) for language in ("toml", "json", "python")] == [4, 2, 1]


def test_the_example_verifies_what_the_orchestrator_signs_and_nothing_else():
    defined: dict = {}
    exec(blocks("python")[0], defined)
    timestamp, body = f"{time.time():.0f}", b'{"deployment": "d-1"}'
    headers = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(b"secret", timestamp, body)}
    assert defined["is_genuine"](b"secret", headers, body)
    assert not defined["is_genuine"](b"another", headers, body)
    assert not defined["is_genuine"](b"secret", headers, body + b" ")
    assert not defined["is_genuine"](b"secret", {**headers, TIMESTAMP_HEADER: "1"}, body)


def test_the_example_of_an_answer_passes_its_question():
    question, answer = (json.loads(block) for block in blocks("json"))
    assert question["answer_token"] == answer["answer_token"]
    assert read_answer(answer, HookCall(question["answer_token"])).passed
