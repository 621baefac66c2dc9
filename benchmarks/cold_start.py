"""Import time of the functions' code compared with a bare interpreter, and the size of the zipped assets.

The service's functions are imported as Lambda does it, with their environment variables, until the handler can be
called: with validated settings and AWS clients. Each is measured with botocore and with a stub of it, because Lambda's
runtime contains botocore and only the rest is our own import time. The notes show boto3's import time for comparison.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import Line, report
from orchestrator import environments
from orchestrator.packaging import assets

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
TASK_LIMIT_MS = 250.0
WITHOUT_BOTOCORE_LIMIT_MS, WITH_BOTOCORE_LIMIT_MS = 190.0, 400.0
ZIPPED_LIMIT_MB = 6.5
FUNCTIONS = ("authorize", "token", "public")

VARIABLES = {
    "AWS_DEFAULT_REGION": "us-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "ENVIRONMENT": "prod",
    "ISSUER": "https://auth.example",
    "STATE_TABLE": "state",
    "TOKENS_TABLE": "tokens",
    "KEYS_TABLE": "keys",
    "REVOCATIONS_TABLE": "revocations",
    "CLIENTS": json.dumps(
        [{"client_id": "web", "name": "Web", "redirect_uris": ["https://web.example/callback"], "scopes": ["profile"]}],
        allow_nan=False,
    ),
    "PLATFORMS": json.dumps({"demo": {"url": "https://platform.example", "title": "Demo"}}, allow_nan=False),
    "RELEASE": json.dumps({"commit": "abc123", "build": "7", "configuration": "sha256:0"}, allow_nan=False),
    "SOURCE_REQUESTS_PER_SECOND": "20",
    "SOURCE_BURST_REQUESTS": "60",
    **dict.fromkeys(("SIGNING_KEY_ID", "SESSION_KEY_ID", "SYNTHETIC_KEY_ID"), "alias/key"),
}

NO_BOTOCORE = """
import sys, types
from importlib.machinery import ModuleSpec
class Anything:
    def __init__(self, *a, **k): pass
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
for name, members in {"botocore": {}, "botocore.session": {"get_session": Anything()}, "botocore.config": {"Config":
Anything},
                      "botocore.exceptions": {"BotoCoreError": type("A", (Exception,), {}), "ClientError": type("B",
                      (Exception,), {})}}.items():
    module = types.ModuleType(name); module.__spec__ = ModuleSpec(name, None); module.__path__ = []
    module.__dict__.update(members); sys.modules[name] = module
sys.modules["botocore"].session = sys.modules["botocore.session"]
"""


def milliseconds(statement: str, variables: Mapping[str, str] | None = None) -> float:
    """Return the shortest time in ms of several fresh interpreters that run a statement; it is the least disturbed."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True, cwd=ROOT, env={**os.environ, **(variables or {})})
        best = min(best, time.perf_counter() - started)
    return best * 1000


def service_functions(bare: float) -> list[Line]:
    """Measure the import of the service's functions, with and without botocore."""
    lines = []
    for function in FUNCTIONS:
        load = f"import service.handlers.{function}"
        without = milliseconds(f"{NO_BOTOCORE}\n{load}", VARIABLES) - bare
        lines.append(
            Line(
                f"{function}, ready to serve, without botocore",
                without,
                "ms",
                WITHOUT_BOTOCORE_LIMIT_MS,
                "limit over bare Python",
            )
        )
        with_botocore = milliseconds(load, VARIABLES) - bare
        lines.append(Line("… with botocore", with_botocore, "ms", WITH_BOTOCORE_LIMIT_MS, "limit over bare Python"))
    return lines


def asset_sizes() -> list[Line]:
    """Measure the size of the uploaded assets with bundled dependencies."""
    environment = environments.load("prod")
    return [
        Line(f"{name}, zipped", assets.zipped_bytes(asset) / 1e6, "MB", ZIPPED_LIMIT_MB, "limit")
        for name, asset in (
            ("service", assets.service_asset(environment)),
            ("orchestrator", assets.orchestrator_asset(environment)),
        )
    ]


def main() -> int:
    """Measure every function, and boto3 for comparison."""
    bare = milliseconds("pass")
    boto3 = milliseconds("import boto3") - bare
    botocore = milliseconds(
        "import botocore.session; botocore.session.get_session().create_client('dynamodb')", VARIABLES
    )
    tasks = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("tasks", "event_handlers")
        for path in sorted((ROOT / "orchestrator" / package).rglob("[a-z]*.py"))
    ]
    lines = [
        *service_functions(bare),
        *asset_sizes(),
        *(
            Line(task, milliseconds(f"import {task}") - bare, "ms", TASK_LIMIT_MS, "limit over bare Python")
            for task in tasks
        ),
    ]
    notes = [
        (
            f"bare Python starts in {bare:.0f} ms; in addition, importing boto3 takes {boto3:.0f} ms, and botocore with a "
            f"DynamoDB client {botocore - bare:.0f} ms"
        ),
        "the fastest of 7 starts each, with compiled bytecode",
    ]
    return report("cold_start", lines, notes)


if __name__ == "__main__":
    sys.exit(main())
