"""What `cdk synth` and `cdk deploy` say where a setting makes no sense: the CDK runs cdk_app.py, and prints what that prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import environments

APP = Path(environments.settings_file()).parent / "cdk_app.py"
GOOD = environments.settings_file().read_text(encoding="utf-8")
LATENCY = "p99_latency_ms = 3000"
LATENCY_LINE = 1 + GOOD.splitlines().index(LATENCY)
SYNTHETIC = 'redirect_uris = ["https://synthetic.invalid/callback"]'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            GOOD.replace(SYNTHETIC, SYNTHETIC.replace("https:", "http:")),
            "dev.service.clients[0]: 'synthetic' is refused: redirect_uris: http://synthetic.invalid/callback must use https",
        ),
        (
            GOOD.replace(f"\n{LATENCY}", '\np99_latency_ms = "fast"'),
            f"environments.toml:{LATENCY_LINE}: dev.service.alarms.p99_latency_ms: 'fast' is refused: give a whole number from 1 to 29000",
        ),
    ],
    ids=["a client that no function would accept", "a number that is none"],
)
def test_it_is_one_sentence_and_nothing_is_synthesised(tmp_path, text, said):
    assert text != GOOD
    file = tmp_path / "environments.toml"
    file.write_text(text, encoding="utf-8")
    context = json.dumps({"environment": "dev", "environments": str(file), "without_code": "yes"})
    finished = subprocess.run(
        [sys.executable, APP],
        env={**os.environ, "CDK_CONTEXT_JSON": context, "CDK_OUTDIR": str(tmp_path / "assembly")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr.startswith("refused: ")
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "assembly" / "manifest.json").exists()
