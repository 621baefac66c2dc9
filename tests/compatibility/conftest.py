"""Two releases side by side over the same tables and keys: the one in this checkout, and the frozen one before it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager

import pytest

from tests.compatibility import freeze
from tests.compatibility.walks import CURRENT, PREVIOUS

# Fixtures are found by their names in this module.
from tests.unit.service.conftest import ROOT, aws, keys, platform_url, variables  # noqa: F401

GATEWAY = ROOT / "tests" / "unit" / "service" / "gateway.py"


@pytest.fixture(scope="session")
def previous(tmp_path_factory):
    """The folder that holds the frozen release's `service`."""
    folder = tmp_path_factory.mktemp("previous")
    with zipfile.ZipFile(freeze.latest()) as archive:
        archive.extractall(folder)
    return folder


@contextmanager
def served(source, folder, variables, aws):  # noqa: F811 - pytest's way of naming what it gives
    """Serve a release in a process of its own. Yields its address."""
    environment = {
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(source),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    folder.mkdir()
    log = folder / "log"
    with log.open("w") as lines:
        process = subprocess.Popen(
            [sys.executable, "-P", str(GATEWAY)],
            env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=lines, text=True,
        )  # fmt: skip
        # The functions log their start before the server is there.
        first = next((line for line in process.stdout if "url" in json.loads(line)), "")
        # Every request writes a line: a pipe without a reader would be full after a few dozen.
        draining = threading.Thread(target=shutil.copyfileobj, args=(process.stdout, lines), daemon=True)
        draining.start()
        try:
            assert first, log.read_text()
            yield json.loads(first)["url"]
        finally:
            process.terminate()
            process.wait(10)
            draining.join(10)
            process.stdout.close()


KEPT_BY_THEIR_VERSION = ("native", "web", "synthetic")
"""The clients of the frozen release. A version keeps the variables that it was published with, whatever the next one is given."""


def variables_of_before(variables):  # noqa: F811
    clients = [one for one in json.loads(variables["CLIENTS"]) if one["client_id"] in KEPT_BY_THEIR_VERSION]
    return {**variables, "CLIENTS": json.dumps(clients)}


@pytest.fixture
def both(aws, variables, previous, tmp_path):  # noqa: F811
    """Where either release is served, by its side."""
    with (
        served(ROOT, tmp_path / CURRENT, variables, aws) as current,
        served(previous, tmp_path / PREVIOUS, variables_of_before(variables), aws) as before,
    ):
        yield {CURRENT: current, PREVIOUS: before}
