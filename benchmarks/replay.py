"""The replay of 90 days of hourly deployments: ``orchestrator replay --since 91d --set …``, compared with its limit.

The real tasks record `KINDS` deployments, good and bad ones with different traffic; the ledger then has `DAYS` copies of
each, which are read and judged one by one. Requests and answers pass through botocore, which ends at a table in memory:
the time has everything except the network.

The processes that judge import this module when they start, as they import the command line's in an installation. So what
only the measurement needs is imported in its functions.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks import Line, report

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

    from tests.recorded import Recorder

DAYS, KINDS = 90, 24
SECONDS = 10.0
SETTING = "delivery.thresholds.tolerated_increase_percent=9"

Item = Mapping[str, Any]


class Table:
    """Answers the ledger's reads as DynamoDB does: an item by its key, and the items of a partition in their order.

    Items are encoded when they are put: what DynamoDB does for an answer is not part of the measured time.
    """

    def __init__(self) -> None:
        self.partitions: dict[str, dict[str, str]] = {}

    def put(self, item: Item) -> None:
        """Keep an item."""
        self.partitions.setdefault(item["pk"]["S"], {})[item["sk"]["S"]] = json.dumps(item, allow_nan=False)

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        """Answer a request of botocore instead of the network (its event ``before-send``)."""
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415
        from botocore.compat import HTTPHeaders  # noqa: PLC0415

        request_body = json.loads(request.body)
        if request.headers["X-Amz-Target"].endswith(b".GetItem"):
            found = self.partitions.get(request_body["Key"]["pk"]["S"], {}).get(request_body["Key"]["sk"]["S"])
            content = f'{{"Item":{found}}}' if found else "{}"
        else:
            values = request_body["ExpressionAttributeValues"]
            first, last = (values.get(name, {"S": end})["S"] for name, end in ((":since", ""), (":until", "~")))
            items = self.partitions.get(values[":pk"]["S"], {})
            keys = sorted(key for key in items if first <= key <= last)
            chosen = ",".join(items[key] for key in (keys if request_body["ScanIndexForward"] else reversed(keys)))
            content = f'{{"Items":[{chosen}]}}'
        return AWSResponse(request.url, 200, HTTPHeaders(), _Raw(content.encode()))


class _Raw(io.BytesIO):
    """The body of an answer, as urllib3 hands it to botocore."""

    def stream(self, **_: Any) -> Any:
        """Yield the body."""
        yield self.read()


def recorded(kind: int) -> Recorder:
    """Return what one deployment has recorded. Every fourth one is bad, from another evaluation on."""
    from tests.fakes.two_versions import CANARY  # noqa: PLC0415
    from tests.fakes.version_metrics import FakeVersionMetrics  # noqa: PLC0415
    from tests.recorded import Recorder  # noqa: PLC0415

    bad = kind % 4 == 0
    errors = {CANARY: 0.1 + kind / 200} if bad else {}
    metrics = FakeVersionMetrics(requests=20 + kind, errors=errors)
    recorder = Recorder(metrics=metrics, worse_after=1 + kind % 3 if bad else 0)
    recorder.deploy("d-1")
    return recorder


def measure(days: int = DAYS, kinds: int = KINDS) -> tuple[list[Line], list[str]]:
    """Return the measurements, and notes on how they were taken.

    Args:
        days: copies of each recorded deployment.
        kinds: deployments that are recorded.
    """
    import botocore.session  # noqa: PLC0415

    from orchestrator.aws.clients import CONFIG  # noqa: PLC0415
    from orchestrator.aws.ledger.deployments import Ledger  # noqa: PLC0415
    from orchestrator.cli.actions.reports.replay import replay  # noqa: PLC0415
    from tests.unit.cli.actions.scenes import Scene  # noqa: PLC0415

    table, scene, decisions, size = Table(), Scene(), 0, 0
    newest = scene.clock.now()
    for kind in range(kinds):
        items = list(recorded(kind).scene.table.items.values())
        for day in range(days):
            at = newest - timedelta(days=day, hours=kind)
            name = f"d-{day:02}-{kind:02}"
            for item in items:
                if not item["pk"]["S"].startswith(("deployment#", "history")):
                    continue
                copy = json.loads(json.dumps(item, allow_nan=False).replace("d-1", name))
                if item["pk"]["S"] == "history":
                    copy["sk"]["S"] = f"{at.isoformat()}#{name}"
                decisions += item["sk"]["S"].startswith("decision#")
                size += len(item["body"]["S"])
                table.put(copy)
    session = botocore.session.get_session()
    session.set_credentials("none", "none")
    client = session.create_client("dynamodb", "us-west-1", config=CONFIG)
    events: Any = client.meta.events
    events.register("before-send.dynamodb", table.answer)
    vars(scene.cloud)["ledger"] = Ledger(client, scene.cloud.settings["LEDGER_TABLE"])
    with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        before, started = os.times(), time.perf_counter()
        replay(scene.context, None, [SETTING], f"{days + 1}d", output=Path(folder) / "replay.html", json=False)
        seconds, after = time.perf_counter() - started, os.times()
    used = sum(after[:4]) - sum(before[:4])
    return [Line(f"replay of {days * kinds} deployments", seconds, "s", SECONDS, "limit")], [
        f"{decisions:,} decisions, {size / 1e6:.0f} MB of records; {used:.1f} s of processor time on {os.cpu_count()} cores",
        f"without waiting for other programs it would take at least {used / (os.cpu_count() or 1):.1f} s",
    ]


if __name__ == "__main__":
    sys.exit(report("replay", *measure()))
