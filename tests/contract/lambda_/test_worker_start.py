"""A new execution environment has its own variables, modules and threads, whatever process it was started from.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.contract.conftest import ROLE

SOURCE = """
    import os, sys, threading, random
    import botocore.session
    seen, first = [], random.random()
    def handler(event, context):
        seen.append(event.get("as", ""))
        botocore.session.left_by = getattr(botocore.session, "left_by", []) + [os.environ["NAME"]]
        return {
            "seen": seen, "name": os.environ["NAME"], "left_by": botocore.session.left_by, "random": first,
            "folder": os.getcwd(), "code": os.path.dirname(os.path.abspath(__file__)), "argv": sys.argv,
            "threads": threading.active_count(), "main": sys.modules["__main__"].__file__, "parent": os.getppid(),
            "others": sorted(one for one in os.listdir("/proc/self/fd") if int(one) > 2),
        }
"""


def invoke(cloud, name, **event):
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.load(answer["Payload"])
    assert "FunctionError" not in answer, payload
    return payload


@pytest.fixture(scope="module")
def two(cloud):
    names = [cloud.function(SOURCE, Environment={"Variables": {"NAME": name}}) for name in ("one", "two")]
    return [[invoke(cloud, name), invoke(cloud, name, **{"as": "again"})] for name in names]


@pytest.mark.both
def test_an_environment_has_its_own_variables_modules_and_folder(two):
    for name, (_, again) in zip(("one", "two"), two, strict=True):
        assert again["name"] == name
        assert again["seen"] == ["", "again"]
        assert again["left_by"] == [name, name]
        assert again["folder"] == again["code"]
        assert again["argv"] == [again["main"]]
        assert again["threads"] == 1
    (one, _), (other, _) = two
    assert one["folder"] != other["folder"]
    assert one["random"] != other["random"]


@pytest.mark.both
def test_an_environment_holds_nothing_open_of_another(two):
    # listdir itself has opened one.
    assert [len(answer["others"]) for pair in two for answer in pair] == [1, 1, 1, 1]


def test_environments_are_started_from_a_process_that_has_imported_the_runtime(two):
    parents = {answer["parent"] for pair in two for answer in pair}
    assert ["fork_server.py" in Path(f"/proc/{parent}/cmdline").read_text() for parent in parents] == [True]


@pytest.mark.both
def test_a_function_s_own_copy_of_a_package_is_the_one_it_gets(cloud):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("function.py", "import msgspec\ndef handler(event, context): return msgspec.OWN\n")
        archive.writestr("msgspec.py", "OWN = 'ours'\n")
    client, name = cloud.client("lambda"), cloud.name("function")
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=ROLE,
        Handler="function.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
    assert invoke(cloud, name) == "ours"


@pytest.mark.both
def test_a_variable_of_the_interpreter_is_heeded(cloud):
    name = cloud.function(
        "import sys\ndef handler(event, context): return sys.flags.optimize",
        Environment={"Variables": {"PYTHONOPTIMIZE": "2"}},
    )
    assert invoke(cloud, name) == 2


@pytest.mark.both
@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)", "sys.exit(4)"])
def test_an_environment_that_ends_is_replaced(cloud, end):
    name = cloud.function(
        f"""
        import os, sys
        def handler(event, context):
            if event.get("end"):
                {end}
            return os.getpid()
        """
    )
    first = invoke(cloud, name)
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=b'{"end": true}')
    assert answer["FunctionError"] == "Unhandled"
    assert invoke(cloud, name) != first
