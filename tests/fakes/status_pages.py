"""An environment with a status page over fakes: a promoted deployment, alarms, probes, heartbeats, and a bucket."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.status_page.settings import StatusPageSettings, encode_status_page
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeAlarms, FakeEvents
from tests.samples import FUNCTIONS, NOW, deployment
from tests.unit.domain.incidents.worlds import POLICY

ADDRESS = "https://status.example.com"
PAGE = StatusPageSettings(enabled=True, title="Example status", address=ADDRESS)
TABLES = {"STATE_TABLE": "ib-oauth-state-test", "TOKENS_TABLE": "ib-oauth-tokens-test"}


@dataclass
class FakeProbes:
    """The API as the probes reach it: a status by path; without one it does not answer."""

    statuses: dict[str, int] = field(
        default_factory=lambda: {"/authorize": 400, "/token": 400, "/.well-known/jwks.json": 200}
    )
    sent: list[str] = field(default_factory=list)

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        assert base_url == "https://api.invalid/test"
        self.sent.append(f"{request.method} {request.path}")
        if request.path not in self.statuses:
            raise Unreachable(f"{request.path}: timed out")
        return HttpResponse(self.statuses[request.path], {}, "", 1.0, "")


@dataclass
class FakeHeartbeats:
    """The acknowledged heartbeats: the newest one of every table."""

    newest: datetime | None = NOW
    fails: bool = False

    def read_acknowledged(self, table: str, since: datetime) -> set[int]:
        assert table in TABLES.values()
        if self.fails:
            raise Unreachable("DynamoDB does not answer")
        return {int(self.newest.timestamp())} if self.newest and self.newest >= since else set()


@dataclass
class SiteS3:
    """The bucket of the page: every write, and what happens before it."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    refuses: str = ""
    before: Any = None

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        assert Bucket
        if Key not in self.objects:
            raise client_error("NoSuchKey", "no")
        return {"Body": BytesIO(self.objects[Key]["Body"])}

    def put_object(self, **put: Any) -> dict[str, Any]:
        assert put["ChecksumAlgorithm"] == "SHA256"
        if self.before:
            hook, self.before = self.before, None
            hook()
        if self.refuses:
            raise client_error(self.refuses, "no")
        self.objects[put["Key"]] = put
        self.written.append(put["Key"])
        return {}


class StatusWorld:
    """The environment `test`, in which a deployment has been promoted."""

    def __init__(self, page: StatusPageSettings = PAGE, heartbeats: str = "yes") -> None:
        self.at = NOW
        self.s3, self.probes, self.beats = SiteS3(), FakeProbes(), FakeHeartbeats()
        self.alarms, self.events, plane = FakeAlarms(NOW), FakeEvents(), LambdaControlPlane()
        for name in FUNCTIONS:
            plane.add(f"ib-oauth-{name}-test", Environment={"Variables": TABLES})
        self.clients = {
            "dynamodb": FakeDynamoDB(),
            "lambda": plane,
            "cloudwatch": self.alarms,
            "events": self.events,
            "s3": self.s3,
        }
        settings = {
            **SETTINGS,
            "INCIDENTS": encode_policy(POLICY),
            "STATUS_PAGE": encode_status_page(page),
            "STATUS_HEARTBEATS": heartbeats,
            "STATUS_BUCKET": "ib-oauth-status-test-123456789012",
            "STATUS_REGION": SETTINGS["AWS_REGION"],
        }
        self.cloud = cloud_over(self.clients, lambda: self.at, settings)
        vars(self.cloud)["http"] = self.probes
        vars(self.cloud)["heartbeats"] = self.beats
        self.cloud.ledger.create_record(deployment())

    def advance(self, seconds: float, *, beats: bool = True) -> None:
        self.at += timedelta(seconds=seconds)
        if beats:
            self.beats.newest = self.at
