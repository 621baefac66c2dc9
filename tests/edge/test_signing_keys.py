"""The command line for signing keys, over the environment's own ring and KMS; the service follows within its cache."""

from __future__ import annotations

import json
import time

import pytest
import requests
from typer.testing import CliRunner

from orchestrator.cli.errors import DONE, REFUSED
from orchestrator.cli.main import app
from tests.edge.person import TIMEOUT_SECONDS

RUN = CliRunner()
RING_KEPT_SECONDS = 75
"""The service keeps a ring for a minute."""


@pytest.fixture
def keys(here, monkeypatch):
    """Runs `orchestrator keys …`."""
    monkeypatch.setattr("orchestrator.environments.project.local_folder", lambda: here.local._folder)
    return lambda *words, **how: RUN.invoke(app, ["keys", *words], **how)


def listed(keys):
    answer = keys("--json")
    assert answer.exit_code == DONE, answer.output
    return {key["kid"]: key["phase"] for key in json.loads(answer.output)["keys"]}


def test_a_key_is_published_once_and_one_that_leaked_is_taken_out_when_confirmed(keys, api):
    ((signing, phase),) = listed(keys).items()
    assert phase == "signing"

    refused = keys("revoke", signing, "--yes")
    assert refused.exit_code == REFUSED
    assert "no other key can sign" in refused.output

    assert keys("rotate").exit_code == DONE
    ring = listed(keys)
    (published,) = ring.keys() - {signing}
    assert ring == {signing: "signing", published: "published"}
    again = keys("rotate")
    assert again.exit_code == REFUSED
    assert published in again.output

    deadline = time.monotonic() + RING_KEPT_SECONDS
    while True:
        published_keys = requests.get(f"{api}/.well-known/jwks.json", timeout=TIMEOUT_SECONDS).json()["keys"]
        if [key["kid"] for key in published_keys] == [signing, published]:
            break
        assert time.monotonic() < deadline, published_keys
        time.sleep(1)

    unknown = keys("revoke", "nobody", "--yes")
    assert unknown.exit_code == REFUSED
    assert signing in unknown.output
    dashed = keys("revoke", "-3u7Wq_a", "--yes")
    assert (dashed.exit_code, "'-3u7Wq_a'" in dashed.output) == (REFUSED, True), dashed.output
    assert keys("revoke", published, input="n\n").exit_code == REFUSED
    assert listed(keys) == ring, "nothing was confirmed"
    unasked = keys("revoke", published, "--json")
    assert unasked.exit_code == REFUSED
    assert "--yes" in unasked.output
    assert keys("revoke", published, "--yes").exit_code == DONE
    assert listed(keys) == {signing: "signing"}
