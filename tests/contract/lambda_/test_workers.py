"""A log is whole when its invocation ends, a warm invocation is quick, and a burst does not start a worker for each.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
The ceiling of workers is not AWS's: it stands for the machine's few cores, and what is above it waits.
"""

from __future__ import annotations

import base64
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.local.emulator import Options

SOURCE = """
    import os, sys, time
    def handler(event, context):
        for number in range(event.get("lines", 0)):
            print("line", number)
            sys.stderr.flush()
            time.sleep(event.get("between", 0))
        time.sleep(event.get("seconds", 0))
        return os.getpid()
"""


@pytest.fixture(scope="module")
def function(cloud):
    return cloud.function(SOURCE)


def invoke(cloud, name, **event):
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    return json.load(answer["Payload"]), base64.b64decode(answer.get("LogResult", "")).decode().splitlines()


def test_a_warm_invocation_that_logs_nothing_takes_less_than_forty_milliseconds(cloud, function):
    invoke(cloud, function)
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        invoke(cloud, function)
        taken.append(time.perf_counter() - started)
    assert statistics.median(taken) < 0.040


@pytest.mark.both
@pytest.mark.parametrize("between", [0, 0.02])
def test_an_invocation_s_log_has_all_its_lines_and_none_of_another_s(cloud, function, between):
    for lines in (5, 0, 2):
        _, log = invoke(cloud, function, lines=lines, between=between)
        assert log == [f"line {number}" for number in range(lines)]


def test_a_burst_starts_no_more_workers_than_the_ceiling_and_all_are_answered(cloud, function):
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda _: invoke(cloud, function, seconds=0.2)[0], range(12)))
    assert len(answers) == 12
    assert len(set(answers)) <= Options.workers_per_function


@pytest.mark.both
def test_a_function_that_invokes_itself_is_answered(cloud):
    name = cloud.function(
        """
        import boto3, json
        def handler(event, context):
            if event["depth"] == 0:
                return "bottom"
            payload = json.dumps({"depth": event["depth"] - 1})
            return json.load(boto3.client("lambda").invoke(FunctionName=context.function_name, Payload=payload)["Payload"])
        """,
        Timeout=60,
    )
    depth = Options.workers_per_function
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"depth": depth}))
    assert json.load(answer["Payload"]) == "bottom"
