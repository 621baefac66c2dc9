"""What every contract test stands on: both clouds start, answer, and run functions."""

import json

import pytest

from orchestrator.local.emulator import PATCHES

pytestmark = pytest.mark.both


def test_the_cloud_answers_as_the_test_account(cloud):
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_only_the_patched_cloud_has_patches(cloud):
    assert bool(cloud.local.patches) == cloud.patched
    assert set(cloud.local.patches) <= set(PATCHES)


def test_a_function_runs_and_sees_nothing_of_the_launcher_s_environment(cloud, monkeypatch):
    name = cloud.function(
        """
        import os
        def handler(event, context):
            return {"echo": event, "names": sorted(os.environ), "path": __import__("sys").path}
        """
    )
    answer = json.load(cloud.client("lambda").invoke(FunctionName=name, Payload=b'{"a": 1}')["Payload"])
    assert answer["echo"] == {"a": 1}
    assert not [name for name in answer["names"] if name.startswith(("PYTEST", "VIRTUAL_ENV", "PYTHONPATH"))]


def test_versions_of_a_function_answer_with_their_own_code(cloud):
    name = cloud.function("def handler(event, context): return 0")
    first, second = cloud.versions(
        name, "def handler(event, context): return 'first'", "def handler(event, context): return 'second'"
    )
    client = cloud.client("lambda")
    answers = [json.load(client.invoke(FunctionName=name, Qualifier=version)["Payload"]) for version in (first, second)]
    assert answers == ["first", "second"]
