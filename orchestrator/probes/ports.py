"""The interfaces that the probes use. Adapters are in `orchestrator.aws`, fakes in the tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orchestrator.domain.analysis.custom_checks import CheckCounts
from orchestrator.domain.analysis.observations import (
    AlarmState,
    Certificate,
    HttpRequest,
    HttpResponse,
    LogPage,
    MetricQuery,
)
from orchestrator.domain.deployment.custom_checks import CustomCheck
from orchestrator.domain.verdict import Window


class MetricsReader(Protocol):
    """CloudWatch metrics. Raises Throttled or Unreachable."""

    def read_metrics(self, queries: Sequence[MetricQuery], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        """Return the values by query id and period start; a period without data is absent."""


class LogsReader(Protocol):
    """CloudWatch Logs. Raises Throttled or Unreachable."""

    def read_errors(self, group: str, window: Window) -> LogPage:
        """Return the error lines of a log group; a group that does not exist yet has none."""


class AlarmsReader(Protocol):
    """CloudWatch alarms. Raises Throttled or Unreachable."""

    def read_states(self, arns: Sequence[str]) -> Mapping[str, AlarmState]:
        """Return the states by ARN; an alarm that does not exist is absent."""


class Invoker(Protocol):
    """Direct invocation of Lambda functions. Raises Throttled or Unreachable."""

    def invoke(self, function_name: str, qualifier: str, request: HttpRequest) -> HttpResponse:
        """Send a request to a version or an alias, in the form in which API Gateway would send it."""


class HttpClient(Protocol):
    """The API as clients reach it. Raises Unreachable."""

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        """Send a request; redirects are not followed."""

    def certificate(self, url: str) -> Certificate:
        """Return the verified certificate of an https address."""


class MacClient(Protocol):
    """HMAC keys in KMS. Raises Throttled or Unreachable."""

    def generate_mac(self, key_id: str, message: bytes) -> bytes:
        """Return the HMAC-SHA-256 of a message under a key that never leaves KMS."""


@dataclass(frozen=True)
class Pace:
    """The clock by which calls are repeated; both in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class CheckReader(Protocol):
    """The sources of the environment's own checks. Raises CheckNotReadable, Throttled or Unreachable.

    A read that takes longer than `seconds` is not readable.
    """

    def count(self, check: CustomCheck, window: Window, version: str, seconds: float) -> CheckCounts:
        """Return the trials within a window, and the bad ones among them; `version` is empty for both versions."""

    def value(self, check: CustomCheck, window: Window, version: str, seconds: float) -> float:
        """Return the current value of a check that has no counts."""


@dataclass(frozen=True)
class ProbeClients:
    """All clients that the probes use, and the clock by which these repeat their calls."""

    metrics: MetricsReader
    logs: LogsReader
    alarms: AlarmsReader
    functions: Invoker
    web: HttpClient
    macs: MacClient
    checks: CheckReader
    pace: Pace = field(default_factory=Pace)
